"""The archive without a database: each rule spelled out over all videos in memory.

Leaves out suggestions, trends, timeouts and concurrency. Slow, and meant to be obviously right.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from keywire.archive.archive import Filters, Order, PutResult
from keywire.archive.moments import ArchivedVideo, Occurrence
from keywire.archive.query import Query, Term, spells
from keywire.interests.matching.words import STEM, Word, forms, primary, words_of

UNKNOWN_CONFIDENCE = 5000


@dataclass
class ReferenceArchive:
    """Videos by id."""

    videos: dict[int, ArchivedVideo] = field(default_factory=dict)

    def put(self, video: ArchivedVideo) -> PutResult:
        stored = self.videos.get(video.video)
        if stored is not None and _age(stored) >= _age(video):
            return PutResult.UNCHANGED if stored.version == video.version else PutResult.SUPERSEDED
        self.videos[video.video] = video
        return PutResult.STORED

    def search(
        self, query: Query | None, filters: Filters, order: Order = Order.RELEVANCE
    ) -> list[tuple[str, int]]:
        """Return every video that is found, in order, with its weight."""
        rows = []
        for video in self.videos.values():
            if video.removed or not _video_counts(video, filters, of_query=query is not None):
                continue
            weight = 0 if query is None else _weight(video, query, filters)
            if weight is not None:
                newest = query is None or order == Order.NEWEST
                key = video.created.timestamp() if newest else weight
                rows.append((-key, video.video, video.video_id, weight))
        return [(video_id, weight) for _, _, video_id, weight in sorted(rows)]


def meets(occurrence: Occurrence, term: Term) -> bool:
    """Return whether a keyword meets a term."""
    language = primary(occurrence.language or None)
    words = words_of(occurrence.text)
    return any(
        all(
            _same(word, wanted, language, prefix=term.prefix and number == len(term.words) - 1)
            for number, (word, wanted) in enumerate(zip(words[start:], term.words, strict=False))
        )
        for start in range(len(words) - len(term.words) + 1)
    ) and (not term.exact or spells(occurrence.text, term.text))


def _same(word: Word, wanted: Word, language: str | None, *, prefix: bool) -> bool:
    hangul = any("\uac00" <= character <= "\ud7a3" for character in wanted.folded)
    if prefix or hangul:
        literal = {key for key in forms(word, language) if not key.startswith(STEM)}
        return any(key.startswith(wanted.folded) for key in literal)
    return not forms(word, language).isdisjoint(forms(wanted, language))


def _weight(video: ArchivedVideo, query: Query, filters: Filters) -> int | None:
    """Return the sum over the distinct keywords that meet each term best; None if no group is met."""
    evidence: dict[int, int] = {}
    found = False
    for group in query.groups:
        best = [
            max(hits, key=lambda each: (each.weight, each.keyword & 0xFFFFFFFFF), default=None)
            for term in group
            if not term.negated
            for hits in [
                [each for each in video.occurrences if meets(each, term) and _counts(each, video, filters)]
            ]
        ]
        excluded = any(meets(each, term) for term in group if term.negated for each in video.occurrences)
        if all(best) and not excluded:
            found = True
            evidence |= {each.keyword: each.weight for each in best if each}
    return sum(evidence.values()) if found else None


def _counts(occurrence: Occurrence, video: ArchivedVideo, filters: Filters) -> bool:
    confidence = UNKNOWN_CONFIDENCE if occurrence.confidence is None else occurrence.confidence
    return (
        _is_within(occurrence.language, filters.languages)
        and (filters.created_from is None or video.created >= filters.created_from)
        and (filters.created_to is None or video.created < filters.created_to)
        and (filters.min_confidence is None or confidence >= round(filters.min_confidence * 10_000))
        and (filters.min_seconds is None or occurrence.milliseconds >= round(filters.min_seconds * 1000))
    )


def _is_within(language: str, wanted: Sequence[str]) -> bool:
    lowered = language.lower()
    return (
        not wanted
        or not language
        or any(lowered == tag.lower() or lowered.startswith(f"{tag.lower()}-") for tag in wanted)
    )


def _video_counts(video: ArchivedVideo, filters: Filters, *, of_query: bool) -> bool:
    return (
        filters.account_id in {None, video.account_id}
        and filters.external_id in {None, video.external_id}
        and (not filters.states or video.state in filters.states)
        and (not filters.metadata or filters.metadata.items() <= video.metadata.items())
        and (
            of_query
            or (
                (filters.created_from is None or video.created >= filters.created_from)
                and (filters.created_to is None or video.created < filters.created_to)
                and _is_within(video.language or "", filters.languages)
            )
        )
    )


def _age(video: ArchivedVideo) -> tuple[object, ...]:
    return (video.version, video.extracted_at, video.content_hash)
