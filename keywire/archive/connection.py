"""Connections to the archive's database: few, signed in with Entra tokens, and none while nothing is asked.

The smallest server gives an app 35 connections, and every instance opens its own. So an instance has at
most two for each role, closes them when they are idle, and renews them before the token that opened them ends.
"""

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import psycopg
from azure_postgresql_auth.psycopg3 import AsyncEntraConnection
from psycopg.pq import TransactionStatus

from keywire.archive.errors import busy, classified
from keywire.archive.schema import READER_ROLE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from azure.core.credentials_async import AsyncTokenCredential

MAX_CONNECTIONS: Final = 2
# A token lives an hour at least.
MAX_LIFETIME_SECONDS: Final = 45 * 60.0
MAX_IDLE_SECONDS: Final = 60.0
CHECK_AFTER_SECONDS: Final = 5.0
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


@dataclass(slots=True)
class _Idle:
    """A connection that waits for its next use, with the times (`time.monotonic`) of its opening and last use."""

    connection: psycopg.AsyncConnection
    opened: float
    used: float


class Connections:
    """A few connections with the same role.

    Not `psycopg_pool`: there, a connection that cannot be opened is retried in the background, and the caller waits for
    its whole time-out without the reason. Here it gets the error at once, and retries by its own policy.

    Args:
        server: The server.
        credential: Gets the tokens.
        reader: Switch to the role that only reads.
        statement_seconds: The statement timeout.
        max_connections: How many there may be.
        wait_seconds: How long to wait for one while all are in use.
    """

    def __init__(
        self,
        server: Server,
        credential: "AsyncTokenCredential",
        *,
        reader: bool = False,
        statement_seconds: float | None = None,
        max_connections: int = MAX_CONNECTIONS,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        seconds = statement_seconds or (READER_TIMEOUT_SECONDS if reader else WRITER_TIMEOUT_SECONDS)
        self._arguments = _arguments(server, credential, seconds, reader=reader)
        self._free = asyncio.Semaphore(max_connections)
        self._wait_seconds = wait_seconds
        self._idle: list[_Idle] = []

    @asynccontextmanager
    async def connection(self) -> "AsyncIterator[psycopg.AsyncConnection]":
        """Lend a connection in autocommit mode; errors that leave the block are classified.

        Raises:
            ThrottledError: The database takes no connection now, or all of them are in use.
            TransientError: The connection failed.
            MisconfiguredError: The database refuses this app.
            QueryTimeoutError: A statement took too long.
        """
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._free.acquire()
        except TimeoutError:
            raise busy() from None
        try:
            lent = await self._take()
            try:
                yield lent.connection
            finally:
                await self._give_back(lent)
        except Exception as error:
            if (better := classified(error)) is error:
                raise
            raise better from error
        finally:
            self._free.release()

    async def close(self) -> None:
        """Close every connection that is not in use."""
        while self._idle:
            await self._idle.pop().connection.close()

    async def _take(self) -> _Idle:
        """Return the connection that was used last, if it still works; a new one otherwise."""
        now = time.monotonic()
        while self._idle:
            idle = self._idle.pop()
            if now - idle.opened < MAX_LIFETIME_SECONDS and await _works(idle, now):
                return idle
            await idle.connection.close()
        connection = await AsyncEntraConnection.connect(**self._arguments)
        return _Idle(connection, now, now)

    async def _give_back(self, lent: _Idle) -> None:
        if (
            lent.connection.info.transaction_status != TransactionStatus.IDLE
        ):  # failed, or its task was cancelled
            await lent.connection.close()
            return
        lent.used = time.monotonic()
        self._idle.append(lent)
        asyncio.get_running_loop().call_later(MAX_IDLE_SECONDS, self._close_unused)

    def _close_unused(self) -> None:
        """Close the connections that were not used for a while."""
        since = time.monotonic() - MAX_IDLE_SECONDS
        for idle in [each for each in self._idle if each.used <= since]:
            self._idle.remove(idle)
            idle.connection.pgconn.finish()


async def _works(idle: _Idle, now: float) -> bool:
    """Return whether the server did not end the connection; after a while, whether it still answers."""
    try:
        idle.connection.pgconn.consume_input()
        if not idle.connection.closed and now - idle.used >= CHECK_AFTER_SECONDS:
            await idle.connection.execute("select 1")
    except psycopg.Error:
        return False
    return not idle.connection.closed


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
        "autocommit": True,
        # Statements are planned with their values: filters that are not set disappear from the plan.
        "prepare_threshold": None,
    }
