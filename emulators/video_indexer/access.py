"""Who may call which operation of the data plane, and the errors that say so.

Separate, because the order of these checks is what a misconfigured client sees: the location, then the
token, then whether the token is for this account, only then whether there is such an account. A client
with a good token and a mistyped account id therefore reads USER_NOT_ALLOWED and not ACCOUNT_NOT_FOUND.
"""

from dataclasses import dataclass
from typing import Literal

from starlette.requests import Request

from emulators.entra_tokens import bearer_token
from emulators.video_indexer.errors import ServiceError
from emulators.video_indexer.tokens import TokenIssuer


@dataclass(frozen=True, slots=True)
class Access:
    """The checks of one account."""

    location: str
    account_id: str
    tokens: TokenIssuer

    def check(
        self,
        request: Request,
        needed: Literal["Contributor", "Reader"],
        video_id: str | None = None,
        *,
        is_public: bool = False,
    ) -> None:
        """Let the request pass, or raise a ServiceError.

        `video_id` is the video that it is about; None means the account, for which a token that is
        confined to a video does not do. A restricted viewer may do what a reader may.
        """
        if request.path_params["location"].casefold() != self.location.casefold():
            raise ServiceError(404, "LOCATION_NOT_FOUND", "The location was not found.")
        account_id = request.path_params["account_id"]
        is_known = account_id.casefold() == self.account_id.casefold()
        token = _token(request)
        if token is None:
            if not is_known:
                raise ServiceError(404, "ACCOUNT_NOT_FOUND", f"The account '{account_id}' doesn't exist.")
            if is_public:
                return
            raise ServiceError(401, "ACCESS_TOKEN_VALIDATION_FAILED", "The access token is missing.")
        grant = self.tokens.read(token)
        if not is_known or grant.account_id.casefold() != account_id.casefold():
            raise _not_allowed(f"access account '{account_id}'")
        if needed == "Contributor" and grant.permission != "Contributor":
            raise _not_allowed("perform this operation: it needs the permission 'Contributor'")
        if grant.video_id is not None and grant.video_id != video_id:
            raise _not_allowed(f"access video '{video_id}'" if video_id else f"access account '{account_id}'")


def _token(request: Request) -> str | None:
    return bearer_token(request) or request.query_params.get("accessToken") or None


def _not_allowed(what: str) -> ServiceError:
    return ServiceError(401, "USER_NOT_ALLOWED", f"Access token is not authorized to {what}.")
