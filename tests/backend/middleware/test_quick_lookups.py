"""Quick lookups: the same answers as the application's, and nothing for who may not have them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from werkzeug.test import TestResponse

from backend.api_keys import KeyStore
from backend.middleware.origin_policy import EXTENSION_ORIGINS
from backend.middleware.quick_lookups import QuickLookups
from tests.backend.conftest import bearer
from tests.backend.test_lookups import HASH, SHA, URL, VERSION, remember
from workers.storage import keys as names

CHROME = EXTENSION_ORIGINS[0].strip("^$")
LISTS: list[dict[str, Any]] = [
    {"urls": [URL]},
    {"urls": [URL, URL, "https://EXAMPLE.com/a.jpg#f", "https://example.com/b", "no url"]},
    {"sha256": [SHA, "cd" * 32]},
    {"urls": ["http://10.0.0.1/"], "sha256": [SHA]},
    {"urls": ["http://10.0.0.1/"]},
    {"urls": []},
    {"urls": [1]},
    {"urls": [URL], "more": 1},
    {"urls": [URL] * 501},
]
PREFIXES = [HASH[:5], HASH, HASH[:5] + "0" * 3, "00000", "abcd", HASH[:5].upper() + "G"]
HEADERS: list[dict[str, str]] = [
    {},
    {"Origin": CHROME},
    {"Origin": "https://desk.example"},
    {"Origin": "https://evil.example"},
    {"Origin": "http://localhost"},
    {"Host": "evil.example"},
    {"Sec-Fetch-Site": "cross-site"},
    {"X-Request-ID": "mine"},
    {"X-Request-ID": "a b"},
    {"Content-Encoding": "gzip"},
    {"If-None-Match": "*"},
    {"Authorization": "Basic dXNlcjpwYXNz"},
    {"Authorization": f"Bearer assay_{'0' * 12}_{'0' * 64}"},
]


@pytest.fixture
def app(app_with: Callable[..., Flask], redis: Redis) -> Flask:
    remember(redis, URL)
    return app_with(allowed_origins="https://desk.example", rate_limit="100/minute;250/day")


@pytest.fixture
def secret(app: Flask, keys: KeyStore) -> str:
    """A key that the API has seen."""
    _, secret = keys.create("newsroom", per_minute=50)
    assert app.test_client().get("/v1/usage", headers=bearer(secret)).status_code == 200
    return secret


class Passed(Exception):  # noqa: N818 - no error
    """A request was passed to the application."""


@pytest.fixture
def quick(
    app: Flask,
    secret: str,  # noqa: ARG001 - the application must have seen it
) -> FlaskClient:
    """A client of the quick path alone."""
    assert isinstance(app.wsgi_app, QuickLookups)

    def pass_on(*_: object) -> list[bytes]:
        raise Passed

    app.wsgi_app._application = pass_on
    return app.test_client()


def answers(redis: Redis, app: Flask, **request: Any) -> list[tuple[int, list[str], bytes]]:
    """Return the answer, and the application's own; what is used of quotas is the same for both."""
    assert isinstance(app.wsgi_app, QuickLookups)
    quick, found = app.wsgi_app, []
    for each in (quick, quick._application):
        redis.delete(*redis.scan_iter("assay:limit*"), "-")
        app.wsgi_app = each  # type: ignore[method-assign]
        answer = app.test_client().open(**request)
        found.append((answer.status_code, _headers(answer), _body(answer)))
    app.wsgi_app = quick  # type: ignore[method-assign]
    return found


def _headers(answer: TestResponse) -> list[str]:
    """Return the headers, without what differs by time or at random."""
    listed = [f"{name}: {value}" for name, value in answer.headers]
    return sorted(re.sub(r"t=\d+|ID: [0-9a-f]{32}$", "…", each) for each in listed)


def _body(answer: TestResponse) -> bytes:
    return re.sub(rb'"request_id":"[0-9a-f]{32}"', b"", answer.data)


@pytest.mark.parametrize("headers", HEADERS, ids=str)
def test_every_answer_is_the_application_s(
    app: Flask, redis: Redis, secret: str, headers: dict[str, str]
) -> None:
    requests = [{"path": "/v1/lookups", "method": "POST", "json": body} for body in LISTS]
    requests += [{"path": f"/v1/lookups/{prefix}", "method": "GET"} for prefix in PREFIXES]
    requests += [
        {"path": "/v1/lookups", "method": "POST", "data": b"{"},
        {"path": "/v1/lookups", "method": "POST", "data": b"{}", "content_type": "text/plain"},
        {"path": "/v1/lookups?x=1", "method": "POST", "json": LISTS[0]},
        {"path": "/v1/lookups", "method": "GET"},
        {"path": "/v1/lookups/", "method": "POST", "json": LISTS[0]},
        {"path": f"/v1/lookups/{HASH[:5]}", "method": "HEAD"},
    ]
    for request in requests:
        for sent in (headers, {**bearer(secret), **headers}):
            quick, own = answers(redis, app, headers=sent, **request)
            assert quick == own, request


@pytest.mark.parametrize("with_key", [True, False])
def test_a_lookup_that_succeeds_needs_one_round_trip(
    quick: FlaskClient, redis: Redis, secret: str, with_key: bool
) -> None:
    headers = {"Origin": CHROME, **(bearer(secret) if with_key else {})}

    def ask() -> None:
        assert quick.post("/v1/lookups", json=LISTS[1], headers=headers).status_code == 200
        answer = quick.get(f"/v1/lookups/{HASH[:5]}", headers=headers)
        assert [each["hash"] for each in answer.get_json()["verdicts"]] == [HASH]

    def reads() -> int:
        return int(redis.info("stats")["total_reads_processed"])

    ask()  # loads the scripts
    before = reads()
    ask()
    assert reads() - before == 2 + 1, "two lookups, and the question itself"


def test_a_redis_that_has_lost_the_scripts_learns_them_again(
    quick: FlaskClient, redis: Redis, secret: str
) -> None:
    for _ in range(2):
        redis.script_flush()
        items = quick.post("/v1/lookups", json=LISTS[0], headers=bearer(secret)).get_json()["items"]
        assert [item["status"] for item in items] == ["done"]
        found = quick.get(f"/v1/lookups/{HASH[:5]}", headers=bearer(secret)).get_json()
        assert [each["hash"] for each in found["verdicts"]] == [HASH]


def test_a_key_is_confirmed_with_every_lookup(
    quick: FlaskClient, redis: Redis, keys: KeyStore, secret: str
) -> None:
    requests: list[dict[str, Any]] = [
        {"path": "/v1/lookups", "method": "POST", "json": LISTS[0]},
        {"path": f"/v1/lookups/{HASH[:5]}", "method": "GET"},
    ]
    for request in requests:
        assert quick.open(**request, headers=bearer(secret)).status_code == 200
        with pytest.raises(Passed):
            quick.open(**request, headers=bearer(secret[:-1] + "x"))
    (key,) = keys.list()
    used = redis.hgetall(names.usage(key.id, _today()))
    changed = key.model_copy(update={"per_minute": 1}).model_dump_json()
    for change in (
        lambda: redis.hset(names.API_KEYS, key.id, changed),
        lambda: keys.revoke(key.id),
    ):
        change()
        for request in requests:
            with pytest.raises(Passed):
                quick.open(**request, headers=bearer(secret))
    assert redis.hgetall(names.usage(key.id, _today())) == used, "what is passed on costs nothing"


def _today() -> str:
    from workers.storage.usage import today

    return today().isoformat()


def test_who_has_nothing_left_is_told_by_the_application_and_pays_nothing(
    app: Flask, secret: str
) -> None:
    client = app.test_client()
    for _ in range(50):
        assert client.get("/v1/lookups/00000", headers=bearer(secret)).status_code == 200
    for _ in range(2):
        refused = client.post("/v1/lookups", json=LISTS[0], headers=bearer(secret))
        assert refused.status_code == 429
        assert '"minute";r=0' in refused.headers["RateLimit"]
        assert '"day";r=200' in refused.headers["RateLimit"]
        assert b"label" not in refused.data


def test_an_evicted_verdict_is_not_answered_and_leaves_the_index(
    quick: FlaskClient, redis: Redis
) -> None:
    redis.delete(names.entry(VERSION, HASH))
    answer = quick.get(f"/v1/lookups/{HASH[:5]}")
    assert answer.get_json() == {"prefix": HASH[:5], "verdicts": []}
    assert redis.zcard(names.prefix_index(VERSION, HASH)) == 0
