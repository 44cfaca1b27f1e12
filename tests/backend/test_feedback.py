"""Feedback over HTTP: it is stored, and changes no verdict."""

from __future__ import annotations

from datetime import datetime

import pytest
from flask.testing import FlaskClient
from redis import Redis

from backend.api_keys import KeyStore
from models.verdict import Verdict
from tests.backend.test_lookups import URL, remember
from tests.workers.storage.test_verdict_cache import SHA
from workers.storage.feedback import FeedbackStore


@pytest.fixture
def known(redis: Redis) -> Verdict:
    return remember(redis, URL)


def bearer(redis: Redis, name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {KeyStore(redis).create(name)[1]}"}


def test_what_somebody_knows_is_kept_with_the_verdict_it_contests(
    client: FlaskClient, redis: Redis, known: Verdict
) -> None:
    body = {
        "url": URL + "#fragment",
        "says": "real",
        "how": "made_it",
        "source": "https://example.com/me",
        "comment": "I took it in 2019.",
    }
    answer = client.post("/v1/feedback", json=body)
    assert answer.status_code == 201
    reply = answer.json
    assert reply is not None
    assert datetime.fromisoformat(reply.pop("received_at")).tzinfo is not None
    assert len(reply.pop("id")) == 32
    assert reply == body | {"url": URL, "verdict": known.model_dump(mode="json", exclude_none=True)}
    (kept,) = FeedbackStore(redis).all()
    assert kept.url == URL
    assert kept.verdict == known
    assert kept.owner == ""


def test_no_verdict_changes(client: FlaskClient, known: Verdict) -> None:
    client.post("/v1/feedback", json={"url": URL, "says": "real"})
    answer = client.post("/v1/lookups", json={"urls": [URL]})
    assert answer.json is not None
    assert answer.json["items"][0]["verdict"] == known.model_dump(mode="json", exclude_none=True)


def test_to_say_it_again_is_to_say_it_once(
    client: FlaskClient, redis: Redis, known: Verdict
) -> None:
    first = client.post("/v1/feedback", json={"url": URL, "says": "ai", "comment": "?"})
    again = client.post("/v1/feedback", json={"sha256": known.image.sha256, "says": "real"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json is not None
    assert again.json is not None
    assert first.json["id"] == again.json["id"]
    (kept,) = FeedbackStore(redis).all()
    assert kept.says == "real"
    assert kept.comment is None
    assert kept.url == URL, "where the image can be fetched is not forgotten"


@pytest.mark.usefixtures("known")
def test_one_image_at_two_addresses_is_one_image(client: FlaskClient, redis: Redis) -> None:
    remember(redis, "https://elsewhere.example/x")
    assert client.post("/v1/feedback", json={"url": URL, "says": "ai"}).status_code == 201
    other = {"url": "https://elsewhere.example/x", "says": "ai"}
    assert client.post("/v1/feedback", json=other).status_code == 200


@pytest.mark.usefixtures("known")
def test_two_callers_say_two_things(client: FlaskClient, redis: Redis) -> None:
    for name, says in (("one", "ai"), ("two", "real")):
        body = {"sha256": SHA, "says": says}
        answer = client.post("/v1/feedback", json=body, headers=bearer(redis, name))
        assert answer.status_code == 201
        assert "owner" not in answer.text
    assert [each.says for each in FeedbackStore(redis).all()] == ["ai", "real"]


@pytest.mark.parametrize(
    "image",
    [{"url": "https://example.com/b.jpg"}, {"url": "no url"}, {"sha256": "cd" * 32}],
    ids=str,
)
def test_what_was_never_judged_cannot_be_contested(
    client: FlaskClient, redis: Redis, image: dict[str, str]
) -> None:
    answer = client.post("/v1/feedback", json={**image, "says": "ai"})
    assert answer.status_code == 404
    assert answer.content_type == "application/problem+json"
    assert list(FeedbackStore(redis).all()) == []


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"says": "ai"},
        {"url": URL},
        {"url": URL, "sha256": SHA, "says": "ai"},
        {"url": URL, "says": "uncertain"},
        {"url": URL, "says": "ai", "how": "a friend told me"},
        {"url": URL, "says": "ai", "source": "x" * 501},
        {"url": URL, "says": "ai", "comment": "x" * 1001},
        {"url": URL, "says": "ai", "verdict": "real"},
        {"sha256": SHA[:-1], "says": "ai"},
    ],
    ids=lambda body: str(body)[:70],
)
def test_what_is_no_feedback_is_refused(
    client: FlaskClient, redis: Redis, body: dict[str, str]
) -> None:
    assert client.post("/v1/feedback", json=body).status_code == 422
    assert list(FeedbackStore(redis).all()) == []
