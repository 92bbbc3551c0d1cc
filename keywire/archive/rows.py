"""Rows of the database as results. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from keywire.archive.archive import FoundVideo, Moment
from keywire.archive.moments import CONFIDENCE_UNIT, score_of_weight


def found_video(
    row: Mapping[str, Any], moments: Sequence[Mapping[str, Any]], weight: int | None
) -> FoundVideo:
    """Return a video with its moments, the best first, and its score if it was searched."""
    return FoundVideo(
        account_id=row["account_id"],
        video_id=row["video_id"],
        name=row["name"],
        external_id=row["external_id"],
        language=row["language"],
        state=row["state"],
        created=row["created"],
        created_known=row["created_known"],
        duration_seconds=row["seconds"],
        score=None if weight is None else score_of_weight(weight),
        moments=tuple(moment(each, row["sources"]) for each in moments),
        more_moments=moments[0]["moments"] - len(moments) if moments else 0,
    )


def moment(row: Mapping[str, Any], sources: Sequence[str] | None) -> Moment:
    """Return a moment; `sources` are the videos of a project."""
    times = row["ranges"]
    return Moment(
        text=row["text"],
        language=row["language"] or None,
        confidence=None if row["confidence"] is None else row["confidence"] / CONFIDENCE_UNIT,
        score=score_of_weight(row["weight"]),
        total_seconds=row["milliseconds"] / 1000,
        ranges=tuple((start / 1000, end / 1000) for start, end in zip(times[::2], times[1::2], strict=True)),
        terms=tuple(row["terms"]),
        source_videos=tuple(sources[part] for part in row["parts"]) if sources and row["parts"] else None,
    )
