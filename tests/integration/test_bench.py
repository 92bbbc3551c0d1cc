"""The measurements as commands; only what counts and does not time is held to its figures here."""

import json
from pathlib import Path
from typing import Literal

import pytest

from bench import indexes
from bench.figures import Aim, median_ratio, percentile
from keywire.video_indexer import index
from tests.support.commands import run_module


async def bench(*arguments: str) -> tuple[int, str]:
    return await run_module("bench", *arguments)


async def test_a_new_video_costs_one_question_and_six_storage_requests(tmp_path: Path) -> None:
    code, output = await bench("operations", "--json", str(tmp_path / "figures.json"))
    assert code == 0, output
    figures = json.loads((tmp_path / "figures.json").read_text())
    kinds = ("video_indexer", "storage", "interests", "event_sends", "callback_sends", "host_deletes")
    assert {
        job: [figures[f"operations.{job}.{kind}"] for kind in kinds]
        for job in ("new", "duplicate", "unchanged", "changed")
    } == {
        "new": [1, 6, 1, 1, 1, 1],
        "duplicate": [1, 2, 0, 0, 1, 1],
        "unchanged": [1, 2, 0, 0, 1, 1],
        "changed": [1, 6, 1, 1, 1, 1],
    }
    assert "aim <= 6, met" in output


async def test_callbacks_and_memory_are_measured(tmp_path: Path) -> None:
    code, output = await bench("ack", "memory", "--scale", "0.02", "--json", str(tmp_path / "figures.json"))
    assert code == 0, output
    figures = json.loads((tmp_path / "figures.json").read_text())
    names = {"ack.p50_ratio", "ack.p99_ratio", "memory.growth_ratio", "memory.large_index_mb"}
    assert names <= figures.keys()
    assert all(figures[name] > 0 for name in names)


async def test_matching_is_measured(tmp_path: Path) -> None:
    code, output = await bench("match", "--scale", "0.001", "--json", str(tmp_path / "figures.json"))
    assert code == 0, output
    figures = json.loads((tmp_path / "figures.json").read_text())
    names = {"match.time_ratio_1m_100", "match.compile_seconds", "match.rss_mb"}
    assert names <= figures.keys()
    assert all(figures[name] > 0 for name in names)


async def test_a_backlog_is_done_without_a_429_and_live_videos_go_first(tmp_path: Path) -> None:
    code, output = await bench("quota", "--scale", "0.06", "--json", str(tmp_path / "figures.json"))
    assert code == 0, output
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["quota.throttled_share"] == figures["quota.default.throttled_share"] == 0
    assert figures["quota.useful"] > figures["quota.live_videos"] == 2
    assert 0 < figures["quota.useful_share"] <= 1.5
    assert figures["quota.live_lag_p95_seconds"] > 0


async def test_what_a_large_account_lacks_is_found_with_a_request_for_a_thousand(tmp_path: Path) -> None:
    code, output = await bench("backfill", "--scale", "0.06", "--json", str(tmp_path / "figures.json"))
    assert code == 0, output
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["backfill.videos"] == 1200
    assert figures["backfill.found"] == figures["backfill.order_found"] == 37
    assert figures["backfill.list_requests"] == figures["backfill.order_list_requests"] == 2
    assert figures["backfill.storage_requests"] < 100
    assert figures["backfill.rss_growth_ratio"] > 0


async def test_a_benchmark_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    code, output = await bench("speed")
    assert code == 2
    assert "there is no benchmark speed; there are ack, throughput" in output


def test_a_percentile_is_a_value_that_was_measured() -> None:
    assert percentile([3, 1, 2, 4], 50) == 2
    assert percentile([3, 1, 2, 4], 99) == 4


def test_a_ratio_compares_what_saw_the_same_machine() -> None:
    assert median_ratio([1, 10, 3], [2, 10, 3]) == 1


@pytest.mark.parametrize(("relation", "met"), [("<=", True), (">=", False)])
def test_an_aim_is_a_bound(relation: Literal["<=", ">="], met: bool) -> None:
    assert Aim(relation, 2.0).is_met(1.5) is met


def test_a_generated_index_is_one_and_of_the_size_of_a_real_one() -> None:
    body = indexes.index(7)
    assert body == indexes.index(7)
    assert 100_000 < len(body) < 200_000
    assert len(index.parse(body).videos[0].keywords) == indexes.KEYWORDS
