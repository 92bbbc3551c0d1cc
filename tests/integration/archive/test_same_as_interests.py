"""What an interest's term meets, the archive finds, and nothing else: term by term, in seventeen languages."""

import os
import random

import pytest

from keywire.archive.archive import Filters
from keywire.archive.moments import archived
from keywire.archive.query import parse
from keywire.interests.matching.document_words import DocumentWords
from keywire.interests.matching.words import words_of
from tests.support.archive_texts import WORDS, documents, text_of
from tests.support.archives import OwnArchive

NIGHTLY = os.environ.get("KEYWIRE_FUZZ") == "nightly"
DOCUMENTS, TERMS = (400, 3000) if NIGHTLY else (150, 400)
SEEDS = [random.randrange(2**32)] if NIGHTLY else [1, 2]


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_term_finds_the_keywords_that_an_interests_term_meets(own: OwnArchive, seed: int) -> None:
    random_ = random.Random(seed)
    stored = list(documents(random_, DOCUMENTS))
    await own.archive.put_many([archived(each) for each in stored])
    words = {each.video_id: DocumentWords(each) for each in stored}
    met_something = 0
    for _ in range(TERMS):
        term = text_of(random_, random_.choice(list(WORDS)))
        expected = {
            video_id: {keyword.text for keyword in found}
            for video_id, document_words in words.items()
            if (found := document_words.meeting(words_of(term)))
        }
        page = await own.archive.search(parse(f'"{term}"'), Filters(), limit=DOCUMENTS)
        answer = {video.video_id: {moment.text for moment in video.moments} for video in page.videos}
        assert answer == expected, term
        assert page.total == len(expected)
        met_something += bool(expected)
    assert met_something > TERMS / 2
