"""Signed callback URLs: each has a token that expires and has the uploader's reference. Pure.

A function key in a callback URL opens every function until the key is deleted. A token opens only the callback, until
it expires. It is short, because Video Indexer limits the length of an upload's whole URL. It needs no percent-encoding,
because it is not documented how Video Indexer treats that. It proves who issued the URL, not who calls it.

    token     = payload "." signature                 both base64url without padding
    payload   = version (1 byte) expiry (4, Unix seconds) nonce (8) reference (UTF-8, the rest)
    signature = HMAC-SHA256 over the payload's text

Signatures are compared as text, because several base64 texts decode to the same bytes.
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
# The length of an HMAC-SHA256: a shorter key would be easier to guess than a signature.
MIN_KEY_BYTES: Final = 32
# The newest key signs. The old one verifies until the last URL that it signed has expired.
MAX_KEYS: Final = 2

_VERSION: Final = 1
_NONCE_BYTES: Final = 8
_HEAD: Final = struct.Struct(f">BI{_NONCE_BYTES}s")
_FORM: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{43})")
# A character of the reference takes up to four bytes of UTF-8; three bytes take four characters of base64.
_MAX_TOKEN: Final = (_HEAD.size + 4 * MAX_REFERENCE + 2) // 3 * 4 + 1 + 43
_ORIGIN: Final = re.compile(r"(https?://[A-Za-z0-9._\[\]:-]+)(?:[/?]|\Z)", re.IGNORECASE)


class InvalidKeysError(ValueError):
    """A setting without valid signing keys. The error gives the reason and never quotes a key."""


class InvalidTokenError(ValueError):
    """A token that does not open the callback. The error gives the reason and never quotes the token."""


class InvalidRequestError(ValueError):
    """A request for which no callback URL can be issued; the error gives the reason."""


@dataclass(frozen=True, kw_only=True)
class Claims:
    """The content of a valid token.

    Attributes:
        reference: The uploader's reference; None without one.
        expires_at: The moment from which the token is refused (UTC).
    """

    reference: str | None
    expires_at: datetime


class CallbackUrlRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request for a signed callback URL.

    Attributes:
        reference: The uploader's name for the video; the document and the events of the video have it.
        ttl: The seconds until the URL expires. The upload and the indexing have to end before.
    """

    reference: Reference | None = None
    ttl: Annotated[int, msgspec.Meta(ge=1, le=MAX_TTL)] = DEFAULT_TTL


_REQUEST: Final = msgspec.json.Decoder(CallbackUrlRequest)


def read_keys(text: str) -> tuple[bytes, ...]:
    """Return the signing keys of a setting: base64, separated by a comma, the newest first.

    Raises:
        InvalidKeysError: A key is malformed or too short, or there are too many keys.
    """
    keys = text.split(",")
    if len(keys) > MAX_KEYS:
        raise InvalidKeysError(f"there are {len(keys)} keys, at most {MAX_KEYS} can be set")
    return tuple(_read_key(key.strip(), number) for number, key in enumerate(keys, start=1))


def read_request(body: bytes) -> CallbackUrlRequest:
    """Return the request in a body; an empty body is a request with defaults.

    Raises:
        InvalidRequestError: The body is not a request for a callback URL.
    """
    try:
        return _REQUEST.decode(body or b"{}")
    except DECODE_ERRORS as error:
        raise InvalidRequestError(f"not a request for a callback URL: {error}") from None


def issue(keys: Sequence[bytes], reference: str | None, expires_at: datetime) -> str:
    """Return a new token, signed with the first key; it expires at the start of the second of `expires_at`."""
    head = _HEAD.pack(_VERSION, int(expires_at.timestamp()), secrets.token_bytes(_NONCE_BYTES))
    payload = _text(head + (reference or "").encode())
    return f"{payload}.{_signature(keys[0], payload)}"


def verify(keys: Sequence[bytes], token: str, now: datetime) -> Claims:
    """Return the content of a token that one of `keys` signed and that has not expired.

    Raises:
        InvalidTokenError: The token is malformed, no key signed it, its version is unknown, or it has expired.
    """
    form = _FORM.fullmatch(token) if len(token) <= _MAX_TOKEN else None
    if form is None:
        raise InvalidTokenError("the token is malformed")
    payload, signature = form.groups()
    signed = [hmac.compare_digest(_signature(key, payload), signature) for key in keys]
    if not any(signed):
        raise InvalidTokenError("the token was not signed with a current key")
    # Keywire issued this token, but a newer version may have done so.
    claims = _read(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    if now >= claims.expires_at:
        raise InvalidTokenError("the token has expired")
    return claims


def callback_url(base_url: str, token: str) -> str:
    """Return the URL that Video Indexer calls; `base_url` has no trailing slash."""
    return f"{base_url}/api/{ROUTE.format(token=token)}"


def percent_encode(url: str) -> str:
    """Return `url` as the value of a query parameter, with every reserved character encoded once."""
    return quote(url, safe="")


def origin_of(url: str) -> str:
    """Return the scheme and host of a request's URL.

    Raises:
        InvalidRequestError: The URL has no host.
    """
    found = _ORIGIN.match(url)
    if found is None:
        raise InvalidRequestError("the URL of the request has no host: set CALLBACK_BASE_URL")
    return found[1]


def _read_key(text: str, number: int) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidKeysError(f"key {number} is not base64") from None
    if len(key) < MIN_KEY_BYTES:
        raise InvalidKeysError(f"key {number} has {len(key)} bytes, at least {MIN_KEY_BYTES} are required")
    return key


def _read(payload: bytes) -> Claims:
    if payload[0] != _VERSION:
        raise InvalidTokenError("the token's version is unknown")
    _, expires_at, _ = _HEAD.unpack_from(payload)
    reference = payload[_HEAD.size :].decode()
    return Claims(reference=reference or None, expires_at=datetime.fromtimestamp(expires_at, UTC))


def _signature(key: bytes, payload: str) -> str:
    return _text(hmac.digest(key, payload.encode(), hashlib.sha256))


def _text(body: bytes) -> str:
    return base64.urlsafe_b64encode(body).rstrip(b"=").decode()
