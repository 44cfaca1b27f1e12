"""Scans over HTTP, with a real Valkey; the tests themselves are the workers, so that they decide
what ends when. `test_scans_running.py` has the whole stack."""

from __future__ import annotations

import csv
import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from werkzeug.test import TestResponse

from backend import drain, scanning
from backend.app import create_app
from backend.keys import KeyStore
from models.errors import ErrorCode
from models.members import MEMBERS
from models.verdict import ItemError
from tests.backend.fake_api import claim, verdict
from tests.backend.sse import Seen, read
from tests.conftest import settings_at, until
from workers.scans import ScanStore
from workers.store import Known

URLS = [f"http://127.0.0.1/{n}.jpg" for n in range(6)]
GONE = ItemError(code=ErrorCode.HTTP_STATUS, detail="The server answered 404.")
LIKELY = {"ai": 0.95, "uncertain": 0.5, "real": 0.05}


@pytest.fixture
def app(redis: Redis, valkey_url: str, tmp_path: Path) -> Flask:
    redis.flushall()
    return create_app(settings_at(tmp_path, redis_url=valkey_url))


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def scans(app: Flask) -> ScanStore:
    return app.extensions["assay"].scans  # type: ignore[no-any-return]


def begin(client: FlaskClient, urls: list[str] = URLS, **headers: str) -> str:
    answer = client.post("/v1/scans", json={"urls": urls}, headers=headers)
    assert answer.status_code == 202, answer.text
    return str(answer.json["id"])


def judge(scans: ScanStore, *outcomes: str, **fields: object) -> None:
    """Do as workers do: take the next item of any scan, and give it this label, or `failed`."""
    for outcome in outcomes:
        (work,) = scans.take(1)
        found = GONE if outcome == "failed" else None
        answer = None if found else verdict(LIKELY[outcome], **fields)
        assert scans.record(work, Known(at=time.time(), verdict=answer, error=found))


def lines(answer: TestResponse) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines() if line]


def rows(answer: TestResponse) -> list[dict[str, str]]:
    assert answer.content_type == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.text)))


def problem(answer: TestResponse, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    return json.loads(answer.text)  # type: ignore[no-any-return]


# Making


def test_a_new_scan_says_what_it_is_and_where_to_ask_for_more(client: FlaskClient) -> None:
    answer = client.post("/v1/scans", json={"urls": [*URLS, "no url"]})
    assert answer.status_code == 202
    scan = answer.json
    path = f"/v1/scans/{scan['id']}"
    assert answer.headers["Location"] == path
    assert int(answer.headers["Retry-After"]) > 0
    assert scan["status"] == "running"
    assert scan["counts"] == {"total": 7, "pending": 6, "done": 0, "failed": 1, "cancelled": 0}
    assert scan["labels"] == {"ai": 0, "uncertain": 0, "real": 0}
    assert datetime.fromisoformat(scan["created_at"]).tzinfo is not None
    assert scan["finished_at"] is scan["expires_at"] is None
    assert scan["links"] == {
        "self": path,
        "results": f"{path}/results",
        "events": f"{path}/events",
    }
    assert client.get(path).json["id"] == scan["id"]


def test_a_scan_of_nothing_that_can_be_fetched_has_ended_when_it_begins(
    client: FlaskClient,
) -> None:
    answer = client.post("/v1/scans", json={"urls": ["no url", "http://10.0.0.1/"]})
    assert answer.status_code == 202
    assert "Retry-After" not in answer.headers
    scan = answer.json
    assert (scan["status"], scan["eta"]) == ("done", 0)
    assert scan["finished_at"] < scan["expires_at"]
    codes = [line["error"]["code"] for line in lines(client.get(scan["links"]["results"]))]
    assert codes == ["bad_url", "blocked_address"]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", '{"items": [{"url": "http://127.0.0.1/", "custom_id": "é"}]}'),
        ("application/jsonl", '{"url": "http://127.0.0.1/", "custom_id": "é"}\n'),
        ("text/csv", "url,custom_id\nhttp://127.0.0.1/,é\n"),
    ],
)
def test_results_carry_the_names_that_the_caller_gave(
    client: FlaskClient, content_type: str, body: str
) -> None:
    answer = client.post("/v1/scans", data=body.encode(), content_type=content_type)
    (line,) = lines(client.get(answer.json["links"]["results"]))
    assert (line["index"], line["custom_id"], line["url"]) == (0, "é", "http://127.0.0.1/")


def test_a_list_of_text_is_taken_and_a_column_of_it_is_not(client: FlaskClient) -> None:
    body = "\n".join(URLS)
    answer = client.post("/v1/scans", data=body, content_type="text/plain")
    assert answer.json["counts"]["total"] == len(URLS)
    answer = client.post("/v1/scans?column=url", data=body, content_type="text/plain")
    assert problem(answer, 422)["errors"][0]["field"] == "query.column"


@pytest.mark.parametrize("query", ["?force=true", ""])
def test_a_scan_can_be_told_to_fetch_again(
    client: FlaskClient, scans: ScanStore, query: str
) -> None:
    client.post(f"/v1/scans{query}", data=URLS[0], content_type="text/plain")
    (work,) = scans.take(1)
    assert (work.since >= work.created_at) == bool(query)


def test_a_fault_in_the_list_is_a_problem_that_names_its_line(
    client: FlaskClient, redis: Redis
) -> None:
    body = f'{{"url": "{URLS[0]}"}}\n' * 2000 + '{"urn": 1}\n'
    answer = client.post("/v1/scans", data=body, content_type="application/jsonl")
    fault = problem(answer, 422)
    assert fault["errors"] == [
        {"field": "line 2001", "detail": fault["detail"].removeprefix("line 2001: ")}
    ]
    assert not redis.keys("assay:scan*"), "nothing of it is left"


@pytest.mark.parametrize(
    ("content_type", "size", "status"),
    [("text/plain", 2**25 + 1, 413), ("application/zip", 1, 415)],
)
def test_what_is_too_large_or_no_list_is_a_problem(
    client: FlaskClient, content_type: str, size: int, status: int
) -> None:
    answer = client.post("/v1/scans", data=b"\n" * size, content_type=content_type)
    problem(answer, status)


# Idempotency keys


def test_the_same_request_with_the_same_key_is_the_same_scan(client: FlaskClient) -> None:
    first = begin(client, **{"Idempotency-Key": '"a-key"'})
    assert begin(client, **{"Idempotency-Key": '"a-key"'}) == first
    assert begin(client, **{"Idempotency-Key": "a-key"}) == first, "quoted or bare"
    assert begin(client, **{"Idempotency-Key": "other"}) != first
    assert begin(client) != first


def test_another_request_with_the_same_key_is_refused(client: FlaskClient) -> None:
    begin(client, **{"Idempotency-Key": "a-key"})
    answer = client.post("/v1/scans", json={"urls": URLS[:1]}, headers={"Idempotency-Key": "a-key"})
    assert problem(answer, 422)["errors"][0]["field"] == "header.Idempotency-Key"


def test_a_request_whose_twin_is_being_dealt_with_is_told_to_wait(
    client: FlaskClient, scans: ScanStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = scans.create

    def ask_meanwhile(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(scans, "create", made)
        answer = client.post("/v1/scans", json={"urls": URLS}, headers={"Idempotency-Key": "a-key"})
        problem(answer, 409)
        assert int(answer.headers["Retry-After"]) > 0
        return made(*args, **kwargs)

    monkeypatch.setattr(scans, "create", ask_meanwhile)
    first = begin(client, **{"Idempotency-Key": "a-key"})
    assert begin(client, **{"Idempotency-Key": "a-key"}) == first


def test_a_key_is_free_again_if_its_request_failed(
    client: FlaskClient, scans: ScanStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = {"Idempotency-Key": "a-key"}
    problem(client.post("/v1/scans", json={"urls": []}, headers=key), 422)
    with monkeypatch.context() as patch:
        patch.setattr(scans, "create", lambda *_, **__: 1 / 0)
        problem(client.post("/v1/scans", json={"urls": URLS}, headers=key), 500)
    begin(client, **key)


@pytest.mark.parametrize("key", ["a" * 256, "é", "two words"])
def test_a_key_that_is_none_is_refused(client: FlaskClient, key: str) -> None:
    headers = {"Idempotency-Key": key.encode().decode("latin-1")}
    problem(client.post("/v1/scans", json={"urls": URLS}, headers=headers), 422)


# How far it is


def test_the_counts_follow_the_results(client: FlaskClient, scans: ScanStore) -> None:
    path = f"/v1/scans/{begin(client)}"
    assert client.get(path).json["rate"] is client.get(path).json["eta"] is None
    judge(scans, "ai", "failed", "real", "ai")
    answer = client.get(path)
    assert answer.status_code == 200
    assert int(answer.headers["Retry-After"]) > 0
    scan = answer.json
    assert scan["counts"] == {"total": 6, "pending": 2, "done": 3, "failed": 1, "cancelled": 0}
    assert scan["labels"] == {"ai": 2, "uncertain": 0, "real": 1}
    assert scan["eta"] == pytest.approx(2 / scan["rate"], rel=0.1, abs=0.1)
    judge(scans, "uncertain", "real")
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


# Results


def test_results_come_in_the_order_of_the_list_and_say_what_is_pending(
    client: FlaskClient, scans: ScanStore
) -> None:
    path = f"/v1/scans/{begin(client)}/results"
    judge(scans, "ai", "failed")
    answer = client.get(path)
    assert answer.content_type == "application/jsonl"
    found = lines(answer)
    assert [line["index"] for line in found] == list(range(6))
    assert [line["url"] for line in found] == URLS
    assert sorted(line["status"] for line in found) == ["done", "failed", *["pending"] * 4]
    (done,) = (line for line in found if line["status"] == "done")
    assert done["verdict"]["label"] == "ai"


def test_results_can_come_in_the_order_of_finishing(client: FlaskClient, scans: ScanStore) -> None:
    path = f"/v1/scans/{begin(client)}/results?order=finished"
    assert lines(client.get(path)) == []
    works = {work.index: work for work in scans.take(6)}
    for index in (3, 0, 5):
        scans.record(works[index], Known(at=time.time(), error=GONE))
    assert [line["index"] for line in lines(client.get(path))] == [3, 0, 5]


@pytest.mark.parametrize("count", [scanning.PAGE - 1, scanning.PAGE, 2 * scanning.PAGE + 1])
@pytest.mark.parametrize("order", ["input", "finished"])
def test_results_of_several_pages_are_all_there_once(
    client: FlaskClient, count: int, order: str
) -> None:
    scan_id = begin(client, [f"no url {n}" for n in range(count)])
    found = lines(client.get(f"/v1/scans/{scan_id}/results?order={order}"))
    assert [line["index"] for line in found] == list(range(count))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("label=ai", ["ai", "ai"]),
        ("label=ai&label=real", ["ai", "ai", "real"]),
        ("status=failed", ["failed"]),
        ("status=pending", ["pending"]),
        ("status=done", ["ai", "ai", "real", "uncertain"]),
        ("status=done&label=real", ["real"]),
        ("status=failed&label=real", []),
    ],
)
def test_results_can_be_filtered(
    client: FlaskClient, scans: ScanStore, query: str, expected: list[str]
) -> None:
    path = f"/v1/scans/{begin(client)}/results"
    judge(scans, "ai", "failed", "real", "ai", "uncertain")
    found = lines(client.get(f"{path}?{query}"))
    outcomes = [line.get("verdict", {}).get("label", line["status"]) for line in found]
    assert sorted(outcomes) == expected


def test_results_as_csv_are_a_table_that_runs_no_formulas(
    client: FlaskClient, scans: ScanStore
) -> None:
    body = 'custom_id,url\n"=HYPERLINK(""x"")",http://127.0.0.1/\n"a\nb",=1+1\n-2,@x\n'
    answer = client.post("/v1/scans", data=body, content_type="text/csv")
    judge(scans, "ai", evidence=[claim("made\nby @us")])
    answer = client.get(f"{answer.json['links']['results']}?format=csv")
    assert ".csv" in answer.headers["Content-Disposition"]
    first, second, third = rows(answer)
    assert list(first)[:3] == ["index", "custom_id", "url"]
    assert set(MEMBERS) <= set(first)
    assert (first["index"], first["label"], first["probability"]) == ("0", "ai", "0.95")
    assert first["evidence"] == "c2pa: made by @us"
    assert first["custom_id"] == '\'=HYPERLINK("x")'
    assert (second["custom_id"], second["url"]) == ("a b", "'=1+1")
    assert (third["custom_id"], third["url"]) == ("'-2", "'@x")
    assert second["error_code"] == "bad_url"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "application/jsonl"),
        ("*/*", "application/jsonl"),
        ("application/jsonl", "application/jsonl"),
        ("application/x-ndjson", "application/jsonl"),
        ("text/html, text/csv;q=0.9", "text/csv; charset=utf-8"),
        ("text/csv;q=0.1, application/*", "application/jsonl"),
    ],
)
def test_the_form_of_results_follows_accept(
    client: FlaskClient, accept: str, expected: str
) -> None:
    path = f"/v1/scans/{begin(client)}/results"
    headers = {"Accept": accept} if accept else {}
    assert client.get(path, headers=headers).content_type == expected
    problem(client.get(path, headers={"Accept": "text/html"}), 406)
    asked = client.get(f"{path}?format=csv", headers={"Accept": "text/html"})
    assert asked.content_type.startswith("text/csv"), "what is asked for by name goes first"


@pytest.mark.parametrize(
    "query", ["format=xml", "order=random", "label=fake", "status=lost", "follow=true"]
)
def test_results_of_no_such_kind_are_refused(client: FlaskClient, query: str) -> None:
    problem(client.get(f"/v1/scans/{begin(client)}/results?{query}"), 422)


# Following


@pytest.fixture
def in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "PACE", 0.0)


def in_background(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


@pytest.mark.usefixtures("in_time")
def test_results_can_be_followed_until_the_scan_ends(client: FlaskClient, scans: ScanStore) -> None:
    path = f"/v1/scans/{begin(client)}/results?order=finished&follow=true&label=ai"
    judge(scans, "ai")
    stream = iter(client.get(path).response)
    assert next(stream) == b""  # JSON Lines have no header
    assert json.loads(next(stream))["verdict"]["label"] == "ai"
    worker = in_background(lambda: judge(scans, "real", "ai", "failed", "ai", "real"))
    rest = b"".join(stream)
    worker.join()
    assert [json.loads(line)["verdict"]["label"] for line in rest.splitlines()] == ["ai", "ai"]


@pytest.mark.usefixtures("in_time")
def test_who_follows_a_scan_that_stands_still_gets_an_empty_line(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "PULSE", 0.01)
    monkeypatch.setattr(scanning, "EMPTY_LINE_AFTER", 0.05)
    stream = iter(client.get(f"/v1/scans/{begin(client)}/results?order=finished&follow=1").response)
    assert [next(stream), next(stream), next(stream)] == [b"", b"\n", b"\n"]


@pytest.mark.usefixtures("in_time")
def test_results_that_break_off_cannot_be_taken_for_whole(
    client: FlaskClient, scans: ScanStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/v1/scans/{begin(client, [f'no url {n}' for n in range(300)] + URLS)}/results"

    def away(*_: object, **__: object) -> None:
        raise RedisConnectionError("away")

    with monkeypatch.context() as patch:
        stream = iter(client.get(path).response)
        assert [next(stream)[:1], next(stream)[:1]] == [b"", b"{"]
        patch.setattr(scans, "_read", away)
        with pytest.raises(ConnectionResetError):
            list(stream)
    monkeypatch.setattr(drain, "_begun", threading.Event())
    stream = iter(client.get(f"{path}?order=finished&follow=true").response)
    drain.begin()
    with pytest.raises(ConnectionResetError):
        list(stream)


def events(client: FlaskClient, path: str, last_id: str = "") -> Iterator[Seen]:
    answer = client.get(f"{path}/events", headers={"Last-Event-ID": last_id})
    assert answer.content_type == "text/event-stream"
    pieces = (piece.decode() for piece in answer.response)
    return read(line for piece in pieces for line in piece.split("\n")[:-1])


@pytest.mark.usefixtures("in_time")
def test_a_scan_tells_each_result_once_then_progress_and_its_end(
    client: FlaskClient, scans: ScanStore
) -> None:
    path = f"/v1/scans/{begin(client)}"
    judge(scans, "ai", "failed")
    stream = events(client, path)
    first, second, progress = next(stream), next(stream), next(stream)
    assert [(e.name, e.id) for e in (first, second)] == [("result", "1"), ("result", "2")]
    assert first.data["verdict"]["label"] == "ai"
    assert second.data["error"]["code"] == "http_status"
    assert progress.name == "progress"
    assert progress.data["counts"]["pending"] == 4
    worker = in_background(lambda: judge(scans, "real", "ai", "ai", "real"))
    *rest, done = stream
    worker.join()
    assert [e.id for e in rest if e.name == "result"] == ["3", "4", "5", "6"]
    told = [first, second, *rest]
    assert {e.data["index"] for e in told if e.name == "result"} == set(range(6))
    assert (done.name, done.id, done.data["status"]) == ("done", "done", "done")


@pytest.mark.usefixtures("in_time")
def test_who_connects_anew_misses_nothing_and_hears_nothing_twice(
    client: FlaskClient, scans: ScanStore
) -> None:
    urls = [*(f"no url {n}" for n in range(2 * scanning.PAGE)), *URLS]
    path = f"/v1/scans/{begin(client, urls)}"
    judge(scans, *["ai"] * 6)
    seen: list[Seen] = []
    last_id = ""
    for cut in (1, 5, scanning.PAGE, 3):
        stream = events(client, path, last_id)
        seen += islice(stream, cut)
        stream.close()  # type: ignore[attr-defined]
        last_id = seen[-1].id
    seen += events(client, path, last_id)
    results = [event for event in seen if event.name == "result"]
    assert [int(event.id) for event in results] == list(range(1, len(urls) + 1))
    assert {event.data["index"] for event in results} == set(range(len(urls)))
    answer = client.get(f"{path}/events", headers={"Last-Event-ID": seen[-1].id})
    assert answer.status_code == 204


@pytest.mark.parametrize("last_id", ["x", "-1", "1" * 30, "١"])
@pytest.mark.usefixtures("in_time")
def test_an_id_that_was_never_given_counts_as_none(client: FlaskClient, last_id: str) -> None:
    path = f"/v1/scans/{begin(client, ['no url'])}"
    names = [event.name for event in events(client, path, last_id.encode().decode("latin-1"))]
    assert names == ["result", "progress", "done"]


def test_progress_is_told_twice_a_second_at_most(client: FlaskClient, scans: ScanStore) -> None:
    path = f"/v1/scans/{begin(client)}"

    def work() -> None:
        for _ in range(6):
            judge(scans, "ai")
            time.sleep(0.2)

    worker = in_background(work)
    began = time.monotonic()
    told = sum(event.name == "progress" for event in events(client, path))
    worker.join()
    assert told <= 2 * (time.monotonic() - began) + 1


@pytest.mark.usefixtures("in_time")
def test_who_leaves_is_no_longer_subscribed(
    client: FlaskClient, redis: Redis, scans: ScanStore
) -> None:
    path = f"/v1/scans/{begin(client)}"
    judge(scans, "ai")
    answer = client.get(f"{path}/events")
    stream = iter(answer.response)
    next(stream), next(stream)
    assert redis.pubsub_channels("assay:scan:*")
    answer.close()
    until(lambda: not redis.pubsub_channels("assay:scan:*"), "the subscription ends")


# Cancelling


def test_cancelling_ends_what_has_not_begun(client: FlaskClient, scans: ScanStore) -> None:
    path = f"/v1/scans/{begin(client)}"
    judge(scans, "ai")
    (under_way,) = scans.take(1)
    answer = client.delete(path)
    assert answer.status_code == 200
    assert answer.json["counts"] == {
        **{"total": 6, "pending": 1, "done": 1, "failed": 0, "cancelled": 4}
    }
    assert answer.json["status"] == "cancelled"
    again = client.delete(path)
    assert (again.status_code, again.json["counts"]) == (200, answer.json["counts"])
    scans.record(under_way, Known(at=time.time(), verdict=verdict()))
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


def test_a_scan_that_has_ended_stays_as_it_is(client: FlaskClient, scans: ScanStore) -> None:
    path = f"/v1/scans/{begin(client)}"
    judge(scans, *["ai"] * 6)
    before = client.get(path).json
    assert client.delete(path).json == before
