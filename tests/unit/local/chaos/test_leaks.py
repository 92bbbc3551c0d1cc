"""Looking for secrets in what a run left, and the folder of its logs."""

import asyncio
from pathlib import Path

import jwt
import pytest

from local.chaos.leaks import Secrets
from local.chaos.logs import LogFolder

SECRETS = Secrets(
    {
        "the function key": ["k3y-of-the-function"],
        "the signing key": ["a+b/c=="],
        "a person's name": ["Jane Doe"],
    }
)
TOKEN = jwt.encode({"aud": "https://storage.azure.com"}, "x" * 32, algorithm="HS256")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("POST /callback?code=k3y-of-the-function&id=1", "the function key"),
        ("CALLBACK_SIGNING_KEYS=a+b/c==", "the signing key"),
        ("?key=a%2Bb%2Fc%3D%3D", "the signing key"),
        ("personName=Jane%20Doe", "a person's name"),
        (f"Authorization: Bearer {TOKEN}", "an access token"),
    ],
)
def test_a_secret_is_found_and_named_and_not_told(tmp_path: Path, text: str, found: str) -> None:
    (tmp_path / "http.log").write_text(f"a line\nanother: {text}\n{text}\n")
    assert list(SECRETS.in_file(tmp_path / "http.log")) == [f"http.log:2 holds {found}"]
    assert list(SECRETS.in_text("an event", text.encode())) == [f"an event holds {found}"]


def test_what_only_looks_like_a_secret_is_none() -> None:
    assert list(SECRETS.in_text("a log", b"code=*** eyJhbGciOi key=a b/c Jane, Doe")) == []


def test_no_secret_at_all_still_lets_tokens_be_found() -> None:
    assert list(Secrets({"nothing": [""]}).in_text("a log", TOKEN.encode())) == [
        "a log holds an access token"
    ]


def test_each_process_has_a_file_of_its_own(tmp_path: Path) -> None:
    log = LogFolder(tmp_path, "trouble")
    for part in ("[http] first\n[function:extra", "ction#2] sec", "ond trouble\nno name\n"):
        log.write(part)
    log.note("by the run")
    files = {file.name: file.read_text() for file in log.files}
    log.close()
    assert files["http.log"] == "first\n"
    assert files["function-extraction-2.log"] == "second trouble\n"
    assert files["run.log"].startswith("no name\n")
    assert files["run.log"].endswith(" by the run\n")
    assert log.seen == {"trouble": 1}


async def test_a_line_of_a_process_can_be_waited_for(tmp_path: Path) -> None:
    log = LogFolder(tmp_path)
    waiting = asyncio.create_task(log.line("http", "ready"))
    await asyncio.sleep(0)
    log.write("[http] not yet\n[other] ready\n")
    await asyncio.sleep(0)
    assert not waiting.done()
    log.write("[http] now it is ready\n")
    await waiting
    log.close()
