"""Why a host can't start: each message says what to change, and the process ends with exit code 1."""


class HostStartError(Exception):
    """The host can't start."""


class AppNotIndexedError(HostStartError):
    """The worker refused the app; the message is the worker's own."""


class InvalidHostJsonError(HostStartError):
    """`host.json` has a value that the real host refuses."""


class MissingSettingError(HostStartError):
    """A binding names an app setting that isn't there."""


class UnsupportedBindingError(HostStartError):
    """A function of this process has a binding that only the real host knows."""
