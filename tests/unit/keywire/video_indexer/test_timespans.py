"""TimeSpans as Video Indexer writes them, and merged ranges."""

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keywire.video_indexer.timespans import TICKS_PER_SECOND, Range, merge, parse_timespan, to_seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0:00:17", 17.0),
        ("0:01:21.82", 81.82),
        ("0:05:15.782", 315.782),
        ("00:00:07.2400000", 7.24),
        ("00:01:30.500", 90.5),
        ("12:00:00", 43200.0),
        ("1.02:03:04.5678901", 93784.5678901),
        ("0:00:00.0000001", 1e-7),
        ("0:00:01.12345678", 1.1234567),
    ],
)
def test_every_form_of_a_timespan_is_read(text: str, seconds: float) -> None:
    assert to_seconds(parse_timespan(text)) == seconds


@pytest.mark.parametrize(
    "text", ["", "17", "0:17", "-0:00:01", "0:60:00", "0:00:61", "2022-06-19", "0:00:0x", "٠:00:01"]
)
def test_other_text_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="not a time"):
        parse_timespan(text)


@given(st.integers(0, 10**13))
def test_every_timespan_of_dotnet_is_read_exactly(ticks: int) -> None:
    seconds, fraction = divmod(ticks, TICKS_PER_SECOND)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    day = f"{days}." if days else ""
    tail = f".{fraction:07d}".rstrip("0") if fraction else ""
    assert parse_timespan(f"{day}{hour}:{minute:02d}:{second:02d}{tail}") == ticks


ranges = st.lists(
    st.tuples(st.integers(0, 200), st.integers(0, 50)).map(lambda pair: Range(pair[0], sum(pair)))
)


@given(ranges)
def test_merged_ranges_cover_the_same_moments_once(given_ranges: list[Range]) -> None:
    merged = merge(given_ranges)
    assert all(before.end < after.start for before, after in pairwise(merged))
    for moment in range(252):
        covered = any(current.start <= moment <= current.end for current in given_ranges)
        assert any(current.start <= moment <= current.end for current in merged) == covered


@given(ranges, st.randoms())
def test_the_order_of_ranges_does_not_matter(given_ranges: list[Range], random: Random) -> None:
    shuffled = list(given_ranges)
    random.shuffle(shuffled)
    assert merge(shuffled) == merge(given_ranges)
