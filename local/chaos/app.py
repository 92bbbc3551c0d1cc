"""The function app as a run has it: the same, for an account with more quota.

Video Indexer's limits are constants of Keywire. A run of hundreds of videos would take most of its time
waiting for them, so here both sides have a multiple: the emulator by its settings, Keywire's gate by this
module. The folder that the host is given has a `function_app.py` that imports it.
"""

import importlib.util
import os
from pathlib import Path
from typing import Final

from keywire.video_indexer import quota_ledger

LIMITS: Final = int(os.environ["KEYWIRE_CHAOS_LIMITS"])
_APP: Final = Path(__file__).resolve().parents[2] / "function_app.py"

quota_ledger.__dict__.update(
    REQUESTS_PER_SECOND=quota_ledger.REQUESTS_PER_SECOND * LIMITS,
    REQUESTS_PER_MINUTE=quota_ledger.REQUESTS_PER_MINUTE * LIMITS,
)

_spec = importlib.util.spec_from_file_location("keywire_function_app", _APP)
assert _spec is not None
assert _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
app: Final = _module.app
