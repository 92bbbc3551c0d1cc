"""What an administrator runs once: roles for this app's identity, with rights on one schema only.

The app is never an administrator of the server. Searching switches to a role that can only read.
"""

from typing import TYPE_CHECKING

from psycopg import sql

from keywire.archive.schema import READER_ROLE, SCHEMA

if TYPE_CHECKING:
    from psycopg import AsyncConnection


async def create_principal(postgres: "AsyncConnection", identity: str) -> bool:
    """Create the role of an Entra identity; return False if it exists.

    Args:
        postgres: A connection of the Entra administrator to the database `postgres`.
        identity: The identity's display name.
    """
    found = await postgres.execute("select from pg_roles where rolname = %s", [identity])
    if found.rowcount:
        return False
    await postgres.execute("select pgaadauth_create_principal(%s, false, false)", [identity])
    return True


async def grant(database: "AsyncConnection", identity: str) -> None:
    """Give an identity its schema in a database, and the role that searching switches to.

    Args:
        database: A connection of the Entra administrator to the archive's database.
        identity: The identity's role.
    """
    role, reader, schema = (sql.Identifier(name) for name in (identity, READER_ROLE, SCHEMA))
    async with database.transaction():
        found = await database.execute("select from pg_roles where rolname = %s", [READER_ROLE])
        if not found.rowcount:
            await database.execute(sql.SQL("create role {} nologin").format(reader))
        await database.execute(sql.SQL("grant {} to {}").format(reader, role))
        await database.execute(sql.SQL("create schema if not exists {}").format(schema))
        await database.execute(sql.SQL("grant usage, create on schema {} to {}").format(schema, role))
        await database.execute(sql.SQL("grant usage on schema {} to {}").format(schema, reader))
