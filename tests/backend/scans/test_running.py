"""Scans with everything running, and with failures during a scan."""

from __future__ import annotations

import re
import socket
import threading
from collections import Counter
from contextlib import ExitStack, suppress
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import requests
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from backend.client import Client, RefusedError
from backend.schemas.scans import ItemBody, ScanLine
from backend.supervisor import Supervisor, is_ready
from tests.backend.sse import listen
from tests.conftest import settings_at, until
from tests.pictures import drawing, encoded

pytestmark = pytest.mark.slow

MANY = 2000
PICTURES = [encoded(drawing(seed, (96, 96)), "PNG") for seed in range(200, 220)]


@pytest.fixture
def pictures(site: HTTPServer) -> list[str]:
    """Addresses of pictures; one in ten is not there."""

    def answer(request: Request) -> Response:
        number = int(request.path[1:])
        return Response(status=404) if number % 10 == 9 else Response(PICTURES[number % 20])

    site.expect_request(re.compile(r"/\d+")).respond_with_handler(answer)
    return [site.url_for(f"/{n}") for n in range(MANY)]


@pytest.fixture
def client(stack: Supervisor) -> Client:
    return Client(stack.url, retry_timeout=120)


def ended(client: Client, scan_id: str) -> bool:
    return client.scan(scan_id).counts.pending == 0


def test_a_scan_gives_each_url_one_result_in_both_orders_and_forms(
    client: Client, stack: Supervisor, pictures: list[str]
) -> None:
    items = [ItemBody(url=url, custom_id=f"#{n}") for n, url in enumerate(pictures)]
    scan = client.create_scan(items)
    assert scan.status == "running"
    followed = list(client.results(scan.id, order="finished", follow=True))
    scan = client.scan(scan.id)
    assert scan.status == "done"
    assert (scan.counts.done, scan.counts.failed) == (MANY * 9 // 10, MANY // 10)
    assert sum(scan.labels.values()) == scan.counts.done
    assert sorted(line.index for line in followed) == list(range(MANY))

    in_order = list(client.results(scan.id))
    assert [line.url for line in in_order] == pictures
    assert [line.custom_id for line in in_order] == [f"#{n}" for n in range(MANY)]
    assert {line.status for line in in_order[9::10]} == {"failed"}
    by_index = {line.index: line for line in followed}
    assert in_order == [by_index[n] for n in range(MANY)]

    table = requests.get(stack.url + scan.links.results, params={"format": "csv"}, timeout=60)
    rows = table.text.splitlines()
    assert len(rows) == MANY + 1
    assert rows[10].startswith(f"9,#9,{pictures[9]},failed")


def test_a_scan_goes_on_when_the_api_is_killed_and_its_followers_lose_nothing(
    tmp_path: Path, pictures: list[str]
) -> None:
    with Supervisor(settings_at(tmp_path, failure_ttl=600)) as stack:
        (api,) = (part for part in stack.processes if part.name == "api")
        client = Client(stack.url, retry_timeout=120)
        pictures = pictures[:500]
        scan = client.create_scan(pictures)
        lines: list[ScanLine] = []
        reader = threading.Thread(
            target=lambda: lines.extend(client.results(scan.id, order="finished", follow=True))
        )
        reader.start()
        until(lambda: len(lines) > 20 or not reader.is_alive(), "it has begun")
        assert client.scan(scan.id).counts.pending > 0

        events = listen(f"{stack.url}/v1/scans/{scan.id}/events")
        heard = [event for event in islice(events, 5) if event.name == "result"]
        for process in [*psutil.Process(api.process.pid).children(), api.process]:
            process.kill()
        api.process.wait(10)
        with suppress(requests.RequestException):  # it breaks, unless all of it has come
            heard += (event for event in events if event.name == "result")
        stack.processes.remove(api)
        stack._start_role("api")
        until(lambda: is_ready(stack.url), "the API is back")

        while heard[-1].name != "done":
            url = f"{stack.url}/v1/scans/{scan.id}/events"
            heard += (e for e in listen(url, heard[-1].id) if e.name != "progress")
        assert [e.id for e in heard] == [*map(str, range(1, 501)), "done"]
        assert Counter(e.data["index"] for e in heard[:-1]) == Counter(range(500))
        reader.join(120)
        assert Counter(line.index for line in lines) == Counter(range(500))


def test_cancelling_leaves_what_has_not_begun(
    client: Client, site: HTTPServer, pictures: list[str]
) -> None:
    scan = client.create_scan([f"{url}?cancelled" for url in pictures])
    until(lambda: client.scan(scan.id).counts.done > 0, "it has begun")
    cancelled = client.cancel(scan.id)
    assert cancelled.status == "cancelled"
    assert cancelled.counts.cancelled > 0
    until(lambda: ended(client, scan.id), "what was under way has ended")
    last = client.cancel(scan.id)
    # What waited for its host under way was put back, and ended then.
    assert last.counts.cancelled >= cancelled.counts.cancelled
    fetched = len(site.log)
    assert fetched <= MANY - last.counts.cancelled
    codes = Counter(line.error.code for line in client.results(scan.id) if line.error)
    assert codes["cancelled"] == last.counts.cancelled


def test_a_scan_is_begun_once_however_often_it_is_asked_for(client: Client) -> None:
    assert client.create_scan(["no url"], key="k").id == client.create_scan(["no url"], key="k").id
    with pytest.raises(RefusedError, match="Idempotency-Key"):
        client.create_scan(["no such url"], key="k")


def test_fifty_thousand_urls_are_taken_and_given_back(client: Client, stack: Supervisor) -> None:
    """With a bound on the API's memory; no worker is needed, for none of them can be fetched."""
    api = next(part for part in stack.processes if part.name == "api")
    servers = psutil.Process(api.process.pid).children()

    def memory() -> int:
        return max(server.memory_info().rss for server in servers)

    before = memory()
    scan = client.create_scan(f"ftp://h/{'a' * 400}{n}" for n in range(50_000))
    assert scan.counts.failed == 50_000
    assert sum(1 for _ in client.results(scan.id)) == 50_000
    assert memory() - before < 64 * 2**20


@pytest.mark.parametrize("ask", ["results?order=finished", "events"])
def test_a_client_that_reads_nothing_or_leaves_harms_nobody(
    client: Client, stack: Supervisor, ask: str
) -> None:
    scan = client.create_scan(f"no url {'a' * 4000}{n}" for n in range(5000))
    parts = urlsplit(stack.url)
    head = f"GET /v1/scans/{scan.id}/{ask} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n"
    place = (parts.hostname, parts.port)
    with ExitStack() as clients:
        for _ in range(50):
            each = clients.enter_context(socket.create_connection(place, timeout=60))
            each.sendall(head.encode())
            assert each.recv(12) == b"HTTP/1.1 200"
        assert client.scan(scan.id).status == "done"
    assert sum(1 for _ in client.results(scan.id)) == 5000


@pytest.mark.parametrize(
    ("framing", "body"),
    [
        ("Content-Length: 1000", b"no url\nno u"),
        ("Transfer-Encoding: chunked", b"7\r\nno url\n\r\n9\r\nno u"),
        ("Transfer-Encoding: chunked", b"7\r\nno url\n\r\nxyz\r\n"),
    ],
)
def test_a_list_that_breaks_off_is_no_scan(stack: Supervisor, framing: str, body: bytes) -> None:
    parts = urlsplit(stack.url)
    fields = f"Host: {parts.netloc}\r\nContent-Type: text/plain\r\n{framing}\r\n"
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as connection:
        connection.sendall(f"POST /v1/scans HTTP/1.1\r\n{fields}\r\n".encode() + body)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(12) == b"HTTP/1.1 400"


def test_a_list_can_be_streamed_in(stack: Supervisor) -> None:
    answer = requests.post(
        f"{stack.url}/v1/scans",
        data=(f"http://10.0.0.1/{n}\n".encode() for n in range(3000)),
        headers={"Content-Type": "text/plain"},
        timeout=60,
    )
    assert answer.json()["counts"]["failed"] == 3000
