"""Error texts for missing grants: which identity lacks which action on which scope, and the command that grants it.

Microsoft's documentation names no built-in role that has just this action. It names "Contributor" on the account;
`docs/security.md` has a narrower custom role.
"""

import base64
from typing import Any, Final

import msgspec

from keywire.video_indexer.errors import MisconfiguredError

_ACTION: Final = "Microsoft.VideoIndexer/accounts/{operation}/action"


class _Claims(msgspec.Struct):
    oid: Any = None
    appid: Any = None


def explain_refused_operation(
    error: MisconfiguredError, *, operation: str, resource_id: str, token: str
) -> MisconfiguredError:
    """Return the error for an operation that Azure Resource Manager refused, with the command that grants it.

    Args:
        error: The answer.
        operation: The operation, for example `generateAccessToken`.
        resource_id: The ARM resource id of the Video Indexer account.
        token: The token of the request. Its claims name the identity; the token is not part of the message.
    """
    if error.status == 404:
        return _with_message(
            error,
            f"{error}: there is no Video Indexer account {resource_id}, or it is hidden from this identity: "
            "correct VIDEO_INDEXER_RESOURCE_ID",
        )
    claims = read_claims(token)
    # Microsoft's documentation names no built-in role for restricted tokens.
    role = "Contributor" if operation == "generateAccessToken" else '"{a role with that action}"'
    object_id = str(claims.oid or "unknown")
    return _with_message(
        error,
        f"{error}: the identity with object id {object_id} (client id {claims.appid or 'unknown'}) lacks the "
        f"action {_ACTION.format(operation=operation)} on the scope {resource_id}. Grant it, and allow a few "
        f"minutes: az role assignment create --assignee-object-id {object_id} "
        f"--assignee-principal-type ServicePrincipal --role {role} --scope {resource_id}",
    )


def explain_missing_identity(error: Exception) -> MisconfiguredError:
    """Return the error for an app whose identity gets no token."""
    return MisconfiguredError(
        f"this app has no identity that gets tokens for Azure Resource Manager ({type(error).__name__}): "
        "assign a managed identity, or correct AZURE_CLIENT_ID and InsightsStorage__clientId"
    )


def explain_refused_token(error: MisconfiguredError, *, account_id: str, location: str) -> MisconfiguredError:
    """Return the error for a new token that Video Indexer refuses."""
    return _with_message(
        error,
        f"{error}: Video Indexer refuses tokens of its own for the account {account_id} in {location}: do "
        "VIDEO_INDEXER_ACCOUNT_ID, VIDEO_INDEXER_LOCATION and VIDEO_INDEXER_RESOURCE_ID name one account?",
    )


def read_claims(token: str) -> _Claims:
    """Return the claims that name a token's identity; they are None if the token cannot be read."""
    try:
        _, payload, _ = token.split(".")
        return msgspec.json.decode(
            base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)), type=_Claims
        )
    except ValueError:
        return _Claims()


def _with_message(error: MisconfiguredError, message: str) -> MisconfiguredError:
    return MisconfiguredError(message, status=error.status, code=error.code, request_id=error.request_id)
