"""Video Indexer's API, as far as Keywire uses it: tokens, Get Video Index, and what can go wrong."""

from keywire.video_indexer.client import VideoIndexerClient
from keywire.video_indexer.errors import (
    GoneError,
    MisconfiguredError,
    NotReadyError,
    ThrottledError,
    TransientError,
    UnusableError,
    VideoIndexerError,
)
from keywire.video_indexer.tokens import AccessTokens

__all__ = [
    "AccessTokens",
    "GoneError",
    "MisconfiguredError",
    "NotReadyError",
    "ThrottledError",
    "TransientError",
    "UnusableError",
    "VideoIndexerClient",
    "VideoIndexerError",
]
