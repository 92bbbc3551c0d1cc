"""Check an interests file, or try it on a document, before you upload it."""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from rich.console import Console

from keywire.documents import document as documents
from keywire.documents.content import read_content
from keywire.documents.document import KeywordDocument
from keywire.interests.interest import InvalidInterestsError
from keywire.interests.matching import matcher as matching
from keywire.interests.matching.rules import Match, TermMatch
from keywire.video_indexer import index
from keywire.video_indexer.errors import VideoIndexerError


class _UnreadableError(Exception):
    """A file can't be read; the message has its path and the reason."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Check or try an interests file; return 1 if a file is wrong."""
    parsed = parser().parse_args(arguments)
    console = Console(markup=False, highlight=False, soft_wrap=True)
    try:
        matcher = matching.compile(_read(parsed.file))
        if parsed.command == "check":
            console.print(f"{len(matcher)} interests, {matcher.terms} terms: valid")
        else:
            _show(console, matcher.match(_document(parsed.document)))
    except InvalidInterestsError as error:
        for problem in error.problems:
            console.print(f"{problem.path or parsed.file}: {problem.reason}")
        if error.omitted:
            console.print(f"and {error.omitted} more")
    except _UnreadableError as error:
        print(f"interests: {error}", file=sys.stderr)
    else:
        return 0
    return 1


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    found = argparse.ArgumentParser(prog="dev.py interests", description=__doc__)
    commands = found.add_subparsers(dest="command", required=True, metavar="check|try")
    check = commands.add_parser("check", help="list everything that is wrong with a file")
    attempt = commands.add_parser("try", help="show which interests match a document, and why")
    for command in (check, attempt):
        command.add_argument("file", metavar="FILE", type=Path, help="the interests file")
    attempt.add_argument(
        "--document",
        metavar="DOC",
        type=Path,
        required=True,
        help="a keyword document from `dev.py demo --output DIR`, or an index from Video Indexer",
    )
    return found


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise _UnreadableError(f"{file}: {error.strerror or type(error).__name__}") from None


def _document(file: Path) -> KeywordDocument:
    """Return the document in a file; an index is turned into one.

    Raises:
        _UnreadableError: The file is neither a document nor an index.
    """
    body = _read(file)
    try:
        return documents.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    try:
        found = index.parse(body)
    except VideoIndexerError as error:
        raise _UnreadableError(f"{file}: it is not a keyword document, and {error}") from None
    return documents.build(
        read_content(found),
        account_id="",
        video_id=found.id or "",
        previous=None,
        failure_message=None,
        extracted_at=datetime.now(UTC),
    )


def _show(console: Console, matches: Sequence[Match]) -> None:
    if not matches:
        console.print("nothing matches")
    for match in matches:
        console.print(f"{match.interest.name} ({match.interest.id}): score {match.score:.2f}", style="bold")
        for term in match.terms:
            console.print(f"  {term.term!r} met {term.text!r}: {_evidence(term)}")


def _evidence(term: TermMatch) -> str:
    confidence = "no confidence" if term.confidence is None else f"confidence {term.confidence:.2f}"
    times = ", ".join(f"{_clock(start)}-{_clock(end)}" for start, end in term.ranges) or "no times"
    video = f" of {term.video_id}" if term.video_id else ""
    return f"{confidence}, {term.language or 'no language'}, {times}{video}"


def _clock(seconds: float) -> str:
    """Return seconds as `m:ss`, as players show them."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02}"


if __name__ == "__main__":
    sys.exit(main())
