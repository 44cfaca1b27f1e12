"""Usage of API keys: how it is counted, and `GET /v1/usage`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis

from backend.api_keys import KeyStore
from backend.app import create_app
from backend.client import Client
from backend.schemas.usage import DAYS
from backend.supervisor import Supervisor
from tests.backend.conftest import bearer
from tests.conftest import settings_at
from workers.storage.quotas import Charge, Quota, QuotaStore
from workers.storage.usage import Day, UsageStore

BAD_URL = "x:"
"""Refused in the API itself, so that no worker is needed."""


def usage(client: FlaskClient, **headers: str) -> dict[str, Any]:
    answer = client.get("/v1/usage", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.json  # type: ignore[no-any-return]


def today(told: dict[str, Any]) -> dict[str, int]:
    return {name: told["days"][0][name] for name in ("requests", "urls")}


def check(client: FlaskClient, urls: int, **headers: str) -> int:
    return client.post("/v1/checks", json={"urls": [BAD_URL] * urls}, headers=headers).status_code


def spend(redis: Redis, urls: int) -> None:
    """Count an accepted request of the key ``a``."""
    quotas = [Quota(1000, "minute"), Quota(1000, "day")]
    assert not any(
        state.exceeded for state in QuotaStore(redis).take(Charge("a", quotas, urls, is_key=True))
    )


# GET /v1/usage


def test_a_key_is_told_its_quotas_and_its_days(
    client_with: Callable[..., FlaskClient], keys: KeyStore
) -> None:
    expires_at = time.time() + 3600
    key, secret = keys.create("newsroom", per_minute=60, per_day=1000, expires_at=expires_at)
    client, headers = client_with(), bearer(secret)
    told = usage(client, **headers)
    assert (told["key"]["id"], told["key"]["name"]) == (key.id, "newsroom")
    expiry = datetime.fromisoformat(told["key"]["expires_at"])
    assert abs(expiry.timestamp() - expires_at) <= 1
    for quota, limit, window in zip(told["quotas"], (60, 1000), (60, 86_400), strict=True):
        assert (quota["limit"], quota["window"]) == (limit, window)
        assert (quota["used"], quota["remaining"], quota["reset"]) == (0, limit, 0)
    assert today(told) == {"requests": 0, "urls": 0}

    assert check(client, 25, **headers) == 200
    told = usage(client, **headers)
    minute, day = told["quotas"]
    assert (minute["name"], minute["used"], minute["remaining"]) == ("minute", 25, 35)
    assert (day["name"], day["used"], day["remaining"]) == ("day", 25, 975)
    assert 0 < minute["reset"] <= 60 < day["reset"] <= 86_400
    assert today(told) == {"requests": 1, "urls": 25}


def test_the_quotas_are_those_that_the_headers_tell(
    client_with: Callable[..., FlaskClient], keys: KeyStore
) -> None:
    client, headers = client_with(), bearer(keys.create("newsroom")[1])
    answer = client.post("/v1/checks", json={"urls": [BAD_URL]}, headers=headers)
    for quota in usage(client, **headers)["quotas"]:
        assert (
            f'"{quota["name"]}";q={quota["limit"]};w={quota["window"]};'
            in (answer.headers["RateLimit-Policy"])
        )
        assert f'"{quota["name"]}";r={quota["remaining"]};' in answer.headers["RateLimit"]


def test_to_ask_for_it_is_free(client_with: Callable[..., FlaskClient], keys: KeyStore) -> None:
    client, headers = client_with(), bearer(keys.create("newsroom", per_minute=1)[1])
    told = [usage(client, **headers) for _ in range(5)]
    assert told[-1]["quotas"][0]["used"] == 0
    assert today(told[-1]) == {"requests": 0, "urls": 0}
    assert check(client, 1, **headers) == 200
    assert usage(client, **headers)["quotas"][0]["remaining"] == 0


def test_without_a_key_there_are_the_quotas_of_the_address_alone(
    client_with: Callable[..., FlaskClient], redis: Redis
) -> None:
    assert usage(client_with()) == {"key": None, "quotas": [], "days": []}
    client = client_with(rate_limit="100/minute")
    assert check(client, 30) == 200
    told = usage(client)
    assert (told["key"], told["days"]) == (None, [])
    assert [quota["remaining"] for quota in told["quotas"]] == [70]
    assert redis.keys("assay:usage:*") == [], "nothing is kept of who uses no key"


def test_one_key_sees_nothing_of_another_s_use(
    client_with: Callable[..., FlaskClient], keys: KeyStore
) -> None:
    client = client_with()
    mine, other = (bearer(keys.create(name)[1]) for name in ("mine", "other"))
    check(client, 10, **mine)
    assert today(usage(client, **other)) == {"requests": 0, "urls": 0}


def test_an_expired_key_is_told_so_in_a_problem_document(
    client_with: Callable[..., FlaskClient], keys: KeyStore
) -> None:
    client = client_with()
    _, secret = keys.create("newsroom", expires_at=time.time() - 1)
    for path in ("/v1/usage", "/metrics"):
        answer = client.get(path, headers=bearer(secret))
        assert answer.status_code == 401
        assert answer.content_type == "application/problem+json"
        assert "expired on 20" in json.loads(answer.data)["detail"]
        assert "invalid_token" in answer.headers["WWW-Authenticate"]
    assert check(client, 1, **bearer(secret)) == 401


def test_a_key_that_expires_between_two_requests_is_refused_at_the_second(
    client_with: Callable[..., FlaskClient], keys: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, now = client_with(), time.time()
    headers = bearer(keys.create("newsroom", expires_at=now + 60)[1])
    assert check(client, 1, **headers) == 200
    monkeypatch.setattr("backend.api_keys.time.time", lambda: now + 60)
    assert check(client, 1, **headers) == 401


def test_the_python_client_asks_for_it(stack: Supervisor) -> None:
    told = Client(stack.url).usage()
    assert (told.key, told.quotas, told.days) == (None, [], [])


# Counting


def test_everything_that_costs_is_counted_by_what_it_costs(
    client_with: Callable[..., FlaskClient], keys: KeyStore
) -> None:
    client, headers = client_with(), bearer(keys.create("newsroom")[1])
    check(client, 7, **headers)
    client.post("/v1/lookups", json={"urls": [BAD_URL] * 101}, headers=headers)
    client.post("/v1/images", data={"image": (BytesIO(b"GIF89a"), "a.gif")}, headers=headers)
    assert today(usage(client, **headers)) == {"requests": 3, "urls": 7 + 2 + 1}


def test_what_is_refused_is_not_counted(
    client_with: Callable[..., FlaskClient], keys: KeyStore
) -> None:
    client, headers = client_with(), bearer(keys.create("newsroom", per_minute=10)[1])
    assert [check(client, urls, **headers) for urls in (8, 8, 11)] == [200, 429, 413]
    assert client.post("/v1/checks", json={"urls": []}, headers=headers).status_code == 422
    assert today(usage(client, **headers)) == {"requests": 1, "urls": 8}


@pytest.mark.parametrize(("query", "expected"), [("", DAYS), ("?days=1", 1), ("?days=7", 7)])
def test_as_many_days_are_told_as_are_asked_for(
    client_with: Callable[..., FlaskClient], keys: KeyStore, query: str, expected: int
) -> None:
    headers = bearer(keys.create("newsroom")[1])
    told = client_with().get(f"/v1/usage{query}", headers=headers).json
    days = [date.fromisoformat(day["day"]) for day in told["days"]]
    assert days == [days[0] - timedelta(days=n) for n in range(expected)]


@pytest.mark.parametrize("days", ["0", "31", "-1", "x", ""])
def test_days_of_which_nothing_is_kept_are_refused(
    client_with: Callable[..., FlaskClient], days: str
) -> None:
    assert client_with().get(f"/v1/usage?days={days}").status_code == 422


def test_days_are_kept_for_a_month_and_then_go_by_themselves(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, noon = UsageStore(redis), datetime(2026, 3, 1, 12, tzinfo=UTC)
    for days in range(DAYS + 2):
        now = (noon + timedelta(days=days)).timestamp()
        monkeypatch.setattr("workers.storage.usage.time.time", lambda now=now: now)
        spend(redis, days)
    told = store.days("a")
    assert told[0] == Day(date(2026, 4, 1), requests=1, urls=DAYS + 1)
    assert [day.urls for day in told] == list(range(DAYS + 1, 1, -1))
    for key in redis.keys("assay:usage:*"):
        assert DAYS * 86_400 < redis.ttl(key) <= (DAYS + 1) * 86_400


def test_a_day_ends_at_midnight_in_utc(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    store, midnight = UsageStore(redis), datetime(2026, 3, 1, tzinfo=UTC).timestamp()
    for now in (midnight - 0.001, midnight):
        monkeypatch.setattr("workers.storage.usage.time.time", lambda now=now: now)
        spend(redis, 1)
    assert [(day.day.isoformat(), day.urls) for day in store.days("a")[:2]] == [
        ("2026-03-01", 1),
        ("2026-02-28", 1),
    ]


def test_what_was_evicted_counts_as_nothing(redis: Redis) -> None:
    store = UsageStore(redis)
    spend(redis, 5)
    (key,) = redis.keys("assay:usage:*")
    redis.hdel(key, "urls")
    assert store.days("a")[0] == Day(datetime.now(UTC).date(), requests=1, urls=0)
    redis.delete(key)
    assert {day.requests for day in store.days("a")} == {0}


@pytest.mark.parametrize("rate_limit", [None, "10/minute"])
def test_without_the_store_the_answer_is_503(
    tmp_path: Path, free_port: int, rate_limit: str | None
) -> None:
    settings = settings_at(
        tmp_path, redis_url=f"redis://127.0.0.1:{free_port}/0", rate_limit=rate_limit
    )
    answer = (
        create_app(settings)
        .test_client()
        .get(
            "/v1/usage",
            headers=bearer("assay_000000000000_" + "0" * 64) if rate_limit is None else {},
        )
    )
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0


def test_a_charge_is_one_exchange_with_the_store(redis: Redis) -> None:
    spend(redis, 1)
    before = redis.info("stats")["total_reads_processed"]
    spend(redis, 1)
    # This and the `info` before it are read one by one as well.
    assert redis.info("stats")["total_reads_processed"] - before <= 2
