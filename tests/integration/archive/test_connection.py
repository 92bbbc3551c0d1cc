"""Connections: signed in by token, bounded, and with errors that say what to do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import psycopg
import pytest

from emulators import identity
from emulators.postgres import Postgres
from keywire.archive.archive import QueryTimeoutError
from keywire.archive.connection import Connections, Server
from keywire.video_indexer.errors import MisconfiguredError, ThrottledError, TransientError
from tests.support.archives import Identity, OwnArchive


@pytest.fixture
async def closing() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


def connections(own: OwnArchive, closing: AsyncExitStack, **options: object) -> Connections:
    credential = options.pop("credential", Identity())
    made = Connections(own.server, credential, **options)  # type: ignore[arg-type]
    closing.push_async_callback(made.close)
    return made


@pytest.mark.parametrize(
    ("credential", "reason"),
    [
        (Identity(audience="https://storage.azure.com"), "not for"),
        (Identity(seconds=-60), "expired"),
    ],
    ids=["another audience", "expired"],
)
async def test_a_wrong_token_is_refused_and_the_error_says_what_to_do(
    own: OwnArchive, closing: AsyncExitStack, credential: Identity, reason: str
) -> None:
    with pytest.raises(MisconfiguredError, match="archive grant") as raised:
        async with connections(own, closing, credential=credential).connection():
            pass
    assert reason in str(raised.value.__cause__)


async def test_a_token_of_another_identity_is_refused(own: OwnArchive, closing: AsyncExitStack) -> None:
    made = connections(own, closing)
    made._arguments["user"] = "deployer@keywire.example"
    with pytest.raises(MisconfiguredError, match="does not accept"):
        async with made.connection():
            pass


async def test_a_connection_without_encryption_is_refused(own: OwnArchive) -> None:
    with pytest.raises(psycopg.OperationalError, match="verify-full"):
        await psycopg.AsyncConnection.connect(
            host="127.0.0.1",
            port=own.server.port,
            user=identity.NAME,
            password="x",
            dbname=own.server.database,
            sslmode="disable",
        )


async def test_a_certificate_of_another_authority_is_refused(
    own: OwnArchive, closing: AsyncExitStack
) -> None:
    stranger = Server(host="127.0.0.1", port=own.server.port, database=own.server.database)
    made = Connections(stranger, Identity())
    with pytest.raises(TransientError):
        async with made.connection():
            pass


async def test_searching_cannot_write(own: OwnArchive) -> None:
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        async with own.readers.connection() as connection:
            await connection.execute("delete from archive.video")
    # Not by leaving the read-only mode either: the role has no right to it.
    async with own.readers.connection() as connection:
        await connection.execute("set default_transaction_read_only = off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute("delete from archive.video")


async def test_the_app_is_no_administrator(own: OwnArchive) -> None:
    for statement in ("create role other", "create database other", "create schema other"):
        with pytest.raises(MisconfiguredError):
            async with own.writers.connection() as connection:
                await connection.execute(statement)


async def test_a_statement_that_takes_too_long_ends(own: OwnArchive, closing: AsyncExitStack) -> None:
    made = connections(own, closing, statement_seconds=0.1)
    with pytest.raises(QueryTimeoutError, match="add a word or a filter"):
        async with made.connection() as connection:
            await connection.execute("select pg_sleep(5)")


async def test_a_server_that_starts_or_is_full_is_throttling(
    own: OwnArchive, postgres: Postgres, closing: AsyncExitStack
) -> None:
    assert postgres.front is not None
    postgres.front.refusing = True
    try:
        with pytest.raises(ThrottledError, match="57P03") as raised:
            async with connections(own, closing).connection():
                pass
    finally:
        postgres.front.refusing = False
    assert raised.value.retry_after == 10.0
    many = connections(own, closing, max_connections=100)
    async with AsyncExitStack() as stack:
        with pytest.raises(ThrottledError, match="53300"):  # noqa: PT012 - one of them
            for _ in range(100):
                await stack.enter_async_context(many.connection())


async def test_no_more_connections_than_its_bound(own: OwnArchive, closing: AsyncExitStack) -> None:
    made = connections(own, closing, max_connections=2, wait_seconds=0.1)
    async with made.connection(), made.connection():
        with pytest.raises(ThrottledError, match="in use"):
            async with made.connection():
                pass
    async with made.connection():
        pass


async def test_a_connection_is_used_again_and_replaced_when_it_was_cut(
    own: OwnArchive, postgres: Postgres, closing: AsyncExitStack
) -> None:
    made = connections(own, closing)

    async def backend() -> int:
        async with made.connection() as connection:
            return connection.info.backend_pid

    first = await backend()
    assert await backend() == first
    assert postgres.front is not None
    await postgres.front.cut_connections()
    assert await backend() != first


async def test_a_cancelled_statement_leaves_no_broken_connection(
    own: OwnArchive, closing: AsyncExitStack
) -> None:
    made = connections(own, closing, max_connections=1)

    async def sleep() -> None:
        async with made.connection() as connection:
            await connection.execute("select pg_sleep(5)")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await sleep()
    async with made.connection() as connection:
        assert await (await connection.execute("select 1")).fetchone() == (1,)
