"""The snippets of docs/uploading.md, run against the local stack."""

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from emulators.framework.checkout import PROJECT
from keywire.signals import callback_urls
from local.stack import LocalStack
from local.storage import OperatorCredential
from tests.support.builders import index, keyword
from tests.support.on_stack import document

PAGE = (PROJECT / "docs" / "uploading.md").read_text("utf-8")
INDEX = index([keyword("harbour cranes")])


@pytest.fixture
async def http(stack: LocalStack) -> AsyncIterator[httpx.AsyncClient]:
    async with stack.client() as client:
        yield client


def snippet(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


async def signed_in() -> str:
    return (await OperatorCredential().get_token("https://management.azure.com/.default")).token


async def signed(stack: LocalStack, http: httpx.AsyncClient, reference: str) -> dict[str, str]:
    answer = await http.post(
        f"{stack.host.url}/api/operations/callback-url",
        headers={"x-functions-key": stack.function_key},
        json={"reference": reference},
    )
    found: dict[str, str] = answer.raise_for_status().json()
    return found


async def test_the_python_snippet_uploads_with_a_reference(
    stack: LocalStack, http: httpx.AsyncClient
) -> None:
    scope: dict[str, Any] = {}
    exec(compile(snippet("python"), "docs/uploading.md", "exec"), scope)
    upload: Callable[..., str] = scope["upload"]
    account = stack.emulator
    videos = f"{stack.video_indexer_url}/{account.location}/Accounts/{account.account_id}/Videos"
    token = await stack.uploader(http)._new_token()

    def run() -> str:
        with httpx.Client(verify=stack.ssl_context()) as client:
            url = scope["callback_url"](
                client, stack.host.url, stack.function_key, reference="cms 47/11 & more"
            )
            file = ("cranes.mp4", INDEX)
            return upload(client, videos, token, name="Harbour cranes", file=file, callback_url=url)

    found = await document(stack, await asyncio.to_thread(run))
    assert (found["name"], found["reference"]) == ("Harbour cranes", "cms 47/11 & more")


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
async def test_the_curl_snippet_uploads_with_a_callback(
    stack: LocalStack, http: httpx.AsyncClient, tmp_path: Path
) -> None:
    az = tmp_path / "az"
    az.write_text('#!/bin/sh\nprintf "%s" "$SIGNED_IN"\n')
    az.chmod(0o755)
    video = tmp_path / "video.mp4"
    video.write_bytes(INDEX)
    made = await signed(stack, http, "by curl")
    environment = os.environ | {
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "CURL_CA_BUNDLE": str(stack.certificates.authority),
        "SIGNED_IN": await signed_in(),
        "RESOURCE_MANAGER": stack.video_indexer_url,
        "VIDEO_INDEXER": stack.video_indexer_url,
        "VIDEO_INDEXER_ID": stack.emulator.resource_id,
        "LOCATION": stack.emulator.location,
        "ACCOUNT_ID": stack.emulator.account_id,
        "CALLBACK_URL": made["callbackUrl"],
        "VIDEO": str(video),
    }
    script = snippet("bash")
    done = await asyncio.to_thread(
        subprocess.run,
        ["bash", "-euo", "pipefail", "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (video_id,) = re.findall(r'"id": ?"(\w+)"', done.stdout)
    found = await document(stack, video_id)
    assert (found["reference"], found["externalId"]) == ("by curl", "cms-4711")


def test_signed_urls_have_the_lengths_that_the_page_gives() -> None:
    def length(reference: str) -> int:
        token = callback_urls.issue([bytes(32)], reference, datetime(2027, 1, 1, tzinfo=UTC))
        return len(callback_urls.callback_url("https://func-keywire-abcdefghijklm.azurewebsites.net", token))

    (short, letters, longest) = map(
        int, re.findall(r"about (\d+) characters .*?, (\d+) with .*?, (\d+) at", PAGE)[0]
    )
    assert length("cms-4711") == pytest.approx(short, abs=20)
    assert length("x" * 256) == pytest.approx(letters, abs=20)
    assert length("\U0001f600" * 256) == pytest.approx(longest, abs=20)
