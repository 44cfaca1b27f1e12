"""What people say of verdicts, as it is kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis

from models.feedback import Feedback, feedback_id
from tests.workers.storage.test_verdict_cache import SHA, a_verdict
from workers.storage.feedback import FeedbackStore

NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)


def said(sha256: str = SHA, *, owner: str = "", minutes: float = 0, **more: object) -> Feedback:
    fields: dict[str, object] = {
        "owner": owner,
        "url": "https://example.com/a.jpg",
        "says": "real",
        "verdict": a_verdict(sha256),
        "received_at": NOW + timedelta(minutes=minutes),
        **more,
    }
    return Feedback.model_validate(fields)


@pytest.fixture
def feedback(redis: Redis) -> FeedbackStore:
    return FeedbackStore(redis, most=3)


def test_what_was_said_is_kept_with_the_verdict_that_it_contests(feedback: FeedbackStore) -> None:
    one = said(how="made_it", source="https://example.com", comment="Mine.")
    assert feedback.add(one)
    assert feedback.get(one.id) == one
    assert list(feedback.all()) == [one]


def test_what_a_caller_says_later_of_the_image_takes_its_place(feedback: FeedbackStore) -> None:
    assert feedback.add(said(says="ai"))
    later = said(says="real", minutes=1)
    assert not feedback.add(later)
    assert list(feedback.all()) == [later]


def test_each_caller_speaks_for_itself(feedback: FeedbackStore) -> None:
    both = [said(owner="one", says="ai"), said(owner="two", says="real", minutes=1)]
    assert [feedback.add(each) for each in both] == [True, True]
    assert list(feedback.all()) == both
    assert feedback_id("one", SHA) != feedback_id("two", SHA)


def test_the_oldest_makes_room(feedback: FeedbackStore, redis: Redis) -> None:
    every = [said(f"{n:064x}", minutes=n) for n in range(5)]
    for each in every:
        feedback.add(each)
    assert list(feedback.all()) == every[2:]
    assert feedback.get(every[0].id) is None
    assert redis.hlen("assay:{feedback}:said") == redis.zcard("assay:{feedback}:order") == 3


def test_redis_never_evicts_it(feedback: FeedbackStore, redis: Redis) -> None:
    feedback.add(said())
    assert {redis.ttl(key) for key in list(redis.scan_iter())} == {-1}


def test_nothing_was_said_at_first(feedback: FeedbackStore) -> None:
    assert list(feedback.all()) == []
    assert feedback.get("0" * 32) is None
