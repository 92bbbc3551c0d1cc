"""Which key opens what."""

import pytest

from emulators.functions_host.bindings import AuthLevel
from emulators.functions_host.keys import Keys

KEYS = Keys(function="f-key", master="m-key")


@pytest.mark.parametrize(
    ("level", "key", "opens"),
    [
        (AuthLevel.ANONYMOUS, "", True),
        (AuthLevel.ANONYMOUS, "wrong", True),
        (AuthLevel.FUNCTION, "", False),
        (AuthLevel.FUNCTION, "wrong", False),
        (AuthLevel.FUNCTION, "f-key", True),
        (AuthLevel.FUNCTION, "m-key", True),
        (AuthLevel.ADMIN, "", False),
        (AuthLevel.ADMIN, "f-key", False),
        (AuthLevel.ADMIN, "m-key", True),
    ],
)
def test_the_master_key_opens_everything_and_a_function_key_functions(
    *, level: AuthLevel, key: str, opens: bool
) -> None:
    assert KEYS.open(level, {"x-functions-key": key}, {}) is opens
    assert KEYS.open(level, {}, {"code": key}) is opens


def test_the_header_goes_before_the_query() -> None:
    assert not KEYS.open(AuthLevel.FUNCTION, {"x-functions-key": "wrong"}, {"code": "f-key"})


def test_a_key_that_is_not_set_opens_nothing() -> None:
    assert not Keys.of({}).open(AuthLevel.FUNCTION, {"x-functions-key": ""}, {"code": ""})
    assert not Keys(master="m-key").open(AuthLevel.FUNCTION, {}, {})


def test_keys_are_not_shown() -> None:
    assert repr(KEYS) == "Keys()"
