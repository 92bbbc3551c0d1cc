"""What went wrong in the database, as the errors that say what to do.

The retry policy and the HTTP replies know these errors: wait, try again, or tell the operator.
"""

import re
from typing import Final

import psycopg
from azure_postgresql_auth.errors import AzurePgEntraError

from keywire.archive.archive import QueryTimeoutError
from keywire.video_indexer.errors import (
    MisconfiguredError,
    ThrottledError,
    TransientError,
)

RETRY_AFTER_SECONDS: Final = 10.0

# SQLSTATE codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
_THROTTLED: Final = frozenset({"53300", "57P03"})  # too many connections; cannot connect now
_TIMEOUT: Final = "57014"  # query canceled
_MISCONFIGURED: Final = {
    "28P01": "the database does not accept this app's identity",
    "28000": "the database does not accept this app's identity",
    "3D000": "the database does not exist",
    "3F000": "the schema does not exist",
    "42501": "this app's role may not use the schema",
    "42P01": "the schema is incomplete",
}
_CONFLICTS: Final = frozenset({"40001", "40P01"})  # serialization failure; deadlock
# libpq gives no SQLSTATE for a connection that the server refused, only the server's message.
_REFUSALS: Final = (
    ("53300", re.compile(r"too many clients|too many connections|connection slots")),
    ("57P03", re.compile(r"starting up|shutting down|recovery mode|not yet accepting")),
    ("3D000", re.compile(r"database \".*\" does not exist")),
    ("28P01", re.compile(r"authentication failed|role \".*\" does not exist|pg_hba\.conf|encryption")),
)
_HINT: Final = "Run `dev.py archive grant` as the server's Entra administrator"


def is_conflict(error: BaseException) -> bool:
    """Return whether the transaction lost against another one, and can run again at once."""
    return isinstance(error, TransientError) and error.code in _CONFLICTS


def classified(error: Exception) -> Exception:
    """Return the error that says what to do; errors that are not the database's stay as they are."""
    if isinstance(error, AzurePgEntraError):
        return TransientError("archive: no access token for the database")
    return _of_database(error) if isinstance(error, psycopg.Error) else error


def _of_database(error: psycopg.Error) -> Exception:
    state = error.sqlstate or _refusal(str(error))
    if state in _THROTTLED:
        return _throttled(f"the database takes no connection now ({state})")
    if state == _TIMEOUT:
        return QueryTimeoutError("the query took too long: add a word or a filter")
    if state in _MISCONFIGURED:
        return MisconfiguredError(f"archive: {_MISCONFIGURED[state]} ({state}). {_HINT}", code=state)
    if isinstance(error, psycopg.OperationalError):
        return TransientError(f"archive: the connection failed ({state or type(error).__name__})", code=state)
    return error


def _refusal(message: str) -> str:
    return next((state for state, pattern in _REFUSALS if pattern.search(message)), "")


def busy() -> ThrottledError:
    """Return the error of an instance whose connections are all in use."""
    return _throttled("all connections of this instance are in use")


def _throttled(reason: str) -> ThrottledError:
    throttled = ThrottledError(f"archive: {reason}")
    throttled.retry_after = RETRY_AFTER_SECONDS
    return throttled
