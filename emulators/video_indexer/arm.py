"""Azure Resource Manager's side of the account: reading it, and buying Video Indexer tokens.

Separate, because it is another service: it has its own address, its own tokens and its own errors, and
decides who may have a Video Indexer token at all.

The bearer token must be a JWT for one of ARM's audiences and must not have ended; its signature is NOT
checked, since no Entra tenant stands behind the emulator. Role assignments are reduced to one identity
that is authorized (`client_id`, `object_id`). Paths are compared as ARM does, without regard to case.
"""

from dataclasses import dataclass
from typing import Final, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from emulators import entra_tokens
from emulators.entra_tokens import EntraToken
from emulators.framework.clock import Clock
from emulators.framework.exact_json import answer
from emulators.video_indexer import timestamps
from emulators.video_indexer.config import EmulatorConfig
from emulators.video_indexer.errors import ArmError
from emulators.video_indexer.library import Library
from emulators.video_indexer.tokens import Grant, Permission, TokenIssuer

API_VERSIONS: Final = frozenset({"2022-08-01", "2024-01-01", "2025-01-01", "2025-03-01", "2025-04-01"})


class _TokenRequest(msgspec.Struct, rename="camel"):
    scope: Literal["Account", "Video", "Project"]
    permission_type: Literal["Contributor", "Reader"] | None = None
    video_id: str | None = None
    project_id: str | None = None


@dataclass(frozen=True, slots=True)
class Arm:
    """The operations; each raises an ArmError where it does not answer."""

    config: EmulatorConfig
    tokens: TokenIssuer
    library: Library
    clock: Clock

    async def get_account(self, request: Request) -> Response:
        """Answer the account as a resource."""
        self._check(request, "read")
        config = self.config
        return answer(
            {
                "id": config.resource_id,
                "name": config.account_name,
                "type": "Microsoft.VideoIndexer/accounts",
                "location": config.location,
                "tags": {},
                "identity": {"type": "SystemAssigned"},
                "properties": {
                    "accountId": config.account_id,
                    "accountName": config.account_name,
                    "provisioningState": "Succeeded",
                },
            }
        )

    async def generate_access_token(self, request: Request) -> Response:
        """Sell a token of a reader or a contributor: the same action, so ARM cannot tell them apart."""
        self._check(request, "generateAccessToken/action")
        wanted = await _token_request(request)
        if wanted.permission_type is None:
            raise ArmError(400, "INVALID_INPUT", "The permissionType must be Contributor or Reader.")
        return self._token(wanted, wanted.permission_type)

    async def generate_restricted_viewer_access_token(self, request: Request) -> Response:
        """Sell a token that only lists and reads."""
        self._check(request, "generateRestrictedViewerAccessToken/action")
        return self._token(await _token_request(request), "RestrictedViewer")

    def _token(self, wanted: _TokenRequest, permission: Permission) -> Response:
        confined_to = None
        if wanted.scope != "Account":
            confined_to = wanted.video_id if wanted.scope == "Video" else wanted.project_id
            if not confined_to:
                raise ArmError(400, "INVALID_INPUT", f"The scope {wanted.scope} needs its id.")
            video = self.library.find(confined_to)
            if video is None or video.removed:
                raise ArmError(404, "BREAKDOWN_NOT_FOUND", f"Video/Project '{confined_to}' was not found")
        grant = Grant(self.config.account_id, permission, wanted.scope, confined_to)
        return answer({"accessToken": self.tokens.issue(grant)})

    def _check(self, request: Request, action: str) -> None:
        version = request.query_params.get("api-version")
        if version is None:
            raise ArmError(
                400,
                "MissingApiVersionParameter",
                "The api-version query parameter (?api-version=) is required for all requests.",
            )
        if version not in API_VERSIONS:
            raise ArmError(
                400,
                "NoRegisteredProviderFound",
                f"No registered resource provider found for location '{self.config.location}' and API "
                f"version '{version}' for type 'accounts'. The supported api-versions are "
                f"'{', '.join(sorted(API_VERSIONS))}'.",
            )
        token = self._token_of(request)
        resource_id = f"/subscriptions/{request.path_params['account']}"
        if resource_id.casefold() != self.config.resource_id.casefold():
            raise ArmError(404, "ResourceNotFound", f"The resource '{resource_id}' was not found.")
        self._authorize(token, action)

    def _token_of(self, request: Request) -> EntraToken:
        written = entra_tokens.bearer_token(request)
        if written is None:
            raise ArmError(
                401, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing."
            )
        try:
            token = entra_tokens.read(written)
        except ValueError as error:
            raise ArmError(401, "InvalidAuthenticationToken", "The access token is invalid.") from error
        if not token.is_for(self.config.arm_audience):
            raise ArmError(
                401,
                "InvalidAuthenticationTokenAudience",
                f"The access token has been obtained for wrong audience or resource '{token.audience}'. It "
                "should exactly match with one of the allowed audiences "
                f"'{','.join(self.config.arm_audience)}'.",
            )
        if token.ends <= self.clock():
            raise ArmError(
                401,
                "ExpiredAuthenticationToken",
                f"The access token expiry UTC time '{timestamps.written(token.ends)}' is earlier than "
                f"current UTC time '{timestamps.written(self.clock())}'.",
            )
        return token

    def _authorize(self, token: EntraToken, action: str) -> None:
        if token.is_of(self.config.client_id, self.config.object_id):
            return
        raise ArmError(
            403,
            "AuthorizationFailed",
            f"The client '{token.client_id}' with object id '{token.object_id}' does not have authorization "
            f"to perform action 'Microsoft.VideoIndexer/accounts/{action}' over scope "
            f"'{self.config.resource_id}' or the scope is invalid. If access was recently granted, please "
            "refresh your credentials.",
        )


async def _token_request(request: Request) -> _TokenRequest:
    try:
        return msgspec.json.decode(await request.body(), type=_TokenRequest)
    except msgspec.DecodeError as error:
        raise ArmError(400, "INVALID_INPUT", f"The request body is invalid: {error}.") from error
