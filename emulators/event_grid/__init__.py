"""An emulator of an Event Grid custom topic with the CloudEvents 1.0 input schema and no keys.

It is a real HTTP application, so that the SDK's own client publishes to it, and its subscribers are
webhooks as they are in reality. What it leaves out on purpose: advanced filters, batched delivery, the
randomness of retries and the delays that the service puts before dead letters and unhealthy endpoints.
"""

from emulators.event_grid.app import create_app
from emulators.event_grid.config import TopicConfig

__all__ = ["TopicConfig", "create_app"]
