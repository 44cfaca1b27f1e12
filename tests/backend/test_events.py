"""Server-sent events: their format, and the events of a check."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator

import pytest
import requests
from flask import Flask
from kombu.exceptions import OperationalError
from pytest_httpserver import HTTPServer
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from werkzeug import Request, Response

from backend import drain, events
from backend.events import DONE, Event, event_stream
from backend.supervisor import Supervisor
from tests.backend.sse import Seen, listen, read
from tests.conftest import hits, until
from tests.pictures import drawing, encoded


def stream_of(events: Iterator[Event | None], last_id: str = "") -> Response:
    with Flask("test").test_request_context(headers={"Last-Event-ID": last_id}):
        return event_stream(events)


def test_an_event_is_read_as_it_was_written() -> None:
    stream = stream_of(iter([Event("item", '{"a": 1}', id="7"), Event("item", '[\n"b"\r\n]')]))
    assert stream.content_type == "text/event-stream"
    text = stream.get_data(as_text=True)
    assert text.startswith("retry: 2000\n\n")
    assert list(read(iter(text.split("\n")))) == [
        Seen("item", {"a": 1}, "7"),
        Seen("item", ["b"], "7"),
    ]


def test_who_has_seen_the_last_event_is_told_not_to_come_again() -> None:
    assert stream_of(iter([Event("item", "1")]), DONE).status_code == 204


def test_silence_is_broken_by_a_comment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "HEARTBEAT", 0.0)
    assert stream_of(iter([None, None])).get_data() == b"retry: 2000\n\n:\n\n:\n\n"
    monkeypatch.setattr(events, "HEARTBEAT", 15.0)
    assert stream_of(iter([None, None])).get_data() == b"retry: 2000\n\n"


def forever() -> Iterator[Event | None]:
    while True:
        yield Event("item", "1")


def test_a_stream_ends_after_a_while_so_that_the_client_connects_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events, "MAX_STREAM_SECONDS", 0.0)
    assert stream_of(forever()).get_data().count(b"event: item") == 1


def test_a_stream_ends_when_the_server_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "_draining", threading.Event())
    drain.begin()
    assert stream_of(forever()).get_data().count(b"event: item") == 1


@pytest.mark.parametrize("error", [RedisConnectionError("away"), OperationalError("away")])
def test_a_stream_whose_source_fails_ends_so_that_the_client_connects_anew(
    error: Exception,
) -> None:
    def broken() -> Iterator[Event]:
        yield Event("item", "1")
        raise error

    assert stream_of(broken()).get_data().endswith(b"data: 1\n\n")


# Checks over HTTP


@pytest.fixture
def check(stack: Supervisor) -> Callable[..., str]:
    """Begin a check; returns the URL of its events."""

    def begin(*urls: str) -> str:
        body = {"urls": urls}
        answer = requests.post(f"{stack.url}/v1/checks", json=body, timeout=30)
        return f"{stack.url}/v1/checks/{answer.json()['id']}/events"

    return begin


def test_a_check_tells_each_url_once_as_it_becomes_known(
    check: Callable[..., str], site: HTTPServer
) -> None:
    told = threading.Event()

    def late(_: Request) -> Response:
        assert told.wait(30)
        return Response(encoded(drawing(71)))

    site.expect_request("/late.jpg").respond_with_handler(late)
    site.expect_request("/soon.jpg").respond_with_data(encoded(drawing(72)))
    site.expect_request("/gone.jpg").respond_with_data(b"", status=410)
    paths = ["/late.jpg", "/soon.jpg", "/gone.jpg", "/soon.jpg"]
    urls = [*map(site.url_for, paths), "no url"]
    list(listen(check(urls[1])))  # a busy machine classifies it later than the other times out

    seen: list[Seen] = []
    for event in listen(check(*urls)):
        seen.append(event)
        if len(seen) == 4:
            told.set()  # the others did not wait for this one

    *items, done = seen
    assert {item.data["index"] for item in items[:4]} == {1, 2, 3, 4}
    assert [item.name for item in items] == ["item"] * 5
    assert {item.data["index"]: item.data["url"] for item in items} == dict(enumerate(urls))
    statuses = {item.data["index"]: item.data["status"] for item in items}
    assert statuses == {0: "done", 1: "done", 2: "failed", 3: "done", 4: "failed"}
    assert items[-1].data["verdict"]["label"] in ("ai", "uncertain", "real")
    assert (done.name, done.id) == (DONE, DONE)


def test_who_connects_anew_hears_only_what_is_missing(
    check: Callable[..., str], site: HTTPServer
) -> None:
    site.expect_request("/a.jpg").respond_with_data(encoded(drawing(73)))
    urls = [site.url_for("/a.jpg"), "no url", "ftp://h/a.jpg"]
    url = check(*urls)
    *items, done = listen(url)
    for n, item in enumerate(items):
        *rest, last = listen(url, item.id)
        known = {each.data["index"] for each in items[: n + 1]}
        assert {each.data["index"] for each in rest} == {0, 1, 2} - known
        assert last == done
    answer = requests.get(url, headers={"Last-Event-ID": done.id}, timeout=30)
    assert (answer.status_code, answer.content) == (204, b"")
    assert hits(site, "/a.jpg") == 1


@pytest.mark.parametrize("last_id", ["x", "-1", "1" * 26, "0x7", "\u0661"])
def test_an_id_that_was_never_given_counts_as_none(check: Callable[..., str], last_id: str) -> None:
    events = list(listen(check("no url"), last_id.encode().decode("latin-1")))
    assert [event.name for event in events] == ["item", DONE]


def test_the_events_of_an_unknown_check_are_a_problem(stack: Supervisor) -> None:
    answer = requests.get(f"{stack.url}/v1/checks/{'0' * 32}/events", timeout=30)
    assert answer.status_code == 404
    assert json.loads(answer.content)["title"] == "Not Found"


def test_a_client_that_leaves_takes_its_subscription_with_it(
    check: Callable[..., str], site: HTTPServer, stack: Supervisor
) -> None:
    leave = threading.Event()

    def late(_: Request) -> Response:
        leave.wait(60)
        return Response(encoded(drawing(74)))

    site.expect_request("/late.jpg").respond_with_handler(late)
    url = check(site.url_for("/late.jpg"))
    with Redis.from_url(str(stack.settings.redis_url)) as redis:

        def subscribed() -> bool:
            return bool(redis.pubsub_channels("assay:done:*"))

        with requests.get(url, stream=True, timeout=30) as answer:
            assert next(answer.iter_lines()) == b"retry: 2000"
            until(subscribed, "the client is subscribed")
        until(lambda: not subscribed(), "the subscription ends", 90)
        leave.set()
