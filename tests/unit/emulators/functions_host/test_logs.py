"""The lines of the host's log."""

import logging

from emulators.functions_host.logs import OneLineFormatter


def record(message: str, *, error: BaseException | None = None) -> logging.LogRecord:
    info = (type(error), error, error.__traceback__) if error else None
    made = logging.LogRecord("a.logger", logging.ERROR, __file__, 1, message, None, info)
    made.created, made.msecs = 0.0, 7.0
    return made


def test_a_record_is_one_line_with_time_level_and_logger() -> None:
    line = OneLineFormatter().format(record("first\nsecond"))
    assert line == "1970-01-01T00:00:00.007Z ERROR a.logger first | second"


def test_an_exception_is_part_of_the_line_with_the_place_it_came_from() -> None:
    try:
        int("two\nlines")
    except ValueError as error:
        line = OneLineFormatter().format(record("It failed", error=error))
        number = error.__traceback__.tb_lineno if error.__traceback__ else 0
    assert "\n" not in line
    assert "It failed | ValueError: invalid literal" in line
    assert f"{__file__}:{number} in test_an_exception_is_part_of_the_line" in line
