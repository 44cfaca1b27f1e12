"""Lookups over HTTP: by URL, by the bytes' hash, and by a prefix of the URL's hash."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis

from models.manifest import load_manifest
from models.verdict import Verdict
from tests.conftest import stores_of
from tests.workers.storage.test_verdict_cache import SHA, a_verdict
from workers.fetching.urls import address_hash
from workers.storage.verdict_cache import CacheEntry, upload_address

URL = "https://example.com/a.jpg"
HASH = address_hash(URL)
VERSION = load_manifest().version_for("always")


pytestmark = pytest.mark.usefixtures("redis")  # an empty one


@pytest.fixture
def known(redis: Redis) -> Verdict:
    """A verdict at the URL, and for its bytes."""
    return remember(redis, URL)


def remember(redis: Redis, address: str, sha256: str = SHA) -> Verdict:
    stores = stores_of(redis, VERSION)
    verdict = a_verdict(sha256).model_copy(update={"model_version": VERSION})
    stores.cache.save_verdict(verdict)
    kept = stores.cache.save_entry(address, CacheEntry(at=time.time(), verdict=verdict)).verdict
    assert kept is not None
    return kept.model_copy(update={"cached": True})


def looked_up(client: FlaskClient, **body: list[str]) -> list[dict[str, Any]]:
    answer = client.post("/v1/lookups", json=body)
    assert answer.status_code == 200
    assert answer.json is not None
    assert set(answer.json) == {"status", "items"}
    return list(answer.json["items"])


# By URL and by the bytes


def test_urls_come_first_and_then_hashes_each_in_order(client: FlaskClient, known: Verdict) -> None:
    items = looked_up(client, sha256=["cd" * 32, SHA], urls=["https://example.com/b.jpg", URL])
    assert [(item["url"], item["status"]) for item in items] == [
        ("https://example.com/b.jpg", "unknown"),
        (URL, "done"),
        (upload_address("cd" * 32), "unknown"),
        (upload_address(SHA), "done"),
    ]
    assert items[1]["verdict"] == items[3]["verdict"]
    assert items[3]["verdict"]["cached"] is True
    assert items[3]["verdict"]["image"]["sha256"] == known.image.sha256


def test_the_hash_of_an_image_finds_it_at_whatever_url_it_was_seen(
    client: FlaskClient, redis: Redis
) -> None:
    remember(redis, "https://elsewhere.example/x")
    (item,) = looked_up(client, sha256=[SHA])
    assert item["status"] == "done"


def test_five_hundred_are_looked_up_in_one_request(client: FlaskClient) -> None:
    urls = [f"https://example.com/{n}.jpg" for n in range(250)]
    assert len(looked_up(client, urls=urls, sha256=[f"{n:064x}" for n in range(250)])) == 500


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"urls": [], "sha256": []},
        {"urls": [URL] * 501},
        {"urls": [URL] * 251, "sha256": [SHA] * 250},
        {"sha256": [SHA.upper()]},
        {"sha256": [SHA[:-1]]},
        {"sha256": [SHA + "\n"]},
        {"sha256": ["sha256:" + SHA]},
        {"sha256": SHA},
        {"sha256": [None]},
    ],
    ids=lambda body: str(body)[:40],
)
def test_what_is_no_list_of_up_to_five_hundred_is_refused(
    client: FlaskClient, body: dict[str, object]
) -> None:
    answer = client.post("/v1/lookups", json=body)
    assert answer.status_code == 422
    assert answer.json is not None
    assert answer.json["errors"]


# By prefix


def test_a_prefix_finds_verdicts_and_tells_no_url(client: FlaskClient, known: Verdict) -> None:
    answer = client.get(f"/v1/lookups/{HASH[:5]}")
    assert answer.status_code == 200
    assert answer.json is not None
    assert set(answer.json) == {"prefix", "verdicts"}
    (verdict,) = answer.json["verdicts"]
    assert set(verdict) == {
        *("hash", "label", "probability", "decided_by"),
        *("model_version", "checked_at", "expires_at"),
    }
    assert verdict["hash"] == HASH
    assert verdict["label"] == known.label
    assert verdict["probability"] == known.probability
    assert datetime.fromisoformat(verdict["checked_at"]) == known.checked_at
    assert datetime.fromisoformat(verdict["expires_at"]).timestamp() > time.time()
    assert "example.com" not in answer.text


def test_a_prefix_of_which_nothing_is_known_is_an_empty_list_and_no_error(
    client: FlaskClient,
) -> None:
    answer = client.get("/v1/lookups/00000")
    assert answer.status_code == 200
    assert answer.json == {"prefix": "00000", "verdicts": []}
    assert answer.headers["Cache-Control"] == "public, max-age=300"


@pytest.mark.parametrize("prefix", ["", "abcd", "ABCDE", "abcdg", "0" * 65, "abcde%0a", "abc de"])
def test_what_is_no_prefix_is_refused(client: FlaskClient, prefix: str) -> None:
    answer = client.get(f"/v1/lookups/{prefix}")
    assert answer.status_code in (404, 422)
    assert answer.content_type == "application/problem+json"


def test_an_uploaded_image_is_found_by_no_prefix(client: FlaskClient, redis: Redis) -> None:
    address = upload_address(SHA)
    remember(redis, address)
    for prefix in (address_hash(address), SHA):
        answer = client.get(f"/v1/lookups/{prefix}")
        assert answer.json == {"prefix": prefix, "verdicts": []}


@pytest.mark.usefixtures("known")
def test_caches_on_the_way_may_keep_what_nobody_needed_a_key_for(client: FlaskClient) -> None:
    answer = client.get(f"/v1/lookups/{HASH[:5]}")
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    assert answer.headers["Vary"] == "Origin"
    assert "Set-Cookie" not in answer.headers
    etag, weak = answer.get_etag()
    assert etag
    assert not weak


@pytest.mark.usefixtures("known")
def test_who_has_the_newest_answer_gets_no_other(client: FlaskClient) -> None:
    first = client.get(f"/v1/lookups/{HASH[:5]}")
    tag = first.headers["ETag"]
    for sent in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        again = client.get(f"/v1/lookups/{HASH[:5]}", headers={"If-None-Match": sent})
        assert again.status_code == 304, sent
        assert again.data == b""
        for name in ("ETag", "Cache-Control", "Vary"):  # RFC 9110, 15.4.5
            assert again.headers[name] == first.headers[name]


@pytest.mark.usefixtures("known")
def test_a_new_verdict_has_a_new_etag(client: FlaskClient, redis: Redis) -> None:
    first = client.get(f"/v1/lookups/{HASH[:5]}")
    time.sleep(0.002)
    remember(redis, URL, "cd" * 32)
    again = client.get(f"/v1/lookups/{HASH[:5]}", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 200
    assert again.headers["ETag"] != first.headers["ETag"]


@pytest.mark.usefixtures("known")
def test_a_permitted_page_can_read_an_answer_whoever_asked_before_it(
    client_with: Callable[..., FlaskClient],
) -> None:
    origin = "https://desk.example"
    answer = client_with(allowed_origins=origin).get(
        f"/v1/lookups/{HASH[:5]}", headers={"Origin": origin}
    )
    assert answer.headers["Access-Control-Allow-Origin"] == origin
    assert "Origin" in answer.headers["Vary"]


def test_no_other_answer_is_kept_by_a_cache(client: FlaskClient) -> None:
    for answer in (
        client.post("/v1/lookups", json={"urls": [URL]}),
        client.get("/v1/lookups/abcd"),
        client.get(f"/v1/checks/{'0' * 32}"),
    ):
        assert answer.headers["Cache-Control"] == "no-store"


# What it costs


def test_a_verdict_is_written_in_one_round_trip(redis: Redis) -> None:
    remember(redis, URL)  # connects
    stores = stores_of(redis, VERSION)
    known = CacheEntry(at=time.time(), verdict=stores.cache.verdict(SHA))

    def reads() -> int:
        return int(redis.info("stats")["total_reads_processed"])

    before = reads()
    stores.cache.save_entry(URL, known)
    assert reads() - before <= 2, "the pipeline, and the question itself"
