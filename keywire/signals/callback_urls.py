"""Callback addresses that end by themselves: signed, expiring, and carrying the uploader's reference. Pure.

A function key in a callback URL opens every function for as long as it lives. A token opens the callback
until it expires; it is short, because Video Indexer limits the whole URL of an upload, and needs no escape,
because nobody knows what becomes of one on the way. It proves who gave the address, not who calls it.

    token     = payload "." signature                 both base64url without padding
    payload   = version (1 byte) expiry (4, Unix seconds) nonce (8) reference (UTF-8, the rest)
    signature = HMAC-SHA256 over the payload's text

The signature is compared as text: base64 has several spellings of the same bytes, and only one is ours.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final
from urllib.parse import quote

import msgspec

from keywire.decoding import DECODE_ERRORS
from keywire.ids import MAX_REFERENCE, Reference

ROUTE: Final = "video-indexer/callback/{token}"
DEFAULT_TTL: Final = 7 * 24 * 60 * 60
MAX_TTL: Final = 30 * 24 * 60 * 60
# As long as what HMAC-SHA256 makes of one: with less a key is easier to guess than a signature.
MIN_KEY_BYTES: Final = 32
# The newest signs; the one before is believed until the last address that it signed has expired.
MAX_KEYS: Final = 2

_VERSION: Final = 1
_NONCE_BYTES: Final = 8
_HEAD: Final = struct.Struct(f">BI{_NONCE_BYTES}s")
_FORM: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{43})")
# A character of the reference is at most four bytes, and three bytes are four characters of the token.
_MAX_TOKEN: Final = (_HEAD.size + 4 * MAX_REFERENCE + 2) // 3 * 4 + 1 + 43
_ORIGIN: Final = re.compile(r"(https?://[A-Za-z0-9._\[\]:-]+)(?:[/?]|\Z)", re.IGNORECASE)


class InvalidKeysError(ValueError):
    """A text holds no signing keys; the message says why, and nothing of them."""


class InvalidTokenError(ValueError):
    """A token opens nothing; the message says why, and nothing of it."""


class InvalidRequestError(ValueError):
    """What was asked for gives no callback address; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Claims:
    """What a token says: the uploader's reference, if there is one, and until when it holds (UTC)."""

    reference: str | None
    expires_at: datetime


class CallbackUrlRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator or uploader asks for.

    Attributes:
        reference: Comes back in the document and the events of the video.
        ttl: For how many seconds the address holds: uploading and indexing have to end within them.
    """

    reference: Reference | None = None
    ttl: Annotated[int, msgspec.Meta(ge=1, le=MAX_TTL)] = DEFAULT_TTL


_REQUEST: Final = msgspec.json.Decoder(CallbackUrlRequest)


def read_keys(text: str) -> tuple[bytes, ...]:
    """The signing keys of a setting: base64, separated by a comma, the newest first.

    Raises:
        InvalidKeysError: One is malformed or too short, or there are too many.
    """
    written = text.split(",")
    if len(written) > MAX_KEYS:
        raise InvalidKeysError(f"there are {len(written)} keys, at most {MAX_KEYS} are in force")
    return tuple(_read_key(key.strip(), number) for number, key in enumerate(written, start=1))


def read_request(body: bytes) -> CallbackUrlRequest:
    """Read the body of a request; an empty one asks for the defaults.

    Raises:
        InvalidRequestError: It is something else.
    """
    try:
        return _REQUEST.decode(body or b"{}")
    except DECODE_ERRORS as error:
        raise InvalidRequestError(f"not a request for a callback URL: {error}") from None


def issue(keys: Sequence[bytes], reference: str | None, expires_at: datetime) -> str:
    """A new token, signed with the first key; it holds until the second in which `expires_at` lies."""
    head = _HEAD.pack(_VERSION, int(expires_at.timestamp()), secrets.token_bytes(_NONCE_BYTES))
    payload = _text(head + (reference or "").encode())
    return f"{payload}.{_signature(keys[0], payload)}"


def verify(keys: Sequence[bytes], token: str, now: datetime) -> Claims:
    """What a token says, if one of `keys` signed it and it has not expired.

    Raises:
        InvalidTokenError: It is malformed, no key signed it, it is of another version, or it has expired.
    """
    form = _FORM.fullmatch(token) if len(token) <= _MAX_TOKEN else None
    if form is None:
        raise InvalidTokenError("the token is malformed")
    payload, signature = form.groups()
    signed = [hmac.compare_digest(_signature(key, payload), signature) for key in keys]
    if not any(signed):
        raise InvalidTokenError("the token was not signed with a key in force")
    # From here on it is one of ours, though perhaps of a newer version.
    claims = _read(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    if now >= claims.expires_at:
        raise InvalidTokenError("the token has expired")
    return claims


def address(base_url: str, token: str) -> str:
    """Where Video Indexer is to call; `base_url` without a trailing slash."""
    return f"{base_url}/api/{ROUTE.format(token=token)}"


def encoded(url: str) -> str:
    """`url` as the value of a query parameter: every reserved character escaped, once."""
    return quote(url, safe="")


def origin_of(url: str) -> str:
    """The address of the host that was asked, from that of a request.

    Raises:
        InvalidRequestError: The request does not say it.
    """
    found = _ORIGIN.match(url)
    if found is None:
        raise InvalidRequestError("the request does not say its host; set CALLBACK_BASE_URL")
    return found[1]


def _read_key(text: str, number: int) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidKeysError(f"key {number} is not base64") from None
    if len(key) < MIN_KEY_BYTES:
        raise InvalidKeysError(f"key {number} has {len(key)} bytes, at least {MIN_KEY_BYTES} are needed")
    return key


def _read(payload: bytes) -> Claims:
    if payload[0] != _VERSION:
        raise InvalidTokenError("the token is of a version that is not known")
    _, expires_at, _ = _HEAD.unpack_from(payload)
    reference = payload[_HEAD.size :].decode()
    return Claims(reference=reference or None, expires_at=datetime.fromtimestamp(expires_at, UTC))


def _signature(key: bytes, payload: str) -> str:
    return _text(hmac.digest(key, payload.encode(), hashlib.sha256))


def _text(body: bytes) -> str:
    return base64.urlsafe_b64encode(body).rstrip(b"=").decode()
