"""The videos of a demo: index files, read and checked before anything is started."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from keywire.video_indexer import index
from keywire.video_indexer.errors import VideoIndexerError

SAMPLES: Final = Path(__file__).resolve().parent.parent / "samples"
INTERESTS: Final = "interests.json"
SAMPLE_REINDEX: Final = ("product-launch.json", "product-launch.reindexed.json")


@dataclass(frozen=True, kw_only=True)
class Input:
    """One video: what the first indexing finds, and what a later one finds, if there is one."""

    label: str
    name: str
    body: bytes
    reindexed: bytes | None = None

    @property
    def indexings(self) -> int:
        """How often it is indexed."""
        return 1 if self.reindexed is None else 2


@dataclass(frozen=True)
class Refused:
    """A file that is no index, and why."""

    label: str
    reason: str


def samples() -> list[Input]:
    """The built-in videos."""
    first, second = (str(SAMPLES / name) for name in SAMPLE_REINDEX)
    others = {second, str(SAMPLES / INTERESTS)}
    files = [str(path) for path in sorted(SAMPLES.glob("*.json")) if str(path) not in others]
    inputs, refused = read(files, [(first, second)])
    assert not refused
    return inputs


def read(files: Sequence[str], reindexes: Sequence[tuple[str, str]]) -> tuple[list[Input], list[Refused]]:
    """Read index files; those that are none come back with the reason.

    Args:
        files: Each is a video of its own.
        reindexes: For a video of `files`, named by its path or its file name, the file that a re-index finds.
            A first file that is not among `files` is a further video.
    """
    labels = _labels(files)
    later = {_resolve(first, labels): second for first, second in reindexes}
    labels |= _labels([first for first in later if first not in labels])
    inputs: list[Input] = []
    refused: list[Refused] = []
    for file, label in labels.items():
        body = _read(file, label, refused)
        reindexed = _read(later[file], Path(later[file]).name, refused) if file in later else None
        if body is not None and (file not in later or reindexed is not None):
            name = index.parse(body).name or label
            inputs.append(Input(label=label, name=name, body=body, reindexed=reindexed))
    return inputs, refused


def _labels(files: Sequence[str]) -> dict[str, str]:
    """What each file is called: its name, or its path where names repeat."""
    names = [Path(file).name for file in files]
    return {file: name if names.count(name) == 1 else file for file, name in zip(files, names, strict=True)}


def _resolve(first: str, labels: dict[str, str]) -> str:
    same = [file for file in labels if file == first or Path(file).name == first]
    return same[0] if len(same) == 1 else first


def _read(file: str, label: str, refused: list[Refused]) -> bytes | None:
    try:
        body = Path(file).read_bytes()
        index.parse(body)
    except OSError as error:
        refused.append(Refused(label, error.strerror or type(error).__name__))
    except VideoIndexerError as error:
        refused.append(Refused(label, str(error)))
    else:
        return body
    return None
