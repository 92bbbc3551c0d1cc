"""List Videos: the tolerant reader, and requests to the emulator in this process."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from keywire.video_indexer.errors import MisconfiguredError, TransientError
from keywire.video_indexer.listing import ListPage, list_videos, parse
from keywire.video_indexer.period import Period
from tests.support.builders import index
from tests.support.video_indexer import Service

MOMENT = datetime(2026, 3, 2, 9, 0, 0, 123456, tzinfo=UTC)


def read(*results: Any, size: int = 25, skip: int = 0, **answer: Any) -> ListPage:
    body = {"results": results, "nextPage": {"pageSize": size, "skip": skip, "done": True}} | answer
    return parse(json.dumps(body).encode(), skip=skip, page_size=size)


def entry(**fields: Any) -> dict[str, Any]:
    return {"id": "abc", "state": "Processed", "lastIndexed": "2026-03-02T09:00:00+00:00"} | fields


async def service_with(videos: int) -> Service:
    """Return a service with `videos` videos, uploaded a minute apart."""
    service = Service(requests_per_second=None, requests_per_minute=None)
    for _ in range(videos):
        await service.emulator.upload(index())
        service.emulator.clock.advance(60)
    return service


async def test_a_video_is_listed_with_its_state_and_times() -> None:
    service = await service_with(1)
    page = await list_videos(service.client)
    (video,) = page.videos
    created = datetime.fromtimestamp(service.emulator.clock() - 60, UTC)
    assert (video.state, video.created, video.last_indexed) == ("Processed", created, created)
    assert (page.unreadable, page.next_skip) == (0, None)


async def test_next_skip_is_the_services_own() -> None:
    service = await service_with(5)
    first = await list_videos(service.client, page_size=2)
    second = await list_videos(service.client, page_size=2, skip=2)
    last = await list_videos(service.client, page_size=2, skip=4)
    assert [page.next_skip for page in (first, second, last)] == [2, 4, None]
    assert len({video.id for page in (first, second, last) for video in page.videos}) == 5


async def test_a_period_is_part_of_the_query_and_the_token_of_the_header() -> None:
    service = await service_with(3)
    start = datetime.fromtimestamp(service.emulator.clock() - 180, UTC)
    period = Period(after=start + timedelta(seconds=60), before=start + timedelta(seconds=120))
    page = await list_videos(service.client, period=period)
    assert [video.created for video in page.videos] == [period.after]
    request = service.requests[-1]
    assert set(request.url.params) == {"pageSize", "skip", "createdAfter", "createdBefore"}
    assert request.headers["Authorization"].startswith("Bearer ")


async def test_a_refused_token_is_renewed_once() -> None:
    service = await service_with(1)
    await service.fault(operation="ListVideos", kind="expired-token")
    assert len((await list_videos(service.client)).videos) == 1
    await service.fault(operation="ListVideos", kind="expired-token", count=2)
    with pytest.raises(MisconfiguredError):
        await list_videos(service.client)


@pytest.mark.parametrize("kind", ["reset", "truncate", "not-json", "garble"])
async def test_a_broken_answer_is_a_transient_error(kind: str) -> None:
    service = await service_with(1)
    await service.fault(operation="ListVideos", kind=kind)
    with pytest.raises(TransientError):
        await list_videos(service.client)


@pytest.mark.parametrize("body", ["{}", '{"results": null}', "[]", '{"ErrorType": "GENERAL"}', ""])
def test_an_answer_without_a_list_is_not_an_empty_account(body: str) -> None:
    with pytest.raises(TransientError):
        parse(body.encode(), skip=0, page_size=25)


@pytest.mark.parametrize(
    "odd", [None, 7, "abc", [], {}, entry(id=None), entry(id="../x"), entry(id=7), entry(state=2)]
)
def test_an_unreadable_entry_is_counted_and_does_not_affect_others(odd: Any) -> None:
    page = read(entry(id="before"), odd, entry(id="after"))
    assert [video.id for video in page.videos] == ["before", "after"]
    assert (page.unreadable, page.entries) == (1, 3)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-02T09:00:00.123456+00:00", MOMENT),
        ("2026-03-02T09:00:00.1234567Z", MOMENT),
        ("2026-03-02T10:00:00.1234569+01:00", MOMENT),
        ("2026-03-02T09:00:00.123456", MOMENT),
        ("0001-01-01T00:00:00", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("yesterday", None),
        ("", None),
        (None, None),
        (1772442000, None),
    ],
)
def test_every_form_of_time_is_read_as_utc_or_as_none(text: Any, moment: datetime | None) -> None:
    (video,) = read(entry(lastIndexed=text, created=text)).videos
    assert (video.last_indexed, video.created) == (moment, moment)


@pytest.mark.parametrize(
    ("answer", "next_skip"),
    [
        ({"nextPage": {"skip": 12, "done": False}}, 12),
        ({"nextPage": {"skip": 12, "done": True}}, None),
        ({"nextPage": {"skip": 10, "done": False}}, 12),  # 10 would not advance
        ({"nextPage": {"skip": "12", "done": False}}, 12),
        ({"nextPage": {"done": None}}, 12),  # a full page
        ({"nextPage": None}, 12),
        ({"nextPage": "more"}, 12),
        ({"nextPage": {"skip": 12, "done": False}, "results": []}, None),
        ({"nextPage": None, "results": [entry()]}, None),  # not a full page
    ],
)
def test_paging_advances_and_ends_for_any_next_page(answer: dict[str, Any], next_skip: int | None) -> None:
    assert read(entry(id="a"), entry(id="b"), size=2, skip=10, **answer).next_skip == next_skip


def test_a_period_contains_its_start_but_not_its_end() -> None:
    period = Period(after=MOMENT, before=MOMENT + timedelta(seconds=2))
    moments = [MOMENT + timedelta(seconds=seconds) for seconds in (-1, 0, 1, 2)]
    assert [period.contains(moment) for moment in moments] == [False, True, True, False]
    assert period.contains(None)
    assert Period().contains(MOMENT)
