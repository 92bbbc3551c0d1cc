"""The plan of a run: the same for the same seed, and with everything in it that may go wrong."""

import json
from collections import Counter
from random import Random

import pytest

from keywire.documents import document as documents
from keywire.documents.content import read_content
from keywire.interests.matching import matcher as matching
from keywire.video_indexer import index
from local.chaos import contents, fault_kinds, plan
from local.chaos.fault_kinds import ANSWERS, Kind
from local.chaos.plan import ENOUGH_VIDEOS, Life, Plan, Route
from tests.support.builders import ACCOUNT_ID, VIDEO_ID
from tests.support.chaos_snapshots import TIME

SEEDS = range(1, 21)


def planned(made: Plan) -> Counter[Kind]:
    """How often each kind is in a plan."""
    faults = [video.callback for video in made.videos if video.callback]
    faults += [answer for video in made.videos for answer in video.answers]
    found = Counter(kind for fault in faults if (kind := fault_kinds.of_fault({"status": 500} | fault)))
    return found + Counter(disturbance.kind for disturbance in made.disturbances)


def test_the_same_seed_makes_the_same_plan() -> None:
    assert plan.make(20, 7) == plan.make(20, 7)
    assert plan.make(20, 7) != plan.make(20, 8)


@pytest.mark.parametrize("seed", SEEDS)
def test_from_fifty_videos_on_every_kind_every_life_and_every_route_is_in_it(seed: int) -> None:
    made = plan.make(ENOUGH_VIDEOS, seed)
    assert set(planned(made)) == set(Kind)
    assert {video.life for video in made.videos} == set(Life)
    assert {video.route for video in made.videos} == set(Route)


@pytest.mark.parametrize("count", [1, 2, 11])
def test_a_small_run_has_a_plan_too(count: int) -> None:
    assert len(plan.make(count, 1).videos) == count


def test_more_videos_mean_more_of_everything() -> None:
    few, many = planned(plan.make(50, 1)), planned(plan.make(400, 1))
    assert all(many[kind] > few[kind] for kind in Kind if kind is not Kind.INTERESTS_BROKEN)


def test_a_plan_can_be_without_faults() -> None:
    assert not planned(plan.make(60, 1, faults=False))


def test_everything_happens_within_the_time() -> None:
    made = plan.make(120, 3)
    moments = [video.at for video in made.videos] + [each.at for each in made.disturbances]
    assert all(0 <= moment <= made.seconds for moment in moments)
    assert [each.at for each in made.disturbances] == sorted(each.at for each in made.disturbances)


def test_what_is_deleted_before_anybody_may_look_has_no_faults_of_its_own() -> None:
    """They might never happen."""
    videos = [video for video in plan.make(200, 1).videos if video.life is Life.DELETED_EARLY]
    assert len(videos) > 1
    assert not any(video.callback or video.answers for video in videos)


def test_a_video_that_is_indexed_again_with_the_same_content_has_the_same() -> None:
    videos = plan.make(200, 1).videos
    same = [video for video in videos if video.life is Life.REINDEXED_SAME]
    other = [video for video in videos if video.life is Life.REINDEXED]
    assert same
    assert other
    assert all(video.later == video.media for video in same)
    assert all(video.later not in {None, video.media} for video in other)


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_fault_is_known_again_by_what_the_emulator_tells(kind: Kind) -> None:
    assert fault_kinds.of_fault({"status": 500, **ANSWERS[kind]}) is kind


def test_a_fault_that_no_plan_has_is_of_no_kind() -> None:
    assert fault_kinds.of_fault({"kind": "status", "status": 418}) is None


def test_interests_concern_the_contents_that_the_run_says() -> None:
    """Keywire's own matching and the run's, which knows no words, agree."""
    matcher = matching.compile(contents.interests_file())
    concerned = []
    for number in range(60):
        media = contents.of_a_video(number, Random(number))
        read = read_content(index.parse(media))
        document = documents.build(
            read,
            account_id=ACCOUNT_ID,
            video_id=VIDEO_ID,
            previous=None,
            failure_message=None,
            extracted_at=TIME,
        )
        texts = {keyword.fields["text"] for keyword in read.keywords}
        concerned.append(contents.concerned(texts))
        assert {match.interest.id for match in matcher.match(document)} == concerned[-1]
    assert {interest.id for interest in contents.INTERESTS} == set().union(*concerned)
    assert frozenset() in concerned


def test_no_keyword_text_of_a_video_comes_twice() -> None:
    """Neither as it is nor in other letters: what is added and removed could not be told apart."""
    for number in range(30):
        keywords = json.loads(contents.of_a_video(number, Random(number)))["videos"][0]["insights"][
            "keywords"
        ]
        texts = [keyword["text"].casefold() for keyword in keywords]
        assert len(set(texts)) == len(texts)


def test_a_silent_video_has_no_keywords_in_each_way_that_occurs() -> None:
    said = set()
    for number in range(40):
        insights = json.loads(contents.of_a_silent_video(Random(number)))["videos"][0]["insights"]
        said.add(json.dumps(insights.get("keywords", "absent")))
    assert said == {"[]", "null", '"absent"'}
