"""Properties of messages on Storage queues that tests check."""

from azure.storage.queue import QueueMessage


def never_expires(message: QueueMessage) -> bool:
    """Return whether the message was sent with `time_to_live=-1`; the service then reports the year 9999."""
    return message.expires_on is not None and message.expires_on.year == 9999
