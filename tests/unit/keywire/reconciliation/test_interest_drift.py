"""Interest drift: which documents have to be matched again."""

from datetime import UTC, datetime, timedelta

import pytest

from keywire.reconciliation.comparison import DocumentStatus
from keywire.reconciliation.interest_drift import MARGIN, behind

EDITED = datetime(2026, 3, 2, 9, tzinfo=UTC)


def status(stamp: str | None, after: timedelta = timedelta(), state: str = "Processed") -> DocumentStatus:
    matched_at = (EDITED + after).timestamp() if stamp else None
    return DocumentStatus(
        published=True, as_of=0, written=0.0, state=state, stamp=stamp, matched_at=matched_at
    )


@pytest.mark.parametrize(
    ("found", "full", "expected"),
    [
        (status("new"), None, False),
        (status("old", timedelta(seconds=15)), None, True),
        (status("old", -MARGIN + timedelta(seconds=1)), None, True),
        # An edit alone rematches nothing: the operator orders that.
        (status("old", -MARGIN), None, False),
        (status("old", -MARGIN), "old", False),
        (status("old", -MARGIN), "new", True),
        (status("older", -MARGIN), "old", True),
        (status("new"), "old", False),
        (status(None), None, False),
        (status(None), "new", True),
        (status("old", timedelta(seconds=15), state="Removed"), "new", False),
    ],
)
def test_a_document_is_behind_if_the_new_file_should_have_reached_it(
    found: DocumentStatus, full: str | None, *, expected: bool
) -> None:
    assert behind({"a": found}, stamp="new", modified_at=EDITED, full_rematch=full) == (
        ["a"] if expected else []
    )
