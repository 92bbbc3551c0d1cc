"""Random queries, filters and texts: a result or an error that says why, never an error of the database."""

import os
import random

from keywire.archive.archive import Filters, Order
from keywire.archive.cursor import InvalidCursorError
from keywire.archive.moments import archived
from keywire.archive.query import QuerySyntaxError, parse
from tests.support.archive_texts import documents, filters_of
from tests.support.archives import OwnArchive

NIGHTLY = os.environ.get("KEYWIRE_FUZZ") == "nightly"
TRIES = 10_000 if NIGHTLY else 500
PIECES = [
    *("film", "wind", "a", "US", "人工", "한국", "é", "e\u0301", "ﷺ", "\ud83d", "💡", "C++", "&", "|", "!"),
    *(":*", "<->", "(", ")", "'", "''", "\\", "\\'", '"', '="', "%", "%s", "%(x)s", "$1", "{}", "{", "}"),
    *("\0", "\u200b", "\u3000", "\n", " ", " ", " ", "-", "*", "=", " OR ", "\u201c", "\u201d", "~en~", "~"),
    *("'; drop schema archive cascade; --", "null", "1e999", "::tsquery", "w" * 400, "界" * 40),
]


def text_of(random_: random.Random) -> str:
    return "".join(random_.choices(PIECES, k=random_.randrange(1, 9)))


async def test_no_text_reaches_the_database_as_sql(own: OwnArchive) -> None:
    random_ = random.Random(None if NIGHTLY else 5)
    await own.archive.put_many([archived(each) for each in documents(random_, 50)])
    videos = await own.rows("select count(*) from archive.video")
    searched = 0
    for _ in range(TRIES):
        text = text_of(random_)
        filters = Filters(
            languages=(text_of(random_),) if random_.random() < 0.2 else (),
            account_id=text_of(random_) if random_.random() < 0.1 else None,
            external_id=text_of(random_) if random_.random() < 0.1 else None,
            metadata={text_of(random_): text_of(random_)} if random_.random() < 0.1 else None,
            states=(text_of(random_),) if random_.random() < 0.1 else (),
        )
        try:
            query = parse(text)
            await own.archive.search(query, filters, order=random_.choice(list(Order)), limit=5)
            searched += 1
            await own.archive.search(query, filters_of(random_), cursor=text_of(random_))
        except (QuerySyntaxError, InvalidCursorError):
            pass
        await own.archive.suggest(text)
        await own.archive.keyword(text)
        await own.archive.moments(text, text)
    assert searched > TRIES / 10
    assert await own.rows("select count(*) from archive.video") == videos
