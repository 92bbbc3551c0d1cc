"""How many requests the data plane admits."""

from emulators.video_indexer.in_process import InProcessEmulator


async def statuses(emulator: InProcessEmulator, requests: int) -> list[int]:
    return [(await emulator.client.get(emulator.videos)).status_code for _ in range(requests)]


async def reader(**limits: int | None) -> InProcessEmulator:
    emulator = InProcessEmulator(**limits)
    await emulator.authorize("Reader")
    return emulator


async def test_the_eleventh_request_in_a_second_is_refused_by_the_gateway() -> None:
    """In the gateway's shape, with the wait in the header and in the text."""
    emulator = await reader()

    assert await statuses(emulator, 10) == [200] * 10
    refused = await emulator.client.get(emulator.videos)

    assert refused.status_code == 429
    assert refused.headers["Retry-After"] == "1"
    assert refused.json() == {
        "statusCode": 429,
        "message": "Rate limit is exceeded. Try again in 1 seconds.",
    }


async def test_the_window_slides() -> None:
    """Room comes back request by request, not with the next full second."""
    emulator = await reader(requests_per_second=2, requests_per_minute=None)

    assert await statuses(emulator, 1) == [200]
    emulator.clock.advance(0.6)
    assert await statuses(emulator, 2) == [200, 429]
    emulator.clock.advance(0.5)
    assert await statuses(emulator, 2) == [200, 429]


async def test_the_minute_says_how_long_it_still_takes() -> None:
    """Retry-After counts to the moment when the oldest request leaves the window."""
    emulator = await reader(requests_per_second=None, requests_per_minute=120)

    assert await statuses(emulator, 120) == [200] * 120
    emulator.clock.advance(12.5)
    refused = await emulator.client.get(emulator.videos)

    assert refused.headers["Retry-After"] == "48"
    emulator.clock.advance(47)
    assert await statuses(emulator, 1) == [429]
    emulator.clock.advance(0.5)
    assert await statuses(emulator, 1) == [200]


async def test_a_refused_request_does_not_count() -> None:
    """Who keeps knocking is let in as soon as there is room."""
    emulator = await reader(requests_per_second=1, requests_per_minute=None)

    assert await statuses(emulator, 5) == [200, 429, 429, 429, 429]
    emulator.clock.advance(1)
    assert await statuses(emulator, 1) == [200]


async def test_limits_are_for_the_data_plane_and_can_be_changed() -> None:
    """ARM sells tokens all the same; null switches a limit off, a mistyped one is refused."""
    emulator = await reader(requests_per_second=1, requests_per_minute=1)
    assert await statuses(emulator, 2) == [200, 429]

    await emulator.authorize("Reader")
    refused = await emulator.client.put("/emulator/limits", json={"requestsPerSecnd": None})
    changed = await emulator.client.put("/emulator/limits", json={"requestsPerMinute": None})
    still_refused = await statuses(emulator, 1)
    await emulator.client.put("/emulator/limits", json={"requestsPerSecond": None})

    assert refused.status_code == 400
    assert changed.json() == {"requestsPerSecond": 1, "requestsPerMinute": None}
    assert still_refused == [429]
    assert await statuses(emulator, 20) == [200] * 20
