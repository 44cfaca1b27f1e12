"""Jobs, and servers whose answers take their time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import cast

from pytest_httpserver import HTTPServer
from redis import Redis
from werkzeug import Request, Response

from models.manifest import load_manifest
from settings import Settings
from tests.pictures import drawing, encoded
from workers.scheduling.queues import Job
from workers.storage import keys


def job(address: str, since: float | None = None) -> Job:
    since = time.time() - 3600 if since is None else since
    return {"address": address, "since": since, "referer": None, "queue": "interactive"}


def queued(redis: Redis, queue: str) -> int:
    """Count the messages in a queue."""
    return cast(
        int,
        redis.llen(keys.broker_prefix(load_manifest().version_for(Settings().second_look)) + queue),
    )


def host_of(site: HTTPServer) -> str:
    """Name the site as a canonical URL does."""
    return f"{site.host}:{site.port}"


def trickle(site: HTTPServer, path: str, end: threading.Event, data: bytes = b"") -> str:
    """Serve a file whose last bytes come when the event is set."""

    def answer(_: Request) -> Response:
        def body() -> Iterator[bytes]:
            yield data[:100]
            end.wait(60)
            yield data[100:]

        return Response(body(), headers={"Content-Length": str(len(data))})

    site.expect_request(path).respond_with_handler(answer)
    return site.url_for(path)


def answers_later(site: HTTPServer, path: str, header: str, times: int) -> str:
    """Serve an image, but send the client away some times first."""
    answers = [Response(status=429, headers={"Retry-After": header})] * times

    def answer(_: Request) -> Response:
        return answers.pop() if answers else Response(encoded(drawing(1)))

    site.expect_request(path).respond_with_handler(answer)
    return site.url_for(path)


def leads_to(site: HTTPServer, path: str, target: str) -> str:
    """Redirect from a path to a URL."""
    site.expect_request(path).respond_with_data(status=302, headers={"Location": target})
    return site.url_for(path)
