"""Downloads of results."""

from __future__ import annotations

import time

import pytest
from flask.testing import FlaskClient

from backend import scan_service
from models.members import MEMBERS
from tests.backend.fake_api import claim
from tests.backend.scans.helpers import GONE, URLS, begin, finish, lines, problem, rows
from workers.storage.scans import Scans
from workers.storage.verdict_cache import CacheEntry


def test_results_come_in_the_order_of_the_list_and_say_what_is_pending(
    client: FlaskClient, scans: Scans
) -> None:
    path = f"/v1/scans/{begin(client)}/results"
    finish(scans, "ai", "failed")
    answer = client.get(path)
    assert answer.content_type == "application/jsonl"
    found = lines(answer)
    assert [line["index"] for line in found] == list(range(6))
    assert [line["url"] for line in found] == URLS
    assert sorted(line["status"] for line in found) == ["done", "failed", *["pending"] * 4]
    (done,) = (line for line in found if line["status"] == "done")
    assert done["verdict"]["label"] == "ai"


def test_results_can_come_in_the_order_of_finishing(client: FlaskClient, scans: Scans) -> None:
    path = f"/v1/scans/{begin(client)}/results?order=finished"
    assert lines(client.get(path)) == []
    works = {work.index: work for work in scans.items.take(6)}
    for index in (3, 0, 5):
        scans.items.record(works[index], CacheEntry(at=time.time(), error=GONE))
    assert [line["index"] for line in lines(client.get(path))] == [3, 0, 5]


@pytest.mark.parametrize(
    "count", [scan_service.PAGE - 1, scan_service.PAGE, 2 * scan_service.PAGE + 1]
)
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
    client: FlaskClient, scans: Scans, query: str, expected: list[str]
) -> None:
    path = f"/v1/scans/{begin(client)}/results"
    finish(scans, "ai", "failed", "real", "ai", "uncertain")
    found = lines(client.get(f"{path}?{query}"))
    outcomes = [line.get("verdict", {}).get("label", line["status"]) for line in found]
    assert sorted(outcomes) == expected


def test_results_as_csv_are_a_table_that_runs_no_formulas(
    client: FlaskClient, scans: Scans
) -> None:
    body = 'custom_id,url\n"=HYPERLINK(""x"")",http://127.0.0.1/\n"a\nb",=1+1\n-2,@x\n'
    answer = client.post("/v1/scans", data=body, content_type="text/csv")
    finish(scans, "ai", evidence=[claim("made\nby @us")])
    answer = client.get(f"{answer.json['links']['results']}?format=csv")
    assert ".csv" in answer.headers["Content-Disposition"]
    first, second, third = rows(answer)
    assert list(first)[:3] == ["index", "custom_id", "url"]
    assert not set(MEMBERS) & set(first), "a column each would mostly be empty"
    assert first["members"] == "cnn=0.9000; efficientnet=0.9500; efficientnet_art=0.5000"
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
