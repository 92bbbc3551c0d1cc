"""Content hashes, event ids, event bytes and stored paths, which a release must not change by accident.

The golden file pins what version 0.1.0 stored and sent. `KEYWIRE_WRITE_GOLDEN=1` writes it again: commit the
difference only if consumers were promised that change.
"""

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

import msgspec

from emulators.framework.checkout import PROJECT
from keywire.storage.layout import HISTORY_CONTAINER, KEYWORDS_CONTAINER
from keywire.video_indexer.errors import VIDEO_REMOVED, GoneError
from local.storage import InsightsStorage
from tests.support.builders import index
from tests.support.world import World, job

GOLDEN = Path(__file__).parents[1] / "golden" / "stored.json"
SAMPLES = PROJECT / "local" / "samples"
ACCOUNT_ID = "0c9d3a51-7e0b-4a55-9a0e-2f6f3c1d8b47"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
# Each run has another port.
ENDPOINT = b"https://storage.example"
EDITION_FILE = re.compile(rb"\b(e\d{6})-[0-9a-f]{12}")


async def extract(world: World, video_id: str, body: bytes) -> None:
    world.source.bodies[video_id] = body
    work = msgspec.structs.replace(
        job(video_id=video_id), job_id="golden", reference=f"cms-{video_id}", traceparent=TRACEPARENT
    )
    await world.extraction().extract(work)


async def remove(world: World, video_id: str) -> None:
    async def removed(_: int) -> None:
        raise GoneError("gone", code=VIDEO_REMOVED)

    world.source.before_answering = removed
    work = msgspec.structs.replace(job(video_id=video_id), job_id="golden", traceparent=TRACEPARENT)
    await world.extraction().extract(work)
    world.source.before_answering = None


def stable(body: bytes, endpoint: bytes) -> bytes:
    """Replace what differs between runs: the endpoint, and names that are hashes over it."""
    return EDITION_FILE.sub(rb"\1-hash", body.replace(endpoint, ENDPOINT))


async def written(world: World, insights: InsightsStorage) -> dict[str, Any]:
    """Return everything that is stored and queued, with the hash of its bytes."""
    found: dict[str, Any] = {"stored": {}, "contentHashes": {}, "events": {}}
    endpoint = insights.blobs.url.rstrip("/").encode()
    for container in (KEYWORDS_CONTAINER, HISTORY_CONTAINER):
        client = insights.blobs.get_container_client(container)
        async for blob in client.list_blobs(f"{ACCOUNT_ID}/", include=["metadata"]):
            body = await (await client.download_blob(blob.name)).readall()
            name = stable(f"{container}/{blob.name}".encode(), endpoint).decode()
            metadata = {
                key: stable(text.encode(), endpoint).decode() for key, text in (blob.metadata or {}).items()
            }
            metadata.pop("matchedat", None)  # by storage's clock
            found["stored"][name] = {
                "sha256": hashlib.sha256(stable(body, endpoint)).hexdigest(),
                "contentType": blob.content_settings.content_type,
                "metadata": dict(sorted(metadata.items())),
            }
            if blob.name.endswith(".json") and not blob.name.endswith(".active.json"):
                document = json.loads(body)
                key = f"{document['videoId']} {document['version']}"
                found["contentHashes"][key] = document["contentHash"]
    for body in await world.queued():
        event = json.loads(body)
        found["events"][event["id"]] = {
            "type": event["type"],
            "subject": event["subject"],
            "sequence": event["sequence"],
            "sha256": hashlib.sha256(stable(body, endpoint)).hexdigest(),
        }
    return found


async def test_content_hashes_event_ids_bytes_and_paths_stay_the_same(insights: InsightsStorage) -> None:
    def sample(name: str, video_id: str) -> bytes:
        read: dict[str, Any] = json.loads((SAMPLES / f"{name}.json").read_text("utf-8"))
        return json.dumps(read | {"id": video_id}, ensure_ascii=False).encode()

    interests = json.loads((SAMPLES / "interests.json").read_text("utf-8"))["interests"]
    async with World(insights, b"", account_id=ACCOUNT_ID) as world:
        await world.set_interests(*interests)
        await extract(world, "festival01", sample("england-film-festival", "festival01"))
        await extract(world, "launch0001", sample("product-launch", "launch0001"))
        await extract(world, "robotics01", sample("tokyo-robotics", "robotics01"))
        await extract(world, "launch0001", sample("product-launch.reindexed", "launch0001"))
        await extract(world, "robotics01", index(state="Failed", id="robotics01"))
        await world.set_interests(*interests[1:], interests[0] | {"weight": 0.5})
        for video_id in ("festival01", "launch0001"):
            await world.rematch(video_id)
        await remove(world, "festival01")
        found = await written(world, insights)
    if os.environ.get("KEYWIRE_WRITE_GOLDEN"):
        GOLDEN.write_text(json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n", "utf-8")
    assert found == json.loads(GOLDEN.read_text("utf-8"))
