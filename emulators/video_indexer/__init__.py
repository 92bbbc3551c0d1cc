"""An emulator of Azure AI Video Indexer: the parts of its API that a client of indexing results uses.

It is a real HTTP application, so that any client can be pointed at it. What it leaves out on purpose is
said in the module that would have held it; the largest omission is recognition itself: the "media" that
it is given *is* the insights file that indexing is to find (see `insights`).
"""

from emulators.video_indexer.app import create_app
from emulators.video_indexer.config import EmulatorConfig

__all__ = ["EmulatorConfig", "create_app"]
