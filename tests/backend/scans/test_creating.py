"""Creating scans over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis

from tests.backend.scans.helpers import URLS, begin, finish, lines, problem
from workers.storage.scans import Scans
from workers.storage.scans.records import PageImage


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


@pytest.mark.parametrize(
    "request_of_pages",
    [
        {"json": {"urls": ["http://127.0.0.1/1", "no url"], "kind": "pages"}},
        {
            "data": b"http://127.0.0.1/1\nftp://x/\n",
            "content_type": "text/plain",
            "query_string": "kind=pages",
        },
    ],
)
def test_a_scan_of_pages_grows_by_the_images_of_its_pages(
    client: FlaskClient, scans: Scans, request_of_pages: dict[str, Any]
) -> None:
    scan = client.post("/v1/scans", **request_of_pages).json
    assert scan["pages"] == {"found": 2, "read": 1}
    assert scan["counts"] == {"total": 2, "pending": 1, "done": 0, "failed": 1, "cancelled": 0}
    (work,) = scans.items.take(5)
    found = [PageImage(f"http://127.0.0.1/{n}.jpg", work.url, f"img {n}") for n in (1, 2)]
    scans.items.expand(work, found)
    scans.items.expand(work, found)  # by a worker that had lost its lease
    scan = client.get(scan["links"]["self"]).json
    assert scan["pages"] == {"found": 2, "read": 2}
    assert scan["counts"] == {"total": 3, "pending": 2, "done": 0, "failed": 1, "cancelled": 0}
    finish(scans, "ai", "real")
    rows = lines(client.get(scan["links"]["results"]))
    assert [(row["index"], row["page"][-2:], row.get("place")) for row in rows] == [
        (0, rows[0]["url"][-2:], None),
        (1, "/1", "img 1"),
        (2, "/1", "img 2"),
    ]
    table = client.get(scan["links"]["results"], query_string="format=csv").text.splitlines()
    assert table[0].endswith(",error_detail,page,place")
    assert table[2].endswith(",http://127.0.0.1/1,img 1")


def test_a_scan_has_a_known_kind_and_at_most_5000_pages(client: FlaskClient) -> None:
    urls = ["http://127.0.0.1/"] * 5001
    for body in ({"urls": urls, "kind": "pages"}, {"urls": urls[:1], "kind": "page"}):
        answer = client.post("/v1/scans", json=body)
        assert answer.status_code == 422, answer.text


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
def test_a_scan_can_be_told_to_fetch_again(client: FlaskClient, scans: Scans, query: str) -> None:
    client.post(f"/v1/scans{query}", data=URLS[0], content_type="text/plain")
    (work,) = scans.items.take(1)
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
    client: FlaskClient, scans: Scans, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = scans.creator.create

    def ask_meanwhile(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(scans.creator, "create", made)
        answer = client.post("/v1/scans", json={"urls": URLS}, headers={"Idempotency-Key": "a-key"})
        problem(answer, 409)
        assert int(answer.headers["Retry-After"]) > 0
        return made(*args, **kwargs)

    monkeypatch.setattr(scans.creator, "create", ask_meanwhile)
    first = begin(client, **{"Idempotency-Key": "a-key"})
    assert begin(client, **{"Idempotency-Key": "a-key"}) == first


def test_a_key_is_free_again_if_its_request_failed(
    client: FlaskClient, scans: Scans, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = {"Idempotency-Key": "a-key"}
    problem(client.post("/v1/scans", json={"urls": []}, headers=key), 422)
    with monkeypatch.context() as patch:
        patch.setattr(scans.creator, "create", lambda *_, **__: 1 / 0)
        problem(client.post("/v1/scans", json={"urls": URLS}, headers=key), 500)
    begin(client, **key)


@pytest.mark.parametrize("key", ["a" * 256, "é", "two words"])
def test_a_key_that_is_none_is_refused(client: FlaskClient, key: str) -> None:
    headers = {"Idempotency-Key": key.encode().decode("latin-1")}
    problem(client.post("/v1/scans", json={"urls": URLS}, headers=headers), 422)
