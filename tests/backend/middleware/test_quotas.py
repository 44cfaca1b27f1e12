"""Quotas: whose they are, and what refusals and headers say."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pydantic import ValidationError
from redis import Redis

from backend.api_keys import KeyStore
from tests.backend.conftest import bearer
from tests.backend.middleware.quota_requests import BAD_URL, check, left, lookup, scan
from tests.conftest import settings_at

# Callers


def test_a_key_has_a_limit_where_nothing_is_set(
    app_with: Callable[..., Flask], keys: KeyStore
) -> None:
    headers = bearer(keys.create("newsroom")[1])
    assert left(check(app_with().test_client(), 1, **headers)) == {"minute": 599, "day": 99_999}


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({}, {"minute": 99, "day": 249}),
        ({"per_minute": 5}, {"minute": 4, "day": 249}),
        ({"per_day": 5000}, {"minute": 99, "day": 4999}),
        ({"per_minute": 1000, "per_day": 7}, {"minute": 999, "day": 6}),
    ],
    ids=str,
)
def test_a_key_s_own_limits_replace_the_service_s(
    limited: FlaskClient, keys: KeyStore, own: dict[str, int], expected: dict[str, int]
) -> None:
    headers = bearer(keys.create("newsroom", **own)[1])
    assert left(check(limited, 1, **headers)) == expected


def test_one_key_s_use_is_not_another_s(limited: FlaskClient, keys: KeyStore) -> None:
    first, other = (bearer(keys.create(name)[1]) for name in ("first", "other"))
    check(limited, 100, **first)
    assert check(limited, 1, **first).status_code == 429
    assert left(check(limited, 100, **other)) == {"minute": 0, "day": 150}


def test_who_has_no_key_is_counted_by_address(limited: FlaskClient) -> None:
    check(limited, 100)
    assert check(limited, 1).status_code == 429
    limited.environ_base["REMOTE_ADDR"] = "127.0.0.9"
    assert check(limited, 1).status_code == 200


# Refusals


def test_more_than_is_left_is_refused_with_the_time_to_wait_and_nothing_is_begun(
    limited: FlaskClient, redis: Redis
) -> None:
    check(limited, 95)
    before = set(redis.scan_iter("assay:check:*"))
    answer = check(limited, 6)
    assert answer.status_code == 429
    assert answer.content_type == "application/problem+json"
    assert "100 URLs a minute" in json.loads(answer.data)["detail"]
    assert 0 < int(answer.headers["Retry-After"]) <= 120
    assert set(redis.scan_iter("assay:check:*")) == before


def test_a_refused_request_pays_nothing_of_any_quota(limited: FlaskClient) -> None:
    check(limited, 95)
    for _ in range(3):
        assert left(check(limited, 6)) == {"minute": 5, "day": 155}
    assert check(limited, 5).status_code == 200


def test_a_scan_that_the_day_has_no_room_for_is_refused(limited: FlaskClient) -> None:
    assert scan(limited, 200).status_code == 202
    answer = scan(limited, 51)
    assert answer.status_code == 429
    assert abs(int(answer.headers["Retry-After"]) - 24 * 3600) < 300, "when the first wears off"
    assert scan(limited, 50).status_code == 202


def test_what_no_waiting_would_allow_is_not_told_to_wait(limited: FlaskClient) -> None:
    answer = scan(limited, 251)
    assert answer.status_code == 413
    assert "Retry-After" not in answer.headers
    assert "250 URLs a day" in json.loads(answer.data)["detail"]


# Headers


def test_the_headers_are_those_of_the_draft(limited: FlaskClient) -> None:
    answer = check(limited, 30)
    assert answer.headers["RateLimit-Policy"] == (
        '"minute";q=100;w=60;qu="urls", "day";q=250;w=86400;qu="urls"'
    )
    assert re.fullmatch(r'"minute";r=70;t=\d+, "day";r=220;t=\d+', answer.headers["RateLimit"])


def test_they_come_with_a_refusal_as_well(limited: FlaskClient) -> None:
    check(limited, 98)
    answer = check(limited, 3)
    assert left(answer)["minute"] == 2
    more_in = int(re.findall(r'"minute";r=2;t=(\d+)', answer.headers["RateLimit"])[0])
    assert 0 < more_in <= int(answer.headers["Retry-After"])


def test_who_spends_all_that_is_told_to_be_left_is_not_refused(limited: FlaskClient) -> None:
    remaining = left(check(limited, 37))["minute"]
    assert check(limited, remaining).status_code == 200
    assert check(limited, 1).status_code == 429


@pytest.mark.parametrize("urls", [1, 3, 8, 10])
def test_who_waits_as_long_as_told_is_let_in(app_with: Callable[..., Flask], urls: int) -> None:
    client = app_with(rate_limit="10/second").test_client()
    refused = 0
    for _ in range(3 + 12 // urls):  # each refusal takes two seconds
        answer = check(client, urls)
        if answer.status_code == 429:
            refused += 1
            time.sleep(int(answer.headers["Retry-After"]))
            assert check(client, urls).status_code == 200
    assert refused or urls == 1


def test_the_time_to_wait_is_no_longer_than_it_must_be(
    app_with: Callable[..., Flask], redis: Redis
) -> None:
    """Of 10 in the present minute, 4 wear off once two fifths of the next have passed."""
    client = app_with(rate_limit="10/minute").test_client()
    check(client, 10)
    (key,) = redis.scan_iter("assay:limit*")
    redis.pexpire(key, 60_000 + 5_000)  # the present minute has five seconds left
    assert int(check(client, 4).headers["Retry-After"]) in (23, 24)  # 5 + 60 × 3/10, rounded up
    redis.pexpire(key, 59_000)  # it is over since a second
    assert check(client, 4).headers["Retry-After"] in ("17", "18")


# Faults


@pytest.mark.parametrize("path", ["/v1/checks", "/v1/lookups"])
def test_without_the_count_the_answer_is_503(
    app_with: Callable[..., Flask], free_port: int, path: str
) -> None:
    app = app_with(rate_limit="10/minute", redis_url=f"redis://127.0.0.1:{free_port}/0")
    answer = app.test_client().post(path, json={"urls": [BAD_URL]})
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0


@pytest.fixture
def full(redis: Redis) -> Iterator[Redis]:
    """A Redis that takes nothing more."""
    redis.config_set("maxmemory", 1)
    yield redis
    redis.config_set("maxmemory", 0)


@pytest.mark.usefixtures("full")
def test_a_store_that_is_full_is_503_too(app_with: Callable[..., Flask]) -> None:
    answer = lookup(app_with(rate_limit="10/minute").test_client(), 1)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    "wrong",
    ["", "600", "0/minute", "-1/day", "600/fortnight", "600/minute,20000/day", "1/day;2/day", "x"],
)
def test_a_limit_that_cannot_be_is_refused_at_the_start(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(ValidationError):
        settings_at(tmp_path, rate_limit=wrong)
