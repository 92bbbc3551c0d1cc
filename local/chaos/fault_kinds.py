"""The kinds of faults, as they are counted, and what the emulators are told to make them happen.

Separate from the plan, which says when and to whom.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final


class Kind(StrEnum):
    """What goes wrong."""

    CALLBACK_LOST = "callback_lost"
    CALLBACK_DOUBLED = "callback_doubled"
    CALLBACK_DELAYED = "callback_delayed"
    CALLBACK_WRONG_KEY = "callback_wrong_key"
    CALLBACK_WRONG_SIGNATURE = "callback_wrong_signature"
    CALLBACK_INVALID_ID = "callback_invalid_id"
    CALLBACK_UNKNOWN_ID = "callback_unknown_id"
    CALLBACK_PERSON = "callback_person"
    THROTTLED_429 = "throttled_429"
    ERROR_500 = "error_500"
    ERROR_503 = "error_503"
    ERROR_504 = "error_504"
    HANG = "hang"
    ANSWER_LATE = "answer_late"
    RESET = "reset"
    BODY_CUT = "body_cut"
    BODY_GARBLED = "body_garbled"
    BODY_NOT_JSON = "body_not_json"
    INDEXING_IN_PROGRESS = "indexing_in_progress"
    TOKEN_EXPIRED = "token_expired"  # noqa: S105 - no secret
    KILL_EXTRACTION = "kill_extraction"
    KILL_HTTP = "kill_http"
    KILL_OTHER = "kill_other"
    STORAGE_STOPPED = "storage_stopped"
    TOPIC_FAILING = "topic_failing"
    INTERESTS_BROKEN = "interests_broken"
    JOB_UNREADABLE = "job_unreadable"


# Of one video's callback.
CALLBACKS: Final[Mapping[Kind, str]] = {
    Kind.CALLBACK_LOST: "drop",
    Kind.CALLBACK_DOUBLED: "double",
    Kind.CALLBACK_DELAYED: "delay",
}
# Of one question to Video Indexer.
ANSWERS: Final[Mapping[Kind, Mapping[str, Any]]] = {
    Kind.THROTTLED_429: {"kind": "status", "status": 429, "retryAfter": 1},
    Kind.ERROR_500: {"kind": "status", "status": 500},
    Kind.ERROR_503: {"kind": "status", "status": 503},
    Kind.ERROR_504: {"kind": "status", "status": 504},
    Kind.HANG: {"kind": "hang"},
    Kind.ANSWER_LATE: {"kind": "late"},
    Kind.RESET: {"kind": "reset"},
    Kind.BODY_CUT: {"kind": "truncate"},
    Kind.BODY_GARBLED: {"kind": "garble"},
    Kind.BODY_NOT_JSON: {"kind": "not-json"},
    Kind.INDEXING_IN_PROGRESS: {"kind": "in-progress"},
}
# Callbacks of somebody else, or of another kind than Keywire cares for.
FORGERIES: Final = (
    Kind.CALLBACK_WRONG_KEY,
    Kind.CALLBACK_WRONG_SIGNATURE,
    Kind.CALLBACK_INVALID_ID,
    Kind.CALLBACK_UNKNOWN_ID,
    Kind.CALLBACK_PERSON,
)


def of_fault(fault: Mapping[str, Any]) -> Kind | None:
    """The kind of a fault as Video Indexer's emulator tells of it; None for one that is not planned."""
    for kinds in (CALLBACKS.items(), ((kind, told["kind"]) for kind, told in ANSWERS.items())):
        for kind, name in kinds:
            wanted = ANSWERS.get(kind, {}).get("status")
            if fault["kind"] == name and wanted in {None, fault["status"]}:
                return kind
    return None
