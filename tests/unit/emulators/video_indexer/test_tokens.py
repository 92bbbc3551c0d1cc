"""Who gets a token from Resource Manager, and what Video Indexer lets it do."""

from typing import Any

import pytest

from emulators.video_indexer.in_process import InProcessEmulator
from emulators.video_indexer.tokens import Grant, TokenIssuer


async def asked(emulator: InProcessEmulator, *, version: str | None = "2024-01-01", token: str | None) -> Any:
    return await emulator.client.post(
        f"{emulator.config.resource_id}/generateAccessToken",
        params={} if version is None else {"api-version": version},
        headers={} if token is None else {"Authorization": f"Bearer {token}"},
        json={"permissionType": "Reader", "scope": "Account"},
    )


async def test_arm_describes_the_account() -> None:
    """A client learns the data plane's account id and location there; case does not matter in ARM."""
    emulator = InProcessEmulator()

    answer = await emulator.client.get(
        emulator.config.resource_id.replace("resourceGroups", "resourcegroups"),
        params={"api-version": "2025-04-01"},
        headers={"Authorization": f"Bearer {emulator.arm_token()}"},
    )

    assert answer.json()["properties"]["accountId"] == emulator.config.account_id
    assert answer.json()["location"] == "westeurope"


@pytest.mark.parametrize(
    ("version", "claims", "status", "code"),
    [
        (None, {}, 400, "MissingApiVersionParameter"),
        ("2020-01-01", {}, 400, "NoRegisteredProviderFound"),
        ("2024-01-01", None, 401, "AuthenticationFailed"),
        ("2024-01-01", {"aud": "https://storage.azure.com"}, 401, "InvalidAuthenticationTokenAudience"),
        ("2024-01-01", {"exp": 1}, 401, "ExpiredAuthenticationToken"),
    ],
    ids=["no version", "unknown version", "no token", "a token for storage", "an expired token"],
)
async def test_arm_refuses_in_its_own_shape(
    version: str | None, claims: dict[str, Any] | None, status: int, code: str
) -> None:
    """The envelope is ARM's, with a code and a message, and never Video Indexer's."""
    emulator = InProcessEmulator()
    token = None if claims is None else emulator.arm_token(**claims)

    answer = await asked(emulator, version=version, token=token)

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.json()["error"]["message"]


async def test_arm_refuses_what_is_no_token() -> None:
    """Garbage is told from a token that has ended."""
    answer = await asked(InProcessEmulator(), token="garbage")

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "InvalidAuthenticationToken")


@pytest.mark.parametrize(
    ("client_id", "object_id"), [("other-client", "allowed-object"), ("allowed-client", "other-object")]
)
async def test_an_identity_without_a_role_reads_what_it_lacks(client_id: str, object_id: str) -> None:
    """The 403 names the identity, the action and the scope, as an operator will search for them."""
    emulator = InProcessEmulator(client_id="allowed-client", object_id="allowed-object")

    welcome = await asked(emulator, token=emulator.arm_token(appid="allowed-client", oid="allowed-object"))
    refused = await asked(emulator, token=emulator.arm_token(appid=client_id, oid=object_id))

    assert welcome.status_code == 200
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "AuthorizationFailed")
    message = refused.json()["error"]["message"]
    assert message.startswith(
        f"The client '{client_id}' with object id '{object_id}' does not have authorization to perform "
        "action 'Microsoft.VideoIndexer/accounts/generateAccessToken/action' over scope "
        f"'{emulator.config.resource_id}'"
    )


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"permissionType": "Owner", "scope": "Account"}, 400),
        ({"scope": "Account"}, 400),
        ({"permissionType": "Reader"}, 400),
        ({"permissionType": "Reader", "scope": "Video"}, 400),
        ({"permissionType": "Reader", "scope": "Video", "videoId": "nowhere123"}, 404),
    ],
    ids=["unknown permission", "no permission", "no scope", "no video id", "unknown video"],
)
async def test_arm_sells_no_token_for_a_wrong_request(body: dict[str, str], status: int) -> None:
    """The body is checked before anything is signed."""
    answer = await InProcessEmulator().arm("generateAccessToken", body)

    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"code", "message"}


async def test_a_token_ends_with_its_lifetime() -> None:
    """Good to the last second, then ACCESS_TOKEN_EXPIRED."""
    emulator = InProcessEmulator(token_lifetime_seconds=3600)
    await emulator.authorize("Reader")

    emulator.clock.advance(3599)
    good = await emulator.client.get(emulator.videos)
    emulator.clock.advance(1)
    ended = await emulator.client.get(emulator.videos)

    assert good.status_code == 200
    assert (ended.status_code, ended.json()["ErrorType"]) == (401, "ACCESS_TOKEN_EXPIRED")
    request_id = ended.headers["x-ms-request-id"]
    assert ended.json()["Message"].endswith(f"Trace id: '{request_id}'.")


async def test_a_token_of_another_process_is_not_valid() -> None:
    """The key is this process's own."""
    emulator = InProcessEmulator()
    grant = Grant(emulator.config.account_id, "Contributor")
    emulator.client.headers["Authorization"] = f"Bearer {TokenIssuer(3600, emulator.clock).issue(grant)}"

    answer = await emulator.client.get(emulator.videos)

    assert (answer.status_code, answer.json()["ErrorType"]) == (401, "ACCESS_TOKEN_VALIDATION_FAILED")


async def test_a_token_may_also_be_in_the_query() -> None:
    """Not recommended, but many clients do it."""
    emulator = InProcessEmulator()
    sold = await emulator.arm("generateAccessToken", {"permissionType": "Reader", "scope": "Account"})

    without = await emulator.client.get(emulator.videos)
    answer = await emulator.client.get(emulator.videos, params=sold.json())

    assert (without.status_code, answer.status_code) == (401, 200)


async def test_a_token_is_for_its_own_account() -> None:
    """With a good token a mistyped account reads like a lack of rights, and without one it is unknown."""
    emulator = InProcessEmulator()
    other = emulator.videos.replace(emulator.config.account_id, "00000000-0000-0000-0000-000000000000")

    unknown = await emulator.client.get(other)
    await emulator.authorize("Reader")
    foreign = await emulator.client.get(other)
    elsewhere = await emulator.client.get(emulator.videos.replace("westeurope", "trial"))

    assert (unknown.status_code, unknown.json()["ErrorType"]) == (404, "ACCOUNT_NOT_FOUND")
    assert (foreign.status_code, foreign.json()["ErrorType"]) == (401, "USER_NOT_ALLOWED")
    assert (elsewhere.status_code, elsewhere.json()["ErrorType"]) == (404, "LOCATION_NOT_FOUND")


async def test_only_a_contributor_changes_anything() -> None:
    """A reader lists and reads, and is refused at upload, re-index and delete."""
    emulator = InProcessEmulator()
    video_id = await emulator.upload(b"video")
    await emulator.authorize("Reader")

    read = [await emulator.client.get(emulator.videos), await emulator.get_index(video_id)]
    changed = [
        await emulator.client.post(emulator.videos, params={"name": "n"}, files={"file": b"video"}),
        await emulator.client.put(f"{emulator.videos}/{video_id}/ReIndex"),
        await emulator.client.delete(f"{emulator.videos}/{video_id}"),
    ]

    assert [answer.status_code for answer in read] == [200, 200]
    assert {(answer.status_code, answer.json()["ErrorType"]) for answer in changed} == {
        (401, "USER_NOT_ALLOWED")
    }


async def test_a_restricted_viewer_lists_and_reads() -> None:
    """The least privilege that suffices for a consumer of insights."""
    emulator = InProcessEmulator()
    video_id = await emulator.upload(b"video")
    sold = await emulator.arm("generateRestrictedViewerAccessToken", {"scope": "Account"})
    emulator.client.headers["Authorization"] = f"Bearer {sold.json()['accessToken']}"

    listed = await emulator.client.get(emulator.videos)
    read = await emulator.get_index(video_id)
    deleted = await emulator.client.delete(f"{emulator.videos}/{video_id}")

    assert (listed.status_code, read.status_code, deleted.status_code) == (200, 200, 401)


async def test_a_token_for_one_video_opens_no_other() -> None:
    """Neither another video nor the list of them."""
    emulator = InProcessEmulator()
    one, other = await emulator.upload(b"video"), await emulator.upload(b"video")
    await emulator.authorize("Reader", scope="Video", videoId=one)

    statuses = [
        (await emulator.get_index(one)).status_code,
        (await emulator.get_index(other)).status_code,
        (await emulator.client.get(emulator.videos)).status_code,
    ]

    assert statuses == [200, 401, 401]


async def test_a_public_video_needs_no_token() -> None:
    """A private one does."""
    emulator = InProcessEmulator()
    public = await emulator.upload(b"video", privacy="Public")
    private = await emulator.upload(b"video", privacy="Private")
    del emulator.client.headers["Authorization"]

    assert (await emulator.get_index(public)).status_code == 200
    assert (await emulator.get_index(private)).status_code == 401


async def test_all_tokens_can_be_ended_at_once() -> None:
    """As a revocation does: those issued before are told apart from garbage, those issued later are good."""
    emulator = InProcessEmulator()
    video_id = await emulator.upload(b"video")

    await emulator.client.post("/emulator/tokens/expire")

    refused = await emulator.get_index(video_id)
    assert (refused.status_code, refused.json()["ErrorType"]) == (401, "ACCESS_TOKEN_EXPIRED")
    await emulator.authorize("Reader")
    assert (await emulator.get_index(video_id)).status_code == 200
