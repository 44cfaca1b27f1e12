"""The cost of every call, in the unit of the quotas."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis

from tests.backend.middleware.quota_requests import (
    BAD_URL,
    Ask,
    check,
    contest,
    explain,
    explain_file,
    explain_in_words,
    left,
    lookup,
    lookup_by_prefix,
    raw_upload,
    scan,
    scan_of,
    scan_of_items,
    upload,
)
from tests.backend.test_openapi import CALLS


def test_on_one_s_own_machine_nothing_is_limited_and_nothing_counted(
    app_with: Callable[..., Flask], redis: Redis
) -> None:
    answer = check(app_with().test_client(), 100)
    assert answer.status_code == 200
    assert "RateLimit" not in answer.headers
    assert list(redis.scan_iter("assay:limit*")) == []


CHARGED: dict[str, tuple[Ask, int, dict[str, int]]] = {
    "a check": (check, 30, {"minute": 30, "day": 30}),
    "a check of one": (check, 1, {"minute": 1, "day": 1}),
    "an upload": (upload, 1, {"minute": 1, "day": 1}),
    "an upload as the body": (raw_upload, 1, {"minute": 1, "day": 1}),
    "a lookup of 1": (lookup, 1, {"minute": 1, "day": 1}),
    "a lookup of 100": (lookup, 100, {"minute": 1, "day": 1}),
    "a lookup of 101": (lookup, 101, {"minute": 2, "day": 2}),
    "a lookup by prefix": (lookup_by_prefix, 1, {"minute": 1, "day": 1}),
    "feedback": (contest, 1, {"minute": 1, "day": 1}),
    "an explanation": (explain, 1, {"minute": 1, "day": 1}),
    "an explanation of a file": (explain_file, 1, {"minute": 1, "day": 1}),
    "an explanation in words": (explain_in_words, 1, {"minute": 1, "day": 1}),
    "a scan of URLs": (scan, 200, {"day": 200}),
    "a scan of items": (scan_of_items, 200, {"day": 200}),
    "a scan of JSON Lines": (
        scan_of("application/jsonl", '{"url": "http://10.0.0.1/"}\n'),
        200,
        {"day": 200},
    ),
    "a scan of NDJSON": (
        scan_of("application/x-ndjson", '{"url": "http://10.0.0.1/"}\n'),
        200,
        {"day": 200},
    ),
    "a scan of CSV": (scan_of("text/csv", f"{BAD_URL},a\n", "url,custom_id\n"), 200, {"day": 200}),
    "a scan of text": (scan_of("text/plain", f"{BAD_URL}\n"), 200, {"day": 200}),
}
"""Every call that costs something → a request, and what it takes from each quota."""

OF_NO_VERDICT = (contest, explain, explain_file, explain_in_words)
"""Requests about an image that has none: they are answered 404."""

FREE = (
    *("GET /v1/checks/{id}", "GET /v1/checks/{id}/events"),
    *("GET /v1/scans", "GET /v1/scans/{id}", "DELETE /v1/scans/{id}"),
    *("GET /v1/scans/{id}/results", "GET /v1/scans/{id}/events"),
    *("GET /v1/checks/{id}/report", "GET /v1/scans/{id}/report"),
    *("GET /v1/usage", "GET /healthz", "GET /readyz", "GET /metrics"),
)
"""The calls that cost nothing."""


@pytest.mark.parametrize(("ask", "urls", "price"), CHARGED.values(), ids=CHARGED)
def test_each_call_costs_what_is_said(
    limited: FlaskClient, ask: Ask, urls: int, price: dict[str, int]
) -> None:
    before = {"minute": 100, "day": 250}
    answer = ask(limited, urls)
    assert answer.status_code < 300 or ask in OF_NO_VERDICT, answer.text
    assert left(answer) == {name: before[name] - cost for name, cost in price.items()}
    used = {name: before[name] - remaining for name, remaining in left(check(limited, 1)).items()}
    assert used == {"minute": price.get("minute", 0) + 1, "day": price["day"] + 1}


@pytest.mark.parametrize(("ask", "urls", "price"), CHARGED.values(), ids=CHARGED)
def test_each_call_is_refused_when_too_little_is_left_and_leaves_nothing_behind(
    app_with: Callable[..., Flask],
    redis: Redis,
    ask: Ask,
    urls: int,
    price: dict[str, int],
) -> None:
    """A quota of twice the price has room for two such requests, and for no third."""
    client = app_with(rate_limit=f"{2 * price['day']}/day").test_client()
    for _ in range(2):
        assert ask(client, urls).status_code != 429
    stored = _stored(redis)
    refused = ask(client, urls)
    assert refused.status_code == 429
    assert left(refused) == {"day": 0}
    assert int(refused.headers["Retry-After"]) > 0
    assert _stored(redis) == stored


def _stored(redis: Redis) -> set[bytes]:
    """Return the names of all keys but those of figures, which are written whenever it suits."""
    return {key for key in redis.scan_iter() if not key.startswith(b"assay:metrics")}


@pytest.mark.parametrize(
    ("ask", "urls"),
    [(ask, urls) for ask, urls, price in CHARGED.values() if price["day"] > 20],
    ids=[name for name, (_, _, price) in CHARGED.items() if price["day"] > 20],
)
def test_more_than_a_quota_ever_allows_is_refused_and_costs_nothing(
    app_with: Callable[..., Flask], redis: Redis, ask: Ask, urls: int
) -> None:
    client = app_with(rate_limit="10/minute;20/day").test_client()
    answer = ask(client, urls)
    assert answer.status_code == 413
    assert "URLs a" in json.loads(answer.data)["detail"]
    assert list(redis.scan_iter("assay:scan*")) == []
    assert left(check(client, 10)) == {"minute": 0, "day": 10}


def test_every_call_is_known_to_cost_something_or_nothing(limited: FlaskClient) -> None:
    """A new call has to be put into one of the two tables."""
    rules = limited.application.url_map.bind("localhost")
    asked: set[str] = set()
    for ask, urls, _ in CHARGED.values():
        sent = ask(limited, urls).request
        rule, _ = rules.match(sent.path, sent.method, return_rule=True)
        asked.add(f"{sent.method} {rule}")
    charged = {call.replace("<", "{").replace(">", "}") for call in asked}
    assert charged.isdisjoint(FREE)
    assert charged | {*FREE} == {*CALLS}


@pytest.mark.parametrize("quotas", ["10/minute", "1/second;10/hour", "1/minute;10/day"])
def test_a_scan_is_charged_whatever_quotas_are_set(
    app_with: Callable[..., Flask], quotas: str
) -> None:
    """It costs the quota of the longest period, be that a day's or not."""
    client = app_with(rate_limit=quotas).test_client()
    assert scan(client, 11).status_code == 413
    assert scan(client, 6).status_code == 202
    assert scan(client, 5).status_code == 429
    assert scan(client, 4).status_code == 202


def test_a_scan_that_is_asked_for_again_is_paid_once(limited: FlaskClient) -> None:
    again = {"Idempotency-Key": "monday"}
    first = scan(limited, 200, **again)
    for _ in range(2):
        answer = scan(limited, 200, **again)
        assert answer.get_json()["id"] == first.get_json()["id"]
        assert left(answer) == {}
    assert left(scan(limited, 1)) == {"day": 49}


def test_the_key_of_a_refused_scan_can_be_used_later(limited: FlaskClient, redis: Redis) -> None:
    again = {"Idempotency-Key": "monday"}
    scan(limited, 200)
    assert scan(limited, 100, **again).status_code == 429
    redis.delete(*redis.scan_iter("assay:limit*"))  # as when a day has passed
    assert scan(limited, 100, **again).status_code == 202


@pytest.mark.parametrize(
    "body",
    [
        f'url\n{BAD_URL}\n"{BAD_URL}',
        f"url\n{BAD_URL}\n\xff\n",
        f"a,b\n{BAD_URL},{BAD_URL}\n",
        "url\nphoto\n",
    ],
)
def test_a_list_that_is_wrong_costs_nothing(limited: FlaskClient, body: str) -> None:
    answer = limited.post("/v1/scans", data=body.encode("latin-1"), content_type="text/csv")
    assert 400 <= answer.status_code < 500
    assert left(check(limited, 1)) == {"minute": 99, "day": 249}


def test_asking_again_is_free_and_so_is_a_request_that_cannot_be(limited: FlaskClient) -> None:
    check_id = check(limited, 10).get_json()["id"]
    assert left(limited.get(f"/v1/checks/{check_id}")) == {}
    assert limited.post("/v1/checks", json={"urls": []}).status_code == 422
    assert left(check(limited, 1)) == {"minute": 89, "day": 239}


def test_all_api_servers_count_together(app_with: Callable[..., Flask]) -> None:
    one, other = (app_with(rate_limit="100/minute").test_client() for _ in range(2))
    check(one, 60)
    assert left(check(other, 30)) == {"minute": 10}
    assert check(one, 20).status_code == 429
