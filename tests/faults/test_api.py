"""APIs that are stopped or killed, and clients that are many or slow."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from backend.supervisor import is_ready
from tests.conftest import until
from tests.faults.cluster import Cluster
from tests.faults.conftest import URLS
from tests.faults.drive import through_both, through_checks, verify
from tests.faults.site import ImageSite


def test_an_api_restarted_and_killed_costs_nothing(cluster: Cluster, images: ImageSite) -> None:
    drive, end = through_both(cluster.url, images.urls(URLS))
    for nth, take_away in enumerate((cluster.api.stop, cluster.api.kill, cluster.api.stop), 1):
        until(lambda n=nth: drive.ended >= n * 40, "some are judged", 600)  # type: ignore[misc]
        take_away()
        cluster.start_api()
    verify(cluster, end())


@contextmanager
def one_byte_a_second(server: str, request: bytes, *, reading: bool) -> Iterator[list[bytes]]:
    """Keep a connection whose request is sent, or whose answer is read, at this pace.

    Yields:
        What was received so far.
    """
    address, _, port = server.removeprefix("http://").rpartition(":")
    received: list[bytes] = []
    stop = threading.Event()
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        slow.settimeout(60)
        slow.connect((address, int(port)))
        if reading:
            slow.sendall(request)

        def go_on() -> None:
            with suppress(OSError):  # a server may lose its patience
                for byte in request:
                    if reading:
                        received.append(slow.recv(1))
                    else:
                        slow.sendall(bytes([byte]))
                    if stop.wait(1):
                        return

        thread = threading.Thread(target=go_on, daemon=True)
        thread.start()
        yield received
        stop.set()
        thread.join(70)


def test_five_hundred_clients_at_once_and_two_slow_ones_are_all_served(
    cluster: Cluster, images: ImageSite
) -> None:
    urls = images.urls(500)
    body = json.dumps({"urls": urls}).encode()
    head = f"Host: {cluster.settings.bind}\r\nContent-Type: application/json\r\n"
    lookup = (
        f"POST /v1/lookups HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    )
    with (
        one_byte_a_second(cluster.url, lookup, reading=True) as slowly_read,
        one_byte_a_second(cluster.url, lookup, reading=False),
    ):
        _, end = through_checks(cluster.url, urls, clients=500)
        verify(cluster, end())
        assert b"".join(slowly_read).startswith(b"HTTP/1.1 ")
        assert is_ready(cluster.url)
