"""Reading the interests file: a million entries are checked in seconds, and kept as the JSON that they are.

Pure. An entry is decoded when it is checked and again when it matches; in between it costs its JSON and
some twenty bytes.
"""

import re
from array import array
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from keywire.interests.interest import (
    MAX_ATTRIBUTES_BYTES,
    MAX_FILE_BYTES,
    MAX_INTERESTS,
    MAX_PROBLEMS,
    MAX_WORDS,
    Interest,
    InterestsFile,
    InvalidInterestsError,
    Problem,
)
from keywire.interests.matching.compact import NONE, HashTable
from keywire.interests.matching.words import folded_words
from keywire.interests.problems import id_of, problems_of, reason_of

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_FIELDS: Final = frozenset(InterestsFile.__struct_encode_fields__)
_BEFORE_ENTRY: Final = re.compile(rb"[\s,\[]*")
# A number can take four times the bytes when it is written anew (1e15), so a shorter entry needs no look.
_SURELY_SMALL: Final = MAX_ATTRIBUTES_BYTES // 4

_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])
_ANY_TEXT: Final = msgspec.Raw(b'""')
_INTEREST: Final = msgspec.json.Decoder(Interest)


class Entry(NamedTuple):
    """A valid entry while it is read, with the folded words of its terms."""

    number: int
    interest: Interest
    any_of: list[list[str]]
    all_of: list[list[str]]


class InterestList:
    """The interests of a file, by number and by id; filled by `read`."""

    def __init__(self) -> None:
        self._content = memoryview(b"")
        self._starts = array("I")
        self._ends = array("I")
        self._ids = HashTable()
        self._numbers = array("I")  # of the interests that the ids name

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, number: int) -> Interest:
        return _INTEREST.decode(self._content[self._starts[number] : self._ends[number]])

    def find(self, interest_id: str) -> Interest | None:
        """The interest of this id."""
        slot = self._ids.find(hash(interest_id))
        found = self[self._numbers[slot]] if slot >= 0 else None
        return found if found is not None and found.id == interest_id else None

    def read(self, body: bytes) -> Iterator[Entry]:
        """Check a file, and give each valid entry on the way.

        Raises:
            InvalidInterestsError: At the end, with everything that is wrong.
        """
        problems = _Problems()
        interests = _open(body, problems)
        raws = _LIST.decode(interests)
        if len(raws) > MAX_INTERESTS:
            problems.add(Problem("interests", f"has {len(raws)} entries; {MAX_INTERESTS} are allowed"))
        self._content = memoryview(interests)
        position = 0
        for number, raw in enumerate(raws):
            before = _BEFORE_ENTRY.match(self._content, position)
            start = before.end() if before else position
            position = start + len(raw)
            self._starts.append(start)
            self._ends.append(position)
            try:
                interest = _INTEREST.decode(raw)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                interest = None
            problems.add(*self._name(number, interest.id if interest else id_of(raw)))
            entry = _entry(number, interest, len(raw)) if interest else None
            if entry is not None:
                yield entry
            else:
                problems.add(*problems_of(raw, f"interests[{number}]"))
        if problems:
            raise problems.error()

    def _name(self, number: int, interest_id: str | None) -> tuple[Problem, ...]:
        """Note the id of an entry, where it can be read; the problem with it if it is not the first."""
        if interest_id is None:
            return ()
        key = hash(interest_id)
        found = self._ids.find(key)
        if found == NONE:
            self._ids.append(key)
            self._numbers.append(number)
            return ()
        first = self._numbers[found]
        return (Problem(f"interests[{number}].id", f"{interest_id!r} is the id of interests[{first}] too"),)


class _Problems:
    def __init__(self) -> None:
        self._listed: list[Problem] = []
        self._count = 0

    def add(self, *problems: Problem) -> None:
        self._count += len(problems)
        self._listed += problems[: MAX_PROBLEMS - len(self._listed)]

    def __bool__(self) -> bool:
        return bool(self._listed)

    def error(self) -> InvalidInterestsError:
        return InvalidInterestsError(self._listed, self._count - len(self._listed))


def _entry(number: int, interest: Interest, size: int) -> Entry | None:
    """What is read of a valid entry; None where the types let something pass."""
    any_of = list(map(folded_words, interest.any_of))
    all_of = list(map(folded_words, interest.all_of))
    wanted = any_of + all_of
    if not _are_words(wanted):
        return None
    if interest.none_of:
        none_of = list(map(folded_words, interest.none_of))
        if not _are_words(none_of) or any(words in wanted for words in none_of):
            return None
    if size > _SURELY_SMALL and len(msgspec.json.encode(interest.attributes)) > MAX_ATTRIBUTES_BYTES:
        return None
    return Entry(number, interest, any_of, all_of)


def _are_words(terms: list[list[str]]) -> bool:
    return bool(terms) and all(terms) and max(map(len, terms)) <= MAX_WORDS


def _open(body: bytes, problems: _Problems) -> msgspec.Raw:
    """The JSON of the list of interests.

    Raises:
        InvalidInterestsError: There is no such list.
    """
    if len(body) > MAX_FILE_BYTES:
        raise InvalidInterestsError([Problem("", f"has {len(body)} bytes; {MAX_FILE_BYTES} are allowed")])
    skipped = len(_BYTE_ORDER_MARK) if body.startswith(_BYTE_ORDER_MARK) else 0
    try:
        fields = _OBJECT.decode(memoryview(body)[skipped:])
    except msgspec.ValidationError:
        raise InvalidInterestsError([Problem("", "must be an object with a list of interests")]) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInterestsError([Problem("", f"is no JSON: {reason_of(error, body)}")]) from None
    problems.add(*(Problem(name, "is no field of the file") for name in sorted(fields.keys() - _FIELDS)))
    if _first_byte(fields.get("$schema", _ANY_TEXT)) != b'"':
        problems.add(Problem("$schema", "must be a text"))
    if "interests" not in fields:
        problems.add(Problem("interests", "is missing"))
    elif _first_byte(fields["interests"]) != b"[":
        problems.add(Problem("interests", "must be a list"))
    else:
        return fields["interests"]
    raise problems.error()


def _first_byte(raw: msgspec.Raw) -> bytes:
    return bytes(memoryview(raw)[:1])
