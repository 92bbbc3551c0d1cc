"""Signed callback URLs that expire."""

import base64
import re
import string
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keywire.ids import MAX_REFERENCE
from keywire.jobs import job as jobs
from keywire.jobs.message import InvalidMessageError
from keywire.signals import callback_urls
from keywire.signals.callback_urls import Claims, InvalidKeysError, InvalidRequestError, InvalidTokenError

KEY, OTHER_KEY, THIRD_KEY = b"k" * 32, b"o" * 32, b"t" * 40
NOW = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
LATER = NOW + timedelta(days=7)
ALPHABET = string.ascii_letters + string.digits + "-_."

references = st.text(min_size=1, max_size=MAX_REFERENCE)


def refused(token: str, *, keys: tuple[bytes, ...] = (KEY,), now: datetime = NOW) -> str:
    with pytest.raises(InvalidTokenError) as raised:
        callback_urls.verify(keys, token, now)
    return str(raised.value)


def in_base64(key: bytes) -> str:
    return base64.b64encode(key).decode()


@given(references | st.none(), st.integers(int(NOW.timestamp()) + 1, 2**32 - 1))
def test_a_verified_token_has_the_reference_and_expiry_it_was_issued_with(
    reference: str | None, seconds: int
) -> None:
    expires_at = datetime.fromtimestamp(seconds, UTC)
    token = callback_urls.issue([KEY], reference, expires_at)
    assert callback_urls.verify([KEY], token, NOW) == Claims(reference=reference, expires_at=expires_at)


@given(references)
def test_a_token_needs_no_percent_encoding(reference: str) -> None:
    assert set(callback_urls.issue([KEY], reference, LATER)) <= set(ALPHABET)


def test_a_token_is_short_and_the_longest_fits_the_url_of_an_upload() -> None:
    assert len(callback_urls.issue([KEY], None, LATER)) == 62
    assert len(callback_urls.issue([KEY], "cms-2026-0042", LATER)) <= 80
    longest = callback_urls.issue([KEY], "\U0001f600" * MAX_REFERENCE, LATER)
    assert len(longest) < 1500  # of the 4,096 characters of a query
    assert callback_urls.verify([KEY], longest, NOW).reference == "\U0001f600" * MAX_REFERENCE


def test_two_tokens_for_the_same_reference_differ() -> None:
    assert callback_urls.issue([KEY], "a", LATER) != callback_urls.issue([KEY], "a", LATER)


@pytest.mark.parametrize("reference", [None, "a", "cms-1", "x" * 20])
def test_a_token_with_one_changed_bit_is_refused(reference: str | None) -> None:
    body = callback_urls.issue([KEY], reference, LATER).encode()
    for position in range(len(body) * 8):
        changed = bytearray(body)
        changed[position // 8] ^= 1 << position % 8
        refused(changed.decode("latin-1"))


@pytest.mark.parametrize("reference", [None, "a", "ab", "abc"])
def test_a_token_with_one_changed_character_is_refused(reference: str | None) -> None:
    token = callback_urls.issue([KEY], reference, LATER)
    for position, character in enumerate(token):
        for other in set(ALPHABET) - {character}:
            refused(token[:position] + other + token[position + 1 :])


@given(st.text() | st.text(ALPHABET) | st.from_regex(r"\A[A-Za-z0-9_-]{18,40}\.[A-Za-z0-9_-]{43}\Z"))
def test_other_text_is_refused(text: str) -> None:
    refused(text)


TOKEN = callback_urls.issue([KEY], "cms-1", LATER)


@given(st.integers(0, len(TOKEN)), st.integers(0, len(TOKEN)), st.text(ALPHABET, max_size=3))
def test_a_token_with_a_changed_part_is_refused(start: int, end: int, pasted: str) -> None:
    changed = TOKEN[: min(start, end)] + pasted + TOKEN[max(start, end) :]
    if changed != TOKEN:
        refused(changed)


def test_the_payload_of_one_token_with_the_signature_of_another_is_refused() -> None:
    payload, _ = callback_urls.issue([KEY], "mine", LATER).split(".")
    _, signature = callback_urls.issue([KEY], "yours", LATER).split(".")
    assert refused(f"{payload}.{signature}") == "the token was not signed with a current key"


UNREADABLE = "the token is malformed"
UNSIGNED = "the token was not signed with a current key"
WRONG = {
    "nothing": ("", UNREADABLE),
    "a full stop": (".", UNREADABLE),
    "10,000 characters": ("a" * 10_000, UNREADABLE),
    "a payload longer than any": ("a" * 1400 + "." + "a" * 43, UNREADABLE),
    "padding": (TOKEN + "=", UNREADABLE),
    "a line break": (TOKEN + "\n", UNREADABLE),
    "truncated": (TOKEN[:-1], UNREADABLE),
    "a letter of another alphabet": ("ä" + TOKEN[1:], UNREADABLE),
    "half a character": ("\ud800" + TOKEN[1:], UNREADABLE),
    "a longer signature": (TOKEN.replace(".", ".A"), UNREADABLE),
    "another payload": ("B" + TOKEN[1:], UNSIGNED),
    "a longer payload": ("A" + TOKEN, UNSIGNED),
    "another key": (callback_urls.issue([OTHER_KEY], "cms-1", LATER), UNSIGNED),
}


@pytest.mark.parametrize(("token", "reason"), WRONG.values(), ids=WRONG)
def test_the_reason_for_a_refusal_does_not_quote_the_token(token: str, reason: str) -> None:
    assert refused(token) == reason


def test_a_token_is_valid_until_the_moment_of_its_expiry() -> None:
    assert callback_urls.verify([KEY], TOKEN, LATER - timedelta(microseconds=1)).reference == "cms-1"
    assert refused(TOKEN, now=LATER) == "the token has expired"


def test_a_forged_token_is_not_called_expired() -> None:
    assert "signed" in refused("B" + TOKEN[1:], now=LATER)


def test_a_signed_token_of_a_newer_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as newer:
        newer.setattr(callback_urls, "_VERSION", 2)
        token = callback_urls.issue([KEY], "cms-1", LATER)
    assert refused(token) == "the token's version is unknown"


def test_tokens_of_both_keys_are_valid_during_a_rotation() -> None:
    old = callback_urls.issue([KEY], "old", LATER)
    new = callback_urls.issue([OTHER_KEY, KEY], "new", LATER)
    for token in (old, new):
        assert callback_urls.verify([OTHER_KEY, KEY], token, NOW).reference in {"old", "new"}
    assert callback_urls.verify([OTHER_KEY], new, NOW).reference == "new"  # the first key signs
    refused(old, keys=(OTHER_KEY,))
    refused(old, keys=(OTHER_KEY, THIRD_KEY))


@given(references)
def test_a_job_can_have_any_reference_that_a_token_can_have(reference: str) -> None:
    job = jobs.ExtractionJob(
        video_id="a", job_id="j1", signal="callback", received_at=NOW, reference=reference
    )
    assert jobs.decode(jobs.encode(job).encode()).reference == reference


def test_a_job_with_a_longer_reference_is_refused() -> None:
    job = jobs.ExtractionJob(
        video_id="a", job_id="j1", signal="callback", received_at=NOW, reference="x" * (MAX_REFERENCE + 1)
    )
    with pytest.raises(InvalidMessageError, match="reference"):
        jobs.decode(jobs.encode(job).encode())


def test_without_a_key_nothing_verifies() -> None:
    refused(TOKEN, keys=())


def test_keys_are_read_newest_first() -> None:
    assert callback_urls.read_keys(in_base64(KEY)) == (KEY,)
    assert callback_urls.read_keys(f"{in_base64(THIRD_KEY)}, {in_base64(KEY)}") == (THIRD_KEY, KEY)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"{in_base64(KEY)},", "key 2 has 0 bytes, at least 32 are required"),
        (in_base64(b"k" * 31), "key 1 has 31 bytes, at least 32 are required"),
        (f"{in_base64(KEY)},{in_base64(KEY).replace('a', 'a-!')}", "key 2 is not base64"),
        (in_base64(KEY)[:-1], "key 1 is not base64"),
        ("ä" * 44, "key 1 is not base64"),
        (",".join([in_base64(KEY)] * 3), "there are 3 keys, at most 2 can be set"),
    ],
)
def test_invalid_keys_are_refused_without_quoting_them(text: str, reason: str) -> None:
    with pytest.raises(InvalidKeysError) as raised:
        callback_urls.read_keys(text)
    assert str(raised.value) == reason


def test_an_empty_request_gets_a_url_for_a_week() -> None:
    for body in (b"", b"{}", b'{"reference": null}'):
        assert callback_urls.read_request(body) == callback_urls.CallbackUrlRequest(
            reference=None, ttl=604_800
        )


def test_a_request_sets_reference_and_ttl() -> None:
    request = callback_urls.read_request('{"reference": "Türkçe/1", "ttl": 2592000}'.encode())
    assert (request.reference, request.ttl) == ("Türkçe/1", 2_592_000)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b'{"reference": "\xff"}',
        b'{"reference": ""}',
        b'{"reference": 5}',
        b'{"reference": "' + b"x" * (MAX_REFERENCE + 1) + b'"}',
        b'{"ttl": 0}',
        b'{"ttl": -1}',
        b'{"ttl": 2592001}',
        b'{"ttl": 1e300}',
        b'{"ttl": "60"}',
        b'{"ttl": true}',
        b'{"ttl": null}',
        b'{"TTL": 60}',
    ],
)
def test_an_invalid_request_is_refused_with_a_reason(body: bytes) -> None:
    with pytest.raises(InvalidRequestError, match="not a request for a callback URL: "):
        callback_urls.read_request(body)


@given(references)
def test_a_callback_url_is_percent_encoded_once(reference: str) -> None:
    token = callback_urls.issue([KEY], reference, LATER)
    url = callback_urls.callback_url("https://keywire.example/base", token)
    assert url == f"https://keywire.example/base/api/video-indexer/callback/{token}"
    written = callback_urls.percent_encode(url)
    assert re.fullmatch(r"[A-Za-z0-9_.~%-]+", written)
    assert unquote(written) == url
    assert parse_qs(f"name=x&callbackUrl={written}&privacy=Private")["callbackUrl"] == [url]


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://127.0.0.1:7071/api/operations/callback-url", "http://127.0.0.1:7071"),
        ("https://keywire.example/api/operations/callback-url?code=x", "https://keywire.example"),
        ("http://[::1]:80/api", "http://[::1]:80"),
        ("https://keywire.example?x", "https://keywire.example"),
    ],
)
def test_the_origin_of_a_request_is_its_scheme_and_host(url: str, origin: str) -> None:
    assert callback_urls.origin_of(url) == origin


@pytest.mark.parametrize(
    "url", ["", "/api", "http:///api", "http://a b/api", "http://me@here/api", "ftp://a/api"]
)
def test_a_request_url_without_a_host_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequestError, match="CALLBACK_BASE_URL"):
        callback_urls.origin_of(url)


@given(st.text())
def test_any_host_gives_an_origin_or_a_refusal(host: str) -> None:
    try:
        assert callback_urls.origin_of(f"http://{host}/api").startswith("http://")
    except InvalidRequestError:
        return
