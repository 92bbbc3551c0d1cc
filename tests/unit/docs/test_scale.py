"""docs/scale.md is what `bench.scale` says, and names limits that the code has."""

import re

import pytest

from bench import cost, scale
from bench.scale import Load
from emulators.framework.checkout import PROJECT
from keywire.interests import interest
from keywire.operations import rematch_pages

PAGE = (PROJECT / "docs" / "scale.md").read_text("utf-8")
FOOTPRINT = cost.read_footprint((PROJECT / "bench" / "footprint.json").read_text("utf-8"))


def test_the_page_has_the_table_that_the_command_prints() -> None:
    assert scale.table(Load(), FOOTPRINT) in PAGE


def test_the_base_load_that_it_states_is_that_of_the_table() -> None:
    base = Load()
    assert f"{base.videos_a_day:.0f} videos a day" in PAGE
    assert f"an archive of {base.archive:,.0f} documents" in PAGE
    assert base.matches == 2
    assert "two interests match a video" in PAGE


@pytest.mark.parametrize("factor", [10, 100, 1000])
def test_each_size_has_its_section_with_its_numbers(factor: int) -> None:
    text = PAGE.partition(f"## At {factor:,} times\n")[2].partition("\n## ")[0]
    assert f"{Load().times(factor).videos_a_day:,.0f} videos a day" in text


def test_a_load_over_its_limit_is_marked_and_the_first_limit_is_video_indexers() -> None:
    lines = scale.table(Load(), FOOTPRINT).splitlines()[2:]
    over = {line.split("|")[1].strip(): re.findall(r"\*\*", line) for line in lines}
    assert len(over["requests to Video Indexer a minute, busiest hour"]) == 4
    assert not over["requests to storage a second, busiest hour"]
    assert not any("**" in line.split("|")[4] for line in lines)


def test_limits_that_it_names_are_the_codes() -> None:
    bicep = (PROJECT / "infra" / "modules" / "function-app.bicep").read_text("utf-8")
    assert re.search(r"maximumInstanceCount: 40\b", bicep)
    assert f"instanceMemoryMB: {scale.INSTANCE_MEMORY_MB}\n" in bicep
    assert "`maximumInstanceCount` is 40" in PAGE
    assert f"{interest.MAX_INTERESTS:,} interests or {interest.MAX_FILE_BYTES // 2**20} MiB" in PAGE
    assert f"a page of {rematch_pages.PAGE_DOCUMENTS} after the other" in PAGE
