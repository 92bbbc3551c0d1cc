"""Connections to the archive's database: few, signed in with Entra tokens, and none while nothing is asked.

The smallest server gives an app 35 connections, and every instance has its own pools. So a pool has at most two, closes
them when they are idle, and renews them before the token that opened them ends.
"""

import asyncio
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import psycopg
from azure_postgresql_auth.psycopg3 import AsyncEntraConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from keywire.archive.errors import classified
from keywire.archive.schema import READER_ROLE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from azure.core.credentials_async import AsyncTokenCredential

MAX_CONNECTIONS: Final = 2
# A token lives an hour at least.
MAX_LIFETIME_SECONDS: Final = 45 * 60.0
MAX_IDLE_SECONDS: Final = 60.0
WAIT_SECONDS: Final = 10.0
CONNECT_SECONDS: Final = 10
WRITER_TIMEOUT_SECONDS: Final = 60
READER_TIMEOUT_SECONDS: Final = 5


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where the database is.

    Attributes:
        host: The server's name.
        port: Its port.
        database: The database.
        certificates: A file with the authorities to trust, or `system`.
    """

    host: str
    port: int = 5432
    database: str = "keywire"
    certificates: str = "system"


class Connections:
    """A pool of connections with the same role.

    Args:
        server: The server.
        credential: Gets the tokens.
        reader: Switch to the role that only reads.
        statement_seconds: The statement timeout.
        max_connections: How many there may be.
    """

    def __init__(
        self,
        server: Server,
        credential: "AsyncTokenCredential",
        *,
        reader: bool = False,
        statement_seconds: float | None = None,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        seconds = statement_seconds or (READER_TIMEOUT_SECONDS if reader else WRITER_TIMEOUT_SECONDS)
        self._arguments = _arguments(server, credential, seconds, reader=reader)
        self._max_connections = max_connections
        self._pool: AsyncConnectionPool[psycopg.AsyncConnection] | None = None
        self._opening = asyncio.Lock()
        self._last_error: Exception | None = None

    def connection(self) -> AbstractAsyncContextManager[psycopg.AsyncConnection]:
        """Lend a connection; errors that leave the block are classified.

        Raises:
            ThrottledError: The database takes no connection now.
            TransientError: The connection failed.
            MisconfiguredError: The database refuses this app.
            QueryTimeoutError: A statement took too long.
        """
        return self._lend()

    @asynccontextmanager
    async def _lend(self) -> "AsyncIterator[psycopg.AsyncConnection]":
        pool = await self._opened()
        try:
            async with pool.connection() as connection:
                self._last_error = None
                yield connection
        except PoolTimeout as error:
            # The pool retries in the background; why it fails is what the operator needs.
            raise classified(self._last_error or error) from error
        except Exception as error:
            if (better := classified(error)) is error:
                raise
            raise better from error

    async def close(self) -> None:
        """Close every connection."""
        if self._pool is not None:
            await self._pool.close()
            self._pool = None

    async def _opened(self) -> AsyncConnectionPool[psycopg.AsyncConnection]:
        async with self._opening:
            if self._pool is None:
                self._pool = AsyncConnectionPool(
                    connection_class=self._connection_class(),
                    kwargs=self._arguments,
                    min_size=0,
                    max_size=self._max_connections,
                    max_lifetime=MAX_LIFETIME_SECONDS,
                    max_idle=MAX_IDLE_SECONDS,
                    timeout=WAIT_SECONDS,
                    reconnect_timeout=WAIT_SECONDS,
                    check=AsyncConnectionPool.check_connection,
                    open=False,
                )
                await self._pool.open()
            return self._pool

    def _connection_class(self) -> type[psycopg.AsyncConnection]:
        connections = self

        class RememberingConnection(AsyncEntraConnection):
            """Keeps the error of a failed sign-in: a pool only logs it."""

            @classmethod
            async def connect(cls, *args: Any, **kwargs: Any) -> Any:
                try:
                    return await super().connect(*args, **kwargs)
                except Exception as error:
                    connections._last_error = error
                    raise

        return RememberingConnection


def _arguments(
    server: Server, credential: "AsyncTokenCredential", seconds: float, *, reader: bool
) -> dict[str, Any]:
    options = [
        f"-c statement_timeout={round(seconds * 1000)}",
        "-c idle_in_transaction_session_timeout=60000",
    ]
    if reader:
        options += [f"-c role={READER_ROLE}", "-c default_transaction_read_only=on"]
    else:
        options.append("-c lock_timeout=10000")
    return {
        "host": server.host,
        "port": server.port,
        "dbname": server.database,
        "sslmode": "verify-full",
        "sslrootcert": server.certificates,
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "keywire",
        "options": " ".join(options),
        "credential": credential,
        # Statements are planned with their values: filters that are not set disappear from the plan.
        "prepare_threshold": None,
    }
