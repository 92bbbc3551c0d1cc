"""What a demo shows while it runs: a live table in a terminal, plain lines elsewhere; and its results."""

import json
from collections.abc import Sequence
from typing import Any, Protocol, Self

import msgspec
from rich.console import Console
from rich.live import Live
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from keywire.events.data import MatchedData, MatchedTerm
from local.demo.progress import VideoProgress

SHOWN_KEYWORDS = 2
SHOWN_RANGES = 4


class _Matched(msgspec.Struct):
    data: MatchedData


class View(Protocol):
    """Shows progress while it is entered."""

    def update(self, videos: Sequence[VideoProgress]) -> None:
        """Show how far each video is."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...


def view_for(console: Console) -> View:
    """The view that suits where the output goes."""
    return LiveTable(console) if console.is_terminal else PlainLines(console)


def steps(video: VideoProgress) -> dict[str, str]:
    """The steps of a video's way and what is to be said of each; "" for what has not happened."""
    count = f" {video.version}" if video.version > 1 else ""
    return {
        "uploaded": video.video_id,
        "indexed": ("again" if video.requests > 1 else "yes")
        if video.indexings >= video.requests > 0
        else "",
        "called back": "yes" if video.callbacks >= video.requests > 0 else "",
        "document": f"version{count or ' 1'}" if video.written else "",
        "events": f"{len(video.events)} sent" if video.sent else "",
        "interests": _matches(video) if video.sent else "",
    }


def _matches(video: VideoProgress) -> str:
    withdrawn = f", {video.withdrawals} withdrawn" if video.withdrawals else ""
    return f"{len(video.matches)} matched{withdrawn}"


class LiveTable:
    """A table that changes in place."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, refresh_per_second=8, transient=False)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.__exit__(None, None, None)

    def update(self, videos: Sequence[VideoProgress]) -> None:
        """See `View`."""
        table = Table(title="From Video Indexer's callback to documents and events", title_justify="left")
        table.add_column("video", max_width=34, overflow="ellipsis", no_wrap=True)
        names = list(steps(videos[0])) if videos else []
        for name in names:
            table.add_column(name, no_wrap=True)
        for video in videos:
            cells = [Text(said or "…", style="green" if said else "dim") for said in steps(video).values()]
            table.add_row(Text(video.source.label), *cells)
        self._live.update(table)


class PlainLines:
    """A line for each step when it is first seen."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._said: set[tuple[int, str, str]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def update(self, videos: Sequence[VideoProgress]) -> None:
        """See `View`."""
        for number, video in enumerate(videos):
            for step, said in steps(video).items():
                if said and (number, step, said) not in self._said:
                    self._said.add((number, step, said))
                    self._console.print(
                        f"{video.source.label}: {step} ({said})",
                        markup=False,
                        highlight=False,
                        soft_wrap=True,
                    )


def show_matches(console: Console, videos: Sequence[VideoProgress]) -> None:
    """Which interests each video concerns, why, and where in the video."""
    if not any(video.matches for video in videos):
        console.print("\nno interest matches any of the videos")
        return
    console.print("\ninterests that match, why and where:", highlight=False)
    for video in videos:
        for event in video.matches:
            data = msgspec.json.decode(event, type=_Matched).data
            console.print(
                f"\n{video.source.label}, version {data.version}: {data.interest.name} "
                f"({data.interest.id}), score {data.score:.2f}",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
            for term in data.terms:
                console.print(f"  {explained(term)}", markup=False, highlight=False, soft_wrap=True)


def explained(term: MatchedTerm) -> str:
    """A reason in one line: the term, the keyword that it met, how sure that is, and when."""
    sure = "confidence unknown" if term.confidence is None else f"confidence {term.confidence:.2f}"
    times = [
        " to ".join(dict.fromkeys((clock(start), clock(end)))) for start, end in term.ranges[:SHOWN_RANGES]
    ]
    more = [f"{len(term.ranges) - SHOWN_RANGES} more"] if len(term.ranges) > SHOWN_RANGES else []
    when = f" at {', '.join(times + more)}" if times else ""
    return f"{term.term!r} met {term.text!r} ({sure}){when}"


def clock(seconds: float) -> str:
    """A time in a video as players show it."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def show_document_and_event(console: Console, document: bytes, event: bytes) -> None:
    """One document and one event, readable: of long keyword lists the first."""
    for title, body in (("a keyword document", document), ("its event, as it lies on the queue", event)):
        shown = json.dumps(shorten(json.loads(body)), ensure_ascii=False, indent=2)
        if console.is_terminal:
            console.print(Panel(Syntax(shown, "json", word_wrap=True), title=title, title_align="left"))
        else:
            console.print(f"\n{title}:\n{shown}", markup=False, highlight=False, soft_wrap=True)


def shorten(value: Any) -> Any:
    """The same JSON value with long keyword lists cut, saying by how much."""
    if isinstance(value, dict):
        return {name: shorten(inner) for name, inner in value.items()}
    if isinstance(value, list) and len(value) > SHOWN_KEYWORDS and isinstance(value[0], dict):
        return [
            *(shorten(inner) for inner in value[:SHOWN_KEYWORDS]),
            f"… and {len(value) - SHOWN_KEYWORDS} more",
        ]
    return [shorten(inner) for inner in value] if isinstance(value, list) else value
