"""Interests: what customers care about, as data that people edit who do not deploy.

Pure. The types are the file's description, limits included: what they refuse is explained by
`keywire.interests.problems`, all of it at once, for whoever edits a file wants to hear of everything.
"""

import hashlib
from collections.abc import Iterable
from typing import Annotated, Any, Final, NamedTuple

import msgspec

MAX_FILE_BYTES: Final = 256 * 1024 * 1024
MAX_INTERESTS: Final = 2_000_000
MAX_NAME_LENGTH: Final = 200
MAX_TERMS: Final = 100  # in each of an interest's lists
MAX_TERM_LENGTH: Final = 200
MAX_WORDS: Final = 32  # of a term; in a script written without spaces a character is one
MAX_LANGUAGES: Final = 32
MAX_ATTRIBUTES_BYTES: Final = 4096
# So many problems are listed, the others counted.
MAX_PROBLEMS: Final = 100

# `$` alone lets Python pass a line break at the end; these mean the same to every reader of a JSON Schema.
ID_PATTERN: Final = r"^[A-Za-z0-9._-]{1,64}$(?!\n)"
# A tag of BCP 47 without extensions: language, script, region.
LANGUAGE_PATTERN: Final = r"^[A-Za-z]{2,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?$(?!\n)"

type Id = Annotated[str, msgspec.Meta(pattern=ID_PATTERN)]
type Name = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME_LENGTH)]
type Term = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TERM_LENGTH)]
type Terms = Annotated[tuple[Term, ...], msgspec.Meta(max_length=MAX_TERMS)]
type Language = Annotated[str, msgspec.Meta(pattern=LANGUAGE_PATTERN)]
type Languages = Annotated[tuple[Language, ...], msgspec.Meta(max_length=MAX_LANGUAGES)]
type Fraction = Annotated[float, msgspec.Meta(ge=0, le=1)]
type Seconds = Annotated[float, msgspec.Meta(ge=0)]
type Weight = Annotated[float, msgspec.Meta(gt=0, le=1)]


class Interest(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True
):
    """What some customers care about.

    Attributes:
        id: Names it in events; letters, digits and `._-`, at most 64.
        name: For people.
        any_of: Terms of which a video's keywords must meet at least one.
        all_of: Terms that must all be met.
        none_of: Terms of which none may be met, whatever the keyword's language or confidence.
        languages: Only keywords of these languages count (`en` for all of its regions); of every language
            where there are none.
        min_confidence: Only keywords of at least this confidence count.
        min_seconds: The keywords that meet its terms must be on for at least this long altogether.
        weight: What its score is multiplied by.
        attributes: Handed through to events.
    """

    id: Id
    name: Name
    any_of: Terms = ()
    all_of: Terms = ()
    none_of: Terms = ()
    languages: Languages = ()
    min_confidence: Fraction = 0.0
    min_seconds: Seconds = 0.0
    weight: Weight = 1.0
    attributes: dict[str, Any] = {}


class InterestsFile(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The file: its interests, and where its schema is, for editors."""

    schema: str | msgspec.UnsetType = msgspec.field(default=msgspec.UNSET, name="$schema")
    interests: Annotated[tuple[Interest, ...], msgspec.Meta(max_length=MAX_INTERESTS)]


class Problem(NamedTuple):
    """What is wrong, and where: a path such as `interests[3].anyOf[1]`, empty for the whole file."""

    path: str
    reason: str


class InvalidInterestsError(ValueError):
    """The file can't be used.

    Attributes:
        problems: What is wrong, in the file's order; at most `MAX_PROBLEMS`.
        omitted: How many more there are.
    """

    def __init__(self, problems: Iterable[Problem], omitted: int = 0) -> None:
        self.problems = tuple(problems)
        self.omitted = omitted
        count = len(self.problems) + omitted
        path, reason = self.problems[0]
        others = f", and {count - 1} more" if count > 1 else ""
        super().__init__(f"{path or 'the file'}: {reason}{others}")


_CANONICAL: Final = msgspec.json.Encoder(order="deterministic")
_DEFAULTS: Final = Interest(id="", name="")


def hash_of(interest: Interest) -> str:
    """SHA-256 (hex) over the canonical JSON of `interest`: keys sorted, what is the default left out."""
    said = {
        name: value
        for name, value in msgspec.structs.asdict(interest).items()
        if value != getattr(_DEFAULTS, name)
    }
    return hashlib.sha256(_CANONICAL.encode(said)).hexdigest()
