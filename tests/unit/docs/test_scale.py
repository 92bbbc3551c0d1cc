"""docs/scale.md has what `bench.scale` computes, and the limits of the code."""

import re

import pytest

from bench import cost, scale
from bench.scale import Load
from emulators.framework.checkout import PROJECT
from keywire.interests import interest
from keywire.operations import rematch_pages

PAGE = (PROJECT / "docs" / "scale.md").read_text("utf-8")
FOOTPRINT = cost.read_footprint((PROJECT / "bench" / "footprint.json").read_text("utf-8"))


def test_the_table_is_the_one_that_the_command_prints() -> None:
    assert scale.table(Load(), FOOTPRINT) in PAGE


def test_the_stated_base_load_is_the_one_of_the_table() -> None:
    base = Load()
    assert f"{base.videos_a_day:.0f} videos a day" in PAGE
    assert f"an archive of {base.archive:,.0f} documents" in PAGE
    assert base.matches == 2
    assert "two interests match a video" in PAGE


@pytest.mark.parametrize("factor", [10, 100, 1000])
def test_each_size_has_a_section_with_its_numbers(factor: int) -> None:
    text = PAGE.partition(f"## At {factor:,} times\n")[2].partition("\n## ")[0]
    assert f"{Load().times(factor).videos_a_day:,.0f} videos a day" in text


def test_a_load_over_its_limit_is_marked_and_video_indexer_is_the_first_limit() -> None:
    lines = scale.table(Load(), FOOTPRINT).splitlines()[2:]
    over = {line.split("|")[1].strip(): re.findall(r"\*\*", line) for line in lines}
    assert len(over["requests to Video Indexer a minute, busiest hour"]) == 4
    assert not over["requests to storage a second, busiest hour"]
    assert not any("**" in line.split("|")[4] for line in lines)


def test_the_stated_limits_are_those_of_the_code() -> None:
    bicep = (PROJECT / "infra" / "modules" / "function-app.bicep").read_text("utf-8")
    assert re.search(r"maximumInstanceCount: 40\b", bicep)
    assert f"instanceMemoryMB: {scale.INSTANCE_MEMORY_MB}\n" in bicep
    assert "`maximumInstanceCount` is 40" in PAGE
    assert f"{interest.MAX_INTERESTS:,} interests or {interest.MAX_FILE_BYTES // 2**20} MiB" in PAGE
    assert f"a page of {rematch_pages.PAGE_DOCUMENTS} after the other" in PAGE
