"""A local Azure Functions host around Microsoft's own Python worker runtime.

It plays what stands between Azure and an app: HTTP routing and keys, the queue listener with its locks,
retries and poison queues, timers, and the `/admin` endpoints. What the worker refuses in Azure it refuses
here. Run it with `python -m emulators.functions_host`, or as a whole with `FunctionsHost`.
"""

from emulators.functions_host.functions import groups
from emulators.functions_host.supervisor import FunctionsHost, HostProcess

__all__ = ["FunctionsHost", "HostProcess", "groups"]
