"""docs/security.md names existing tests, and the action that Keywire needs."""

import json
import re

import httpx
import pytest

from emulators.framework.checkout import PROJECT
from keywire.video_indexer.errors import TransientError
from keywire.video_indexer.tokens import AccessTokens
from local.storage import OperatorCredential

PAGE = (PROJECT / "docs" / "security.md").read_text("utf-8")
NAMED = re.findall(r"`((?:unit|integration)/(?:\w+/)*test_\w+\.py)::(test_\w+)`", PAGE)


def test_every_named_test_exists() -> None:
    missing = [
        f"{file}::{name}"
        for file, name in NAMED
        if not re.search(rf"^(?:async )?def {name}\(", _source(file), re.MULTILINE)
    ]
    assert missing == []
    assert len(NAMED) > 30


def test_every_test_is_named_with_its_path() -> None:
    assert len(re.findall(r"::test_", PAGE)) == len(NAMED)


def test_every_threat_names_a_test() -> None:
    threats = re.split(
        r"^\*\*", PAGE[PAGE.index("## Threats") : PAGE.index("Not covered:")], flags=re.MULTILINE
    )
    assert len(threats) == 9
    assert [threat.partition("\n")[0] for threat in threats[1:] if "::test_" not in threat] == []


async def test_the_custom_role_allows_the_operation_that_keywire_calls() -> None:
    (role,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    (action,) = json.loads(role)["Actions"]
    asked: list[str] = []

    def resource_manager(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path.rpartition("/")[2])
        return httpx.Response(500)

    tokens = AccessTokens(
        httpx.AsyncClient(transport=httpx.MockTransport(resource_manager)),
        OperatorCredential(),
        endpoint="https://management.azure.com",
        audience="https://management.azure.com",
        resource_id="/account",
        restricted=True,
    )
    with pytest.raises(TransientError):
        await tokens.get()
    (operation,) = asked
    assert action == f"Microsoft.VideoIndexer/accounts/{operation}/action"
    bicep = (PROJECT / "infra" / "modules" / "role-on-account.bicep").read_text("utf-8")
    assert operation in bicep


def _source(file: str) -> str:
    path = PROJECT / "tests" / file
    return path.read_text("utf-8") if path.exists() else ""
