"""How requests to storage are told apart by what they are billed as."""

import pytest

from bench.footprint import _kinds

LINE = '127.0.0.1 - - [23/Nov/2026:07:05:20 +0000] "{} HTTP/1.1" 200 -\n'


@pytest.mark.parametrize(
    ("request_line", "kind"),
    [
        ("PUT /devstoreaccount1/keywords/a/v.json", "write"),
        ("PUT /devstoreaccount1/control/reconciliation-listed.txt?comp=appendblock", "write"),
        ("GET /devstoreaccount1/control/quota.json", "read"),
        ("GET /devstoreaccount1/keywords?restype=container&comp=list&prefix=a", "list"),
        ("PUT /devstoreaccount1/keywords/a/v.json?comp=metadata", "other"),
        ("PUT /devstoreaccount1/control/reconciliation.lock?comp=lease", "other"),
        ("HEAD /devstoreaccount1/config/interests.json", "other"),
        ("POST /devstoreaccount1/extraction/messages?visibilitytimeout=0&messagettl=-1", "queue"),
        ("DELETE /devstoreaccount1/extraction/messages/1?popreceipt=x", "queue"),
        ("GET /devstoreaccount1/extraction-poison?comp=metadata", "queue"),
        ("GET /devstoreaccount1/extraction/messages?numofmessages=32&peekonly=true", "queue"),
    ],
)
def test_a_request_is_counted_as_what_it_costs(request_line: str, kind: str) -> None:
    assert list(_kinds(LINE.format(request_line))) == [kind]


@pytest.mark.parametrize(
    "request_line",
    [
        "DELETE /devstoreaccount1/keywords-history/a/v/000001-x.json",
        "GET /devstoreaccount1/extraction/messages?numofmessages=16&visibilitytimeout=600",
    ],
)
def test_deleting_a_blob_is_free_and_a_poll_is_the_platforms(request_line: str) -> None:
    assert list(_kinds(LINE.format(request_line))) == []
