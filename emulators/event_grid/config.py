"""What the topic is told at its start."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicConfig:
    """One custom topic.

    `client_id` and `object_id` name the identity that has the role EventGrid Data Sender; None lets any
    identity in.
    """

    name: str = "keywire-local"
    client_id: str | None = None
    object_id: str | None = None
