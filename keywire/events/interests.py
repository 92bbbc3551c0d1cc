"""Events about interests: matched, withdrawn, and which matches are in force. Pure."""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from keywire.documents.document import KeywordDocument
from keywire.events.data import (
    FormerMatch,
    InterestReference,
    MatchedData,
    MatchedTerm,
    Pointer,
    WithdrawnData,
)
from keywire.events.limits import MAX_PROSE, DataBuilder, is_video_cut, video_fields, within
from keywire.interests.matching.matcher import Match, TermMatch

MATCHED: Final = "keywire.interest.matched.v1"
WITHDRAWN: Final = "keywire.interest.withdrawn.v1"
MAX_RANGES: Final = 50


class ActiveMatch(msgspec.Struct, frozen=True, kw_only=True):
    """A match that was told and not withdrawn."""

    interest: InterestReference
    former: FormerMatch


class _Told(msgspec.Struct):
    """What is read again of an event about an interest."""

    id: str
    type: str
    data: msgspec.Raw


def matched(document: KeywordDocument, match: Match, pointer: Pointer) -> tuple[int, DataBuilder]:
    """Of a match: how many reasons there are, and what tells them."""
    terms = tuple(_term(term) for term in match.terms)
    cut = is_video_cut(document) or any(_is_cut(term) for term in match.terms)
    interest = match.interest
    reference = InterestReference(
        id=interest.id, name=interest.name, hash=match.interest_hash, attributes=interest.attributes
    )

    def data(count: int) -> MatchedData:
        return MatchedData(
            **video_fields(document, pointer),
            interest=reference,
            score=match.score,
            terms=terms[:count],
            truncated=cut or count < len(terms),
        )

    return len(terms), data


def withdrawn(document: KeywordDocument, match: ActiveMatch, pointer: Pointer) -> tuple[int, DataBuilder]:
    """Of a match that holds no longer: how many reasons it had, and what tells them."""
    terms = match.former.terms
    cut = is_video_cut(document)

    def data(count: int) -> WithdrawnData:
        return WithdrawnData(
            **video_fields(document, pointer),
            interest=match.interest,
            former=msgspec.structs.replace(match.former, terms=terms[:count]),
            truncated=cut or count < len(terms),
        )

    return len(terms), data


def active_matches(events: Iterable[bytes]) -> dict[str, ActiveMatch]:
    """Return the matches that hold after `events`, in their order, by interest id."""
    found: dict[str, ActiveMatch] = {}
    for event in events:
        told = msgspec.json.decode(event, type=_Told)
        if told.type == MATCHED:
            match = _active(told)
            found[match.interest.id] = match
        elif told.type == WITHDRAWN:
            found.pop(msgspec.json.decode(told.data, type=WithdrawnData).interest.id, None)
    return found


def ever_matched(events: Iterable[bytes]) -> dict[str, ActiveMatch]:
    """Return the last match of every interest that `events` ever matched, withdrawn or not, by interest id."""
    told = (msgspec.json.decode(event, type=_Told) for event in events)
    matches = (_active(event) for event in told if event.type == MATCHED)
    return {match.interest.id: match for match in matches}


def _active(event: _Told) -> ActiveMatch:
    data = msgspec.json.decode(event.data, type=MatchedData)
    former = FormerMatch(event_id=event.id, version=data.version, score=data.score, terms=data.terms)
    return ActiveMatch(interest=data.interest, former=former)


def is_same(match: Match, before: ActiveMatch | None) -> bool:
    """Whether a match is what was told of it before."""
    return (
        before is not None
        and before.interest.hash == match.interest_hash
        and before.former.score == match.score
    )


def ended_matches(matches: Iterable[Match], before: Mapping[str, ActiveMatch]) -> dict[str, ActiveMatch]:
    """Return those of the matches `before` that are not among `matches`, sorted by interest id."""
    still = {match.interest.id for match in matches}
    return {interest_id: before[interest_id] for interest_id in sorted(before.keys() - still)}


def _term(match: TermMatch) -> MatchedTerm:
    return MatchedTerm(
        term=match.term[:MAX_PROSE],
        text=match.text[:MAX_PROSE],
        confidence=match.confidence,
        language=within(match.language, MAX_PROSE),
        ranges=match.ranges[:MAX_RANGES],
        total_seconds=match.total_seconds,
        video_id=match.video_id,
    )


def _is_cut(match: TermMatch) -> bool:
    return len(match.text) > MAX_PROSE or len(match.ranges) > MAX_RANGES
