"""The clients of a process, against a storage service that fails for a moment."""

import asyncio

from keywire.services import Services
from keywire.settings import IdentitySettings, Settings, StorageSettings, VideoIndexerSettings

KEY = "c2VjcmV0"
PATIENCE_SECONDS = 4.5  # what the callback gives storage before it answers 503


def services(port: int) -> Services:
    return Services(
        Settings(
            storage=StorageSettings(
                connection_string=(
                    f"DefaultEndpointsProtocol=http;AccountName=a;AccountKey={KEY};"
                    f"BlobEndpoint=http://127.0.0.1:{port}/a;QueueEndpoint=http://127.0.0.1:{port}/a;"
                ),
                blob_service_uri=None,
                queue_service_uri=None,
            ),
            identity=IdentitySettings(managed=True, client_id=None),
            video_indexer=VideoIndexerSettings(
                resource_id="/r",
                account_id="a",
                location="westeurope",
                language=None,
                endpoint="https://127.0.0.1:9",
                resource_manager_endpoint="https://127.0.0.1:9",
                resource_manager_audience="https://management.azure.com",
            ),
        )
    )


async def test_a_moment_of_trouble_in_storage_does_not_outlast_the_patience_of_a_caller() -> None:
    statuses = iter([b"503 Server Busy", b"201 Created"])
    sent = b"<QueueMessagesList><QueueMessage><MessageId>m</MessageId></QueueMessage></QueueMessagesList>"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.partition(b"content-length: ")[2].split(b"\r\n")[0]))
        fields = b"Content-Type: application/xml\r\nConnection: close\r\nContent-Length: %d" % len(sent)
        writer.write(b"HTTP/1.1 %s\r\n%s\r\n\r\n%s" % (next(statuses), fields, sent))
        await writer.drain()
        writer.close()

    async with (
        await asyncio.start_server(answer, "127.0.0.1", 0) as server,
        asyncio.timeout(PATIENCE_SECONDS),
        services(server.sockets[0].getsockname()[1]).job_queue as queue,
    ):
        assert (await queue.send_message("a job", time_to_live=-1)).id == "m"
    assert next(statuses, None) is None
