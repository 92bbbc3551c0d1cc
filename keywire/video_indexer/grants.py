"""What to grant to whom, in words that an operator can paste, where Azure Resource Manager gives no token.

The documents know no built-in role that holds just this action: "Contributor" on the account and nothing more
is what they name (see `docs/security.md` for a narrower one).
"""

import base64
from typing import Any, Final

import msgspec

from keywire.video_indexer.errors import MisconfiguredError

_ACTION: Final = "Microsoft.VideoIndexer/accounts/{operation}/action"


class _Claims(msgspec.Struct):
    oid: Any = None
    appid: Any = None


def refused(error: MisconfiguredError, *, operation: str, resource_id: str, token: str) -> MisconfiguredError:
    """The error with what helps.

    Args:
        error: What Azure Resource Manager answered.
        operation: What was asked of it.
        resource_id: Of which account.
        token: With which token: its claims name the identity. It is not part of the message.
    """
    if error.status == 404:
        return _told(
            error,
            f"{error}: there is no Video Indexer account {resource_id}, or it is hidden from this identity: "
            "correct VIDEO_INDEXER_RESOURCE_ID",
        )
    claims = read_claims(token)
    # No document says which built-in role sells restricted tokens.
    role = "Contributor" if operation == "generateAccessToken" else '"{a role with that action}"'
    object_id = str(claims.oid or "unknown")
    return _told(
        error,
        f"{error}: the identity with object id {object_id} (client id {claims.appid or 'unknown'}) lacks the "
        f"action {_ACTION.format(operation=operation)} on the scope {resource_id}. Grant it, and allow a few "
        f"minutes: az role assignment create --assignee-object-id {object_id} "
        f"--assignee-principal-type ServicePrincipal --role {role} --scope {resource_id}",
    )


def without_identity(error: Exception) -> MisconfiguredError:
    """The error where there is no identity to ask with."""
    return MisconfiguredError(
        f"this app has no identity that gets tokens for Azure Resource Manager ({type(error).__name__}): "
        "assign a managed identity, or correct AZURE_CLIENT_ID and InsightsStorage__clientId"
    )


def refused_by_account(error: MisconfiguredError, *, account_id: str, location: str) -> MisconfiguredError:
    """The error where Video Indexer itself refuses a token that was good a moment ago."""
    return _told(
        error,
        f"{error}: Video Indexer refuses tokens of its own for the account {account_id} in {location}: do "
        "VIDEO_INDEXER_ACCOUNT_ID, VIDEO_INDEXER_LOCATION and VIDEO_INDEXER_RESOURCE_ID name one account?",
    )


def read_claims(token: str) -> _Claims:
    """Who a token is for, as it says itself; nothing where it can't be read."""
    try:
        _, payload, _ = token.split(".")
        return msgspec.json.decode(
            base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)), type=_Claims
        )
    except ValueError:
        return _Claims()


def _told(error: MisconfiguredError, message: str) -> MisconfiguredError:
    return MisconfiguredError(message, status=error.status, code=error.code, request_id=error.request_id)
