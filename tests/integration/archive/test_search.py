"""Searching, on a real PostgreSQL."""

from keywire.archive.archive import Filters, PutResult, SearchPage
from keywire.archive.moments import archived
from keywire.archive.query import parse
from keywire.documents import document as documents
from keywire.documents.content import read_content
from keywire.video_indexer import index as indexes
from local.demo.inputs import SAMPLES
from tests.support.archives import NOW, OwnArchive, document, sent
from tests.support.builders import ACCOUNT_ID


async def search(own: OwnArchive, query: str, **options: object) -> SearchPage:
    filters = options.pop("filters", Filters())
    return await own.archive.search(parse(query), filters, **options)  # type: ignore[arg-type]


async def found(own: OwnArchive, query: str, **options: object) -> list[str]:
    return [video.video_id for video in (await search(own, query, **options)).videos]


async def test_finds_a_real_document_by_a_word_of_its_keywords(own: OwnArchive) -> None:
    index = indexes.parse((SAMPLES / "england-film-festival.json").read_bytes())
    stored = documents.build(
        read_content(index),
        account_id=ACCOUNT_ID,
        video_id="abc123",
        previous=None,
        failure_message=None,
        extracted_at=NOW,
    )
    assert await own.archive.put(archived(stored)) == PutResult.STORED
    page = await search(own, "festivals")
    assert [video.video_id for video in page.videos] == ["abc123"]
    assert page.total == 1
    moment = page.videos[0].moments[0]
    assert "festival" in moment.text.lower()
    assert moment.ranges


async def test_every_kind_of_term(own: OwnArchive) -> None:
    await own.archive.put_many(
        [
            archived(document("a", "film festivals", "London")),
            archived(document("b", "festival of films", sent("US", confidence=1.0))),
            archived(document("c", "us", sent("Festspiele", "de-DE"))),
            archived(document("d", sent("人工知能学会", "ja-JP"), sent("인공지능을", "ko-KR"))),
        ]
    )
    assert set(await found(own, "festival")) == {"a", "b"}
    assert await found(own, '"film festival"') == ["a"]
    assert await found(own, "film festival -london") == ["b"]
    assert set(await found(own, "us")) == {"b", "c"}
    assert await found(own, '="US"') == ["b"]
    assert set(await found(own, "fest*")) == {"a", "b", "c"}
    assert set(await found(own, "london OR 知能")) == {"a", "d"}
    assert await found(own, "인공지능") == ["d"]
    assert await found(own, "festspiel") == ["c"]
    assert await found(own, "nothing") == []
