"""The service: a cluster, its TLS front, and what Azure sets up in a new server.

That is `azure_pg_admin`, the function `pgaadauth_create_principal` in database `postgres`, the Entra administrator's
role, and the database of the customer's choice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

import psycopg
from psycopg import sql

from emulators.framework.certificates import Certificates
from emulators.postgres.cluster import SUPERUSER, Cluster
from emulators.postgres.entra_front import EntraFront

# The Entra administrator: who deploys.
ADMINISTRATOR: Final = "deployer@keywire.example"
ADMINISTRATOR_OBJECT_ID: Final = "4d3c2b1a-9f8e-4a7b-8c6d-5e4f3a2b1c0d"

_SETUP: Final = """
create role azure_pg_admin nologin createrole createdb;
create table principal(name text primary key);
create function pgaadauth_create_principal(role_name text, is_admin boolean, is_mfa boolean) returns text
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  if not exists (select from principal where name = role_name) then
    raise exception 'Principal name "%" could not be found in the tenant', role_name;
  end if;
  execute format('create role %I login', role_name);
  if is_admin then
    execute format('grant azure_pg_admin to %I with admin option', role_name);
  end if;
  return format('Created role for %s', role_name);
end $$;
revoke all on function pgaadauth_create_principal from public;
grant execute on function pgaadauth_create_principal to azure_pg_admin;
"""
_ADMINISTRATOR: Final = sql.SQL("create role {} login createrole createdb in role azure_pg_admin")


@dataclass(kw_only=True)
class Postgres:
    """A running server; `async with` starts and stops it.

    Attributes:
        certificates: What it serves TLS with.
        identities: The object id of each identity in the tenant, by display name.
        database: The customer's database.
        cluster: The PostgreSQL behind it.
        port: 0 lets the system choose; after the start, the port in use.
    """

    certificates: Certificates
    identities: Mapping[str, str]
    database: str = "keywire"
    cluster: Cluster = field(default_factory=Cluster)
    port: int = 0
    front: EntraFront | None = None

    async def start(self) -> None:
        """Start it and set up what a new server has.

        Raises:
            PostgresNotFoundError: There is no PostgreSQL to run.
            PostgresFailedError: It did not start.
        """
        directory = {**self.identities, ADMINISTRATOR: ADMINISTRATOR_OBJECT_ID}
        await self.cluster.start()
        try:
            await self._set_up(tuple(directory))
            self.front = EntraFront(self.cluster.socket, self.certificates, directory)
            await self.front.start(self.port)
            self.port = self.front.port
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End the front, then the cluster."""
        if self.front is not None:
            await self.front.stop()
        await self.cluster.stop()

    def superuser_conninfo(self, database: str = "postgres") -> str:
        """Return how a test reaches the cluster without the front."""
        return f"host={self.cluster.root} user={SUPERUSER} dbname={database}"

    async def _set_up(self, names: tuple[str, ...]) -> None:
        connecting = psycopg.AsyncConnection.connect(self.superuser_conninfo(), autocommit=True)
        async with await connecting as connection, connection.cursor() as cursor:
            await cursor.execute("select from pg_roles where rolname = 'azure_pg_admin'")
            if not cursor.rowcount:
                await cursor.execute(_SETUP)
                await cursor.execute(_ADMINISTRATOR.format(sql.Identifier(ADMINISTRATOR)))
                await cursor.execute(
                    sql.SQL("create database {} owner azure_pg_admin").format(sql.Identifier(self.database))
                )
            await cursor.executemany(
                "insert into principal values (%s) on conflict do nothing", [(name,) for name in names]
            )

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
