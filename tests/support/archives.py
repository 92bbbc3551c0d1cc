"""An archive of its own for a test: a database on the real PostgreSQL, reached as in Azure."""

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import psycopg
from azure.core.credentials import AccessToken
from azure.core.credentials_async import AsyncTokenCredential

from emulators import identity
from emulators.framework.certificates import Certificates
from emulators.postgres import Postgres
from emulators.postgres.service import ADMINISTRATOR
from keywire.archive import grants
from keywire.archive.connection import Connections, Server
from keywire.archive.postgres import PostgresArchive
from keywire.documents import document as documents
from keywire.documents.content import Content, SentKeyword
from keywire.documents.document import KeywordDocument
from tests.support.builders import ACCOUNT_ID, instance

NOW = datetime(2026, 3, 2, 9, 15, 27, 413333, tzinfo=UTC)
AUDIENCE = "https://ossrdbms-aad.database.windows.net"


class Identity(AsyncTokenCredential):
    """Tokens of the app's identity, or wrong ones."""

    def __init__(self, audience: str = AUDIENCE, seconds: float = 3600) -> None:
        self.audience = audience
        self.seconds = seconds

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        ends = int(time.time() + self.seconds)
        return AccessToken(identity.issue(self.audience, expires_on=ends, signing_key=b"s" * 32), ends)

    async def close(self) -> None:
        pass

    async def __aexit__(self, *_: object) -> None:
        pass


@dataclass(frozen=True, kw_only=True)
class OwnArchive:
    """An archive, its connections, and the way around it for what a test looks up."""

    archive: PostgresArchive
    writers: Connections
    readers: Connections
    server: Server
    conninfo: str

    async def rows(self, statement: str) -> list[tuple[Any, ...]]:
        connecting = psycopg.AsyncConnection.connect(self.conninfo, autocommit=True)
        async with await connecting as connection:
            return await (await connection.execute(statement)).fetchall()


@asynccontextmanager
async def own_archive(
    postgres: Postgres, certificates: Certificates, *, migrate: bool = True
) -> AsyncIterator[OwnArchive]:
    """Make a database as `dev.py archive grant` does, and drop it."""
    name = f"archive_{secrets.token_hex(6)}"
    superuser = postgres.superuser_conninfo
    async with await psycopg.AsyncConnection.connect(superuser(), autocommit=True) as connection:
        await connection.execute(f"create database {name} owner azure_pg_admin")
    async with await psycopg.AsyncConnection.connect(superuser(), autocommit=True) as connection:
        await connection.execute(f'set session authorization "{ADMINISTRATOR}"')
        await grants.create_principal(connection, identity.NAME)
    async with await psycopg.AsyncConnection.connect(superuser(name), autocommit=True) as connection:
        await connection.execute(f'set session authorization "{ADMINISTRATOR}"')
        await grants.grant(connection, identity.NAME)
    server = Server(
        host="127.0.0.1", port=postgres.port, database=name, certificates=str(certificates.authority)
    )
    writers = Connections(server, Identity())
    readers = Connections(server, Identity(), reader=True)
    archive = PostgresArchive(writers, readers)
    if migrate:
        await archive.migrate()
    yield OwnArchive(
        archive=archive, writers=writers, readers=readers, server=server, conninfo=superuser(name)
    )
    await writers.close()
    await readers.close()
    async with await psycopg.AsyncConnection.connect(superuser(), autocommit=True) as connection:
        await connection.execute(f"drop database {name} with (force)")


def sent(
    text: str, language: str | None = "en-US", *, confidence: float | None = 0.9, seconds: float = 10.0
) -> SentKeyword:
    """A keyword as Video Indexer sends it, once, from the first second on."""
    end = timedelta(seconds=1 + seconds)
    clock = str(timedelta(seconds=end.seconds, microseconds=end.microseconds))
    fields: dict[str, Any] = {
        "text": text,
        "instances": [instance("0:00:01", f"{end.days}.{clock}" if end.days else clock)],
    }
    return SentKeyword(
        video_id=None,
        fields=fields
        | ({} if language is None else {"language": language})
        | ({} if confidence is None else {"confidence": confidence}),
    )


def document(video_id: str, *keywords: SentKeyword | str, version: int = 1, **fields: Any) -> KeywordDocument:
    """A processed document with these keywords."""
    content = Content(
        name=fields.pop("name", f"Video {video_id}"),
        external_id=fields.pop("external_id", None),
        metadata=fields.pop("metadata", None),
        duration_seconds=60.0,
        language=fields.pop("language", "en-US"),
        source_languages=("en-US",),
        indexing_preset=None,
        insights_version="1.0",
        state=fields.pop("state", "Processed"),
        failure_code=None,
        source_videos=(),
        unreadable_keywords=0,
        keywords=tuple(sent(each) if isinstance(each, str) else each for each in keywords),
    )
    built = documents.build(
        content,
        account_id=ACCOUNT_ID,
        video_id=video_id,
        previous=None,
        failure_message=None,
        extracted_at=fields.pop("extracted_at", NOW),
        version=version,
    )
    return msgspec.structs.replace(built, **fields)
