"""Serving: many waiting clients, slow clients, and a clean stop."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import psutil
import pytest
import requests
from gevent import sleep as gevent_sleep
from pytest_httpserver import HTTPServer
from redis import Redis
from werkzeug import Request, Response
from werkzeug.exceptions import RequestTimeout

from backend.gunicorn_conf import DeadlineReader
from backend.processes import environment, free_port
from backend.supervisor import Supervisor
from settings import Settings
from tests.conftest import settings_at, until
from tests.pictures import drawing, encoded

pytestmark = pytest.mark.slow

URL = "https://example.com/a.jpg"


@contextmanager
def an_api(settings: Settings, log: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run `assay api`, and give its process and address."""
    settings = settings.model_copy(update={"bind": f"127.0.0.1:{free_port('127.0.0.1')}"})
    url = f"http://{settings.bind}"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [sys.executable, "-m", "backend.cli", "api"],
            env=environment(settings),
            stdout=output,
            stderr=output,
        ) as process,
    ):
        try:
            until(lambda: answers(url), "the API answers")
            yield process, url
        finally:
            process.terminate()
            process.wait(60)


def answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/healthz", timeout=5).ok
    except requests.RequestException:
        return False


@pytest.fixture
def settings(
    tmp_path: Path,
    valkey_url: str,
    redis: Redis,  # noqa: ARG001 - makes it empty
) -> Settings:
    return settings_at(tmp_path, redis_url=valkey_url)


def slow_picture(site: HTTPServer, path: str, seconds: float) -> str:
    def answer(_: Request) -> Response:
        time.sleep(seconds)
        return Response(encoded(drawing(1), "PNG"))

    site.expect_request(path).respond_with_handler(answer)
    return site.url_for(path)


def connection_to(url: str) -> socket.socket:
    host, _, port = url.removeprefix("http://").rpartition(":")
    return socket.create_connection((host, int(port)), timeout=90)


def test_five_hundred_who_wait_at_once_all_get_their_answer(
    stack: Supervisor, site: HTTPServer
) -> None:
    url = slow_picture(site, "/wanted.png", seconds=3)

    def ask(_: int) -> tuple[int, str]:
        answer = requests.post(
            f"{stack.url}/v1/checks", json={"urls": [url], "wait": 20}, timeout=120
        )
        (item,) = answer.json()["items"]
        return answer.status_code, item["error"]["code"] if "error" in item else item["status"]

    with ThreadPoolExecutor(500) as clients:
        got = Counter(clients.map(ask, range(500)))
    assert set(got) <= {(200, "done"), (202, "pending")}, got
    until(lambda: ask(0) == (200, "done"), "the verdict is known")
    assert len(site.log) == 1, "one fetch for all of them"
    # A machine with nothing else to do answers all of them with the verdict.
    assert got[200, "done"] >= 250, got


def test_a_body_at_a_byte_a_second_is_given_up_and_keeps_nobody_waiting(stack: Supervisor) -> None:
    slow = [connection_to(stack.url) for _ in range(50)]
    for each in slow:
        each.sendall(
            b"POST /v1/lookups HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/json\r\nContent-Length: 5000\r\n\r\n"
        )
    ended = threading.Event()

    def drip() -> None:
        while not ended.wait(1):
            for each in slow:
                with_one_byte(each)

    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        assert requests.get(f"{stack.url}/healthz", timeout=10).ok, "others are served meanwhile"
        answer = slow[0].recv(4096)
        assert answer.startswith(b"HTTP/1.1 408 "), answer
        assert b"application/problem+json" in answer
    finally:
        ended.set()
        dripping.join()
        for each in slow:
            each.close()


def with_one_byte(connection: socket.socket) -> None:
    try:
        connection.sendall(b" ")
    except OSError:
        return


def test_a_body_that_makes_headway_may_take_long() -> None:
    def read(size: int) -> bytes:
        gevent_sleep(0.02)
        return b"x" * size

    body = DeadlineReader(read, seconds=0.05, min_rate=1000)
    assert [len(body.read(100)) for _ in range(5)] == [100] * 5


def test_a_body_that_stalls_is_given_up() -> None:
    pieces = iter([b"x" * 10])

    def read(_: int) -> bytes:
        for piece in pieces:
            return piece
        gevent_sleep(60)
        return b""

    body = DeadlineReader(read, seconds=0.05, min_rate=1000)
    assert body.read(100) == b"x" * 10
    with pytest.raises(RequestTimeout):
        body.read(100)


def test_a_request_s_head_that_never_ends_is_given_up(stack: Supervisor) -> None:
    with connection_to(stack.url) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        assert connection.recv(4096) == b""


def listeners(redis: Redis) -> int:
    channels = redis.pubsub_channels("assay:done:*")
    return sum(number for _, number in redis.pubsub_numsub(*channels))


def test_an_api_told_to_stop_answers_who_waits_and_takes_no_more(
    settings: Settings, tmp_path: Path
) -> None:
    with an_api(settings, tmp_path / "api.log") as (process, url):
        waiting: list[requests.Response] = []

        def wait() -> None:  # no worker runs, so it waits to the end
            body = {"urls": [URL], "wait": 20}
            waiting.append(requests.post(f"{url}/v1/checks", json=body, timeout=60))

        clients = [threading.Thread(target=wait) for _ in range(5)]
        for each in clients:
            each.start()
        with Redis.from_url(str(settings.redis_url)) as redis:
            until(lambda: listeners(redis) == 5, "they wait")
        process.send_signal(signal.SIGTERM)
        for each in clients:
            each.join()
        assert [answer.status_code for answer in waiting] == [202] * 5
        assert {answer.headers["Retry-After"] for answer in waiting} == {"1"}
        assert max(answer.elapsed.total_seconds() for answer in waiting) < 20, "they were early"
        assert process.wait(30) == 0
        assert not answers(url)


def test_a_connection_that_is_open_while_the_api_ends_is_told_that_it_is_not_ready(
    settings: Settings, tmp_path: Path
) -> None:
    with an_api(settings, tmp_path / "api.log") as (process, url):
        connection = HTTPConnection(url.removeprefix("http://"), timeout=90)
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b'{"status":"ok"}')
        for child in psutil.Process(process.pid).children():
            os.kill(child.pid, signal.SIGTERM)
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        assert answer.status == 503
        assert json.loads(answer.read())["status"] == "draining"
        connection.close()


def test_the_log_says_where_the_api_listens(settings: Settings, tmp_path: Path) -> None:
    with an_api(settings, log := tmp_path / "api.log") as (_, url):
        events = [json.loads(line) for line in log.read_text().splitlines()]

    assert [event["address"] for event in events if event["event"] == "listening"] == [url]


def test_a_terminal_is_told_where_the_api_listens(settings: Settings) -> None:
    bind = f"127.0.0.1:{free_port('127.0.0.1')}"
    ours, terminal = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "backend.cli", "api"],
        env=environment(settings.model_copy(update={"bind": bind})),
        stdout=terminal,
        stderr=subprocess.DEVNULL,
    ) as process:
        os.close(terminal)
        try:
            with os.fdopen(ours) as said:
                assert (
                    said.readline() == f"Assay's API listens at http://{bind}. Ctrl-C stops it.\n"
                )
        finally:
            process.terminate()
            process.wait(60)
