"""The names of the operations, as counters and faults use them.

Separate, because it is a contract of its own: whoever sets a fault or reads a counter writes these names,
and a mistyped one is refused.
"""

from typing import Literal

type OperationName = Literal[
    "GetAccount",
    "GenerateAccessToken",
    "GenerateRestrictedViewerAccessToken",
    "UploadVideo",
    "ListVideos",
    "SearchVideos",
    "GetVideoIndex",
    "ReIndexVideo",
    "DeleteVideo",
    "GetVideoIdByExternalId",
]
