"""Results and events, streamed while a scan runs."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from itertools import islice

import pytest
from flask.testing import FlaskClient
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from backend import drain, scan_service
from tests.backend.scans.helpers import URLS, begin, events, finish
from tests.backend.sse import Seen
from tests.conftest import until
from workers.storage.scans import Scans


def in_background(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


@pytest.mark.usefixtures("in_time")
def test_results_can_be_followed_until_the_scan_ends(client: FlaskClient, scans: Scans) -> None:
    path = f"/v1/scans/{begin(client)}/results?order=finished&follow=true&label=ai"
    finish(scans, "ai")
    stream = iter(client.get(path).response)
    assert next(stream) == b""  # JSON Lines have no header
    assert json.loads(next(stream))["verdict"]["label"] == "ai"
    worker = in_background(lambda: finish(scans, "real", "ai", "failed", "ai", "real"))
    rest = b"".join(stream)
    worker.join()
    assert [json.loads(line)["verdict"]["label"] for line in rest.splitlines()] == ["ai", "ai"]


@pytest.mark.usefixtures("in_time")
def test_who_follows_a_scan_that_stands_still_gets_an_empty_line(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan_service, "HEARTBEAT", 0.01)
    monkeypatch.setattr(scan_service, "EMPTY_LINE_AFTER", 0.05)
    stream = iter(client.get(f"/v1/scans/{begin(client)}/results?order=finished&follow=1").response)
    assert [next(stream), next(stream), next(stream)] == [b"", b"\n", b"\n"]


@pytest.mark.usefixtures("in_time")
def test_results_that_break_off_cannot_be_taken_for_whole(
    client: FlaskClient, scans: Scans, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/v1/scans/{begin(client, [f'no url {n}' for n in range(300)] + URLS)}/results"

    def away(*_: object, **__: object) -> None:
        raise RedisConnectionError("away")

    with monkeypatch.context() as patch:
        stream = iter(client.get(path).response)
        assert [next(stream)[:1], next(stream)[:1]] == [b"", b"{"]
        patch.setattr(scans.reader, "_results", away)
        with pytest.raises(ConnectionResetError):
            list(stream)
    monkeypatch.setattr(drain, "_draining", threading.Event())
    stream = iter(client.get(f"{path}?order=finished&follow=true").response)
    drain.begin()
    with pytest.raises(ConnectionResetError):
        list(stream)


@pytest.mark.usefixtures("in_time")
def test_a_scan_tells_each_result_once_then_progress_and_its_end(
    client: FlaskClient, scans: Scans
) -> None:
    path = f"/v1/scans/{begin(client)}"
    finish(scans, "ai", "failed")
    stream = events(client, path)
    first, second, progress = next(stream), next(stream), next(stream)
    assert [(e.name, e.id) for e in (first, second)] == [("result", "1"), ("result", "2")]
    assert first.data["verdict"]["label"] == "ai"
    assert second.data["error"]["code"] == "http_status"
    assert progress.name == "progress"
    assert progress.data["counts"]["pending"] == 4
    worker = in_background(lambda: finish(scans, "real", "ai", "ai", "real"))
    *rest, done = stream
    worker.join()
    assert [e.id for e in rest if e.name == "result"] == ["3", "4", "5", "6"]
    told = [first, second, *rest]
    assert {e.data["index"] for e in told if e.name == "result"} == set(range(6))
    assert (done.name, done.id, done.data["status"]) == ("done", "done", "done")


@pytest.mark.usefixtures("in_time")
def test_who_connects_anew_misses_nothing_and_hears_nothing_twice(
    client: FlaskClient, scans: Scans
) -> None:
    urls = [*(f"no url {n}" for n in range(2 * scan_service.PAGE)), *URLS]
    path = f"/v1/scans/{begin(client, urls)}"
    finish(scans, *["ai"] * 6)
    seen: list[Seen] = []
    last_id = ""
    for cut in (1, 5, scan_service.PAGE, 3):
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


def test_progress_is_told_twice_a_second_at_most(client: FlaskClient, scans: Scans) -> None:
    path = f"/v1/scans/{begin(client)}"

    def work() -> None:
        for _ in range(6):
            finish(scans, "ai")
            time.sleep(0.2)

    worker = in_background(work)
    began = time.monotonic()
    told = sum(event.name == "progress" for event in events(client, path))
    worker.join()
    assert told <= 2 * (time.monotonic() - began) + 1


@pytest.mark.usefixtures("in_time")
def test_who_leaves_is_no_longer_subscribed(
    client: FlaskClient, redis: Redis, scans: Scans
) -> None:
    path = f"/v1/scans/{begin(client)}"
    finish(scans, "ai")
    answer = client.get(f"{path}/events")
    stream = iter(answer.response)
    next(stream), next(stream)
    assert redis.pubsub_channels("assay:scan:*")
    answer.close()
    until(lambda: not redis.pubsub_channels("assay:scan:*"), "the subscription ends")
