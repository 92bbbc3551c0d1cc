"""Azure Database for PostgreSQL on one machine: a real PostgreSQL behind a TLS front that checks Entra tokens.

Leaves out: PgBouncer, replicas, backups, firewall rules, Microsoft's extensions, and groups as Entra principals.
"""

from emulators.postgres.service import Postgres

__all__ = ["Postgres"]
