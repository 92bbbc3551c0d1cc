"""The App Service identity endpoint: a managed identity for a process that runs on a developer's machine.

`azure-identity` asks it as it asks the real one (`GET ?api-version=2019-08-01&resource=...` with the
header `X-IDENTITY-HEADER`), so that no key exists anywhere in the stack. The tokens carry the claims that
the local services check (audience, issuer, dates) and a signature that nobody checks: Azurite does not,
and the Video Indexer emulator does not either.
"""

import secrets
import time
import uuid
from typing import Final

import jwt
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

API_VERSION: Final = "2019-08-01"
LIFETIME_SECONDS: Final = 24 * 3600  # a managed identity's token lives a day
TENANT_ID: Final = "11111111-2222-3333-4444-555555555555"
CLIENT_ID: Final = "0b5c7a52-63d5-4f0c-9d8e-6f6b0f7f4a11"
OBJECT_ID: Final = "7d9a4c1e-0c39-4a5e-8a1b-2f6f6c8f3b22"
NAME: Final = "keywire-local"
MANAGED_IDENTITY: Final = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourcegroups/local"
    f"/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{NAME}"
)


def create_app(header: str) -> Starlette:
    """The endpoint; `header` is the value that callers must send in `X-IDENTITY-HEADER`."""
    signing_key = secrets.token_bytes(32)

    async def token(request: Request) -> JSONResponse:
        if not secrets.compare_digest(request.headers.get("x-identity-header", ""), header):
            return _refused(401, "Unauthorized", "The header X-IDENTITY-HEADER is missing or wrong.")
        if request.query_params.get("api-version") != API_VERSION:
            return _refused(400, "BadRequest", f"The api-version must be {API_VERSION}.")
        resource = request.query_params.get("resource", "")
        if not resource:
            return _refused(400, "BadRequest", "The query parameter resource is missing.")
        client_id = request.query_params.get("client_id", CLIENT_ID)
        if client_id != CLIENT_ID:
            return _refused(400, "BadRequest", "No managed identity has that client id.")
        expires_on = int(time.time()) + LIFETIME_SECONDS
        return JSONResponse(
            {
                "access_token": issue(resource, expires_on=expires_on, signing_key=signing_key),
                "expires_on": str(expires_on),
                "resource": resource,
                "token_type": "Bearer",
                "client_id": client_id,
            }
        )

    return Starlette(routes=[Route("/msi/token", token)])


def issue(resource: str, *, expires_on: int, signing_key: bytes) -> str:
    """A token for the audience `resource` (no trailing slash) that ends at `expires_on` (Unix seconds)."""
    now = int(time.time())
    claims = {
        "aud": resource.rstrip("/"),
        "iss": f"https://sts.windows.net/{TENANT_ID}/",
        "iat": now - 60,
        "nbf": now - 60,
        "exp": expires_on,
        "tid": TENANT_ID,
        "appid": CLIENT_ID,
        "oid": OBJECT_ID,
        "sub": OBJECT_ID,
        "xms_mirid": MANAGED_IDENTITY,
        "jti": str(uuid.uuid4()),
        "ver": "1.0",
    }
    return jwt.encode(claims, signing_key, algorithm="HS256")


def _refused(status: int, code: str, message: str) -> JSONResponse:
    return JSONResponse({"statusCode": status, "code": code, "message": message}, status_code=status)
