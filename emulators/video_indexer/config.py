"""What an emulator is told at its start: the one account that it plays, and how it behaves.

Separate from the running state, because some of these are only initial values: the control plane changes
limits and indexing time while the emulator runs, and never changes this object.
"""

import uuid
from dataclasses import dataclass

_ARM_AUDIENCES = (
    "https://management.azure.com",
    "https://management.azure.com/",
    "https://management.core.windows.net",
    "https://management.core.windows.net/",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatorConfig:
    """One Video Indexer account.

    `client_id` and `object_id` name the identity that is authorized on the account; None lets any
    identity in. `seed` decides the sequence of video ids, so that a run can be repeated. None as a limit
    switches it off.
    """

    account_id: str
    account_name: str
    subscription_id: str
    resource_group: str
    location: str
    indexing_seconds: float = 1.0
    requests_per_second: int | None = 10
    requests_per_minute: int | None = 120
    arm_audience: tuple[str, ...] = _ARM_AUDIENCES
    token_lifetime_seconds: int = 3600
    client_id: str | None = None
    object_id: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse an account id that the real service could not have issued."""
        uuid.UUID(self.account_id)

    @property
    def resource_id(self) -> str:
        """The account's Azure resource id."""
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.VideoIndexer/accounts/{self.account_name}"
        )
