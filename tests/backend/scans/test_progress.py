"""Progress, lists and cancelling of scans."""

from __future__ import annotations

import time

import pytest
from flask.testing import FlaskClient
from redis import Redis

from backend.api_keys import KeyStore
from tests.backend.fake_api import verdict
from tests.backend.scans.helpers import begin, events, finish, lines, problem
from workers.storage.scans import Scans
from workers.storage.verdict_cache import CacheEntry


def test_the_counts_follow_the_results(client: FlaskClient, scans: Scans) -> None:
    path = f"/v1/scans/{begin(client)}"
    assert client.get(path).json["rate"] is client.get(path).json["eta"] is None
    finish(scans, "ai", "failed", "real", "ai")
    answer = client.get(path)
    assert answer.status_code == 200
    assert int(answer.headers["Retry-After"]) > 0
    scan = answer.json
    assert scan["counts"] == {"total": 6, "pending": 2, "done": 3, "failed": 1, "cancelled": 0}
    assert scan["labels"] == {"ai": 2, "uncertain": 0, "real": 1}
    assert scan["eta"] == pytest.approx(2 / scan["rate"], rel=0.1, abs=0.1)
    finish(scans, "uncertain", "real")
    answer = client.get(path)
    assert "Retry-After" not in answer.headers
    scan = answer.json
    assert (scan["status"], scan["eta"]) == ("done", 0)
    assert scan["created_at"] < scan["finished_at"] < scan["expires_at"]
    assert scan["rate"] > 0


def test_a_scan_that_is_not_there_is_a_problem_at_each_of_its_addresses(
    client: FlaskClient,
) -> None:
    path = f"/v1/scans/{'0' * 32}"
    for answer in (
        client.get(path),
        client.delete(path),
        client.get(f"{path}/results"),
        client.get(f"{path}/events"),
    ):
        problem(answer, 404)


def test_another_callers_scan_is_not_there(client: FlaskClient, redis: Redis) -> None:
    keys = KeyStore(redis)
    ours, theirs = (
        {"Authorization": f"Bearer {keys.create(name)[1]}"} for name in ("ours", "theirs")
    )
    scan_id = begin(client, **ours, **{"Idempotency-Key": "a-key"})
    path = f"/v1/scans/{scan_id}"
    for headers in (theirs, {}):
        assert client.get(path, headers=headers).status_code == 404
        assert client.delete(path, headers=headers).status_code == 404
        assert client.get(f"{path}/results", headers=headers).status_code == 404
        assert client.get(f"{path}/events", headers=headers).status_code == 404
    assert client.get(path, headers=ours).json["status"] == "running"
    assert begin(client, **theirs, **{"Idempotency-Key": "a-key"}) != scan_id, "nor are its keys"


# Lists


def test_the_caller_s_scans_are_listed_the_newest_first(client: FlaskClient, scans: Scans) -> None:
    assert client.get("/v1/scans").json == {"scans": [], "next": None}
    ids = [begin(client) for _ in range(3)]
    finish(scans, "ai")
    answer = client.get("/v1/scans")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert [scan["id"] for scan in answer.json["scans"]] == ids[::-1]
    assert answer.json["next"] is None
    for scan in answer.json["scans"]:
        alone = client.get(scan["links"]["self"]).json
        assert scan["counts"] == alone["counts"]
        assert {**scan, "rate": None, "eta": None} == {**alone, "rate": None, "eta": None}


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 6])
def test_pages_of_scans_follow_each_other_to_the_last(client: FlaskClient, limit: int) -> None:
    ids = [begin(client) for _ in range(5)]
    path, found = f"/v1/scans?limit={limit}", []
    while path:
        page = client.get(path).json
        assert 0 < len(page["scans"]) <= limit
        found += [scan["id"] for scan in page["scans"]]
        path = page["next"]
    assert found == ids[::-1]


def test_no_scan_of_another_caller_is_listed(client: FlaskClient, redis: Redis) -> None:
    keys = KeyStore(redis)
    callers = [
        {},
        *({"Authorization": f"Bearer {keys.create(name)[1]}"} for name in ("ours", "theirs")),
    ]
    ids = [begin(client, **headers) for headers in callers]
    for headers, scan_id in zip(callers, ids, strict=True):
        listed = client.get("/v1/scans", headers=headers).json["scans"]
        assert [scan["id"] for scan in listed] == [scan_id]
    begin(client, **callers[1])
    another_s_page = client.get("/v1/scans?limit=1", headers=callers[1]).json["next"]
    listed = client.get(another_s_page, headers=callers[2]).json["scans"]
    assert {scan["id"] for scan in listed} <= {ids[2]}


def test_a_refused_or_forgotten_scan_is_not_listed(client: FlaskClient, scans: Scans) -> None:
    problem(client.post("/v1/scans", data="{", content_type="application/json"), 400)
    problem(client.post("/v1/scans", data="no URL\n", content_type="text/plain"), 400)
    first, second = begin(client), begin(client)
    scans.lifecycle.delete(first)
    assert [scan["id"] for scan in client.get("/v1/scans").json["scans"]] == [second]


def test_a_cancelled_scan_is_listed_as_one(client: FlaskClient) -> None:
    client.delete(f"/v1/scans/{begin(client)}")
    (scan,) = client.get("/v1/scans").json["scans"]
    assert scan["status"] == "cancelled"


# Cancelling


def test_cancelling_ends_what_has_not_begun(client: FlaskClient, scans: Scans) -> None:
    path = f"/v1/scans/{begin(client)}"
    finish(scans, "ai")
    (under_way,) = scans.items.take(1)
    answer = client.delete(path)
    assert answer.status_code == 200
    assert answer.json["counts"] == {
        **{"total": 6, "pending": 1, "done": 1, "failed": 0, "cancelled": 4}
    }
    assert answer.json["status"] == "cancelled"
    again = client.delete(path)
    assert (again.status_code, again.json["counts"]) == (200, answer.json["counts"])
    scans.items.record(under_way, CacheEntry(at=time.time(), verdict=verdict()))
    found = lines(client.get(f"{path}/results"))
    assert sorted(line.get("error", {}).get("code", "") for line in found) == [
        *("", ""),
        *["cancelled"] * 4,
    ]
    assert client.get(path).json["finished_at"]


@pytest.mark.usefixtures("in_time")
def test_a_cancelled_scan_tells_its_end(client: FlaskClient) -> None:
    path = f"/v1/scans/{begin(client)}"
    client.delete(path)
    *told, done = events(client, path)
    assert sum(event.name == "result" for event in told) == 6
    assert done.data["status"] == "cancelled"


def test_a_scan_that_has_ended_stays_as_it_is(client: FlaskClient, scans: Scans) -> None:
    path = f"/v1/scans/{begin(client)}"
    finish(scans, *["ai"] * 6)
    before = client.get(path).json
    assert client.delete(path).json == before
