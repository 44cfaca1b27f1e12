"""Which queues a worker serves: all, or one for which it is kept free."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from backend.processes import environment
from backend.supervisor import Supervisor
from models.manifest import load_manifest
from settings import Settings
from tests.conftest import hits, until
from tests.pictures import drawing, encoded
from workers.celery_app import make_celery
from workers.scheduling.queues import Queue, enqueue
from workers.storage.stores import Stores
from workers.storage.worker_registry import WorkerRecord

pytestmark = pytest.mark.slow

Start = Callable[..., WorkerRecord]


@pytest.fixture
def start(settings: Settings, stores: Stores, tmp_path: Path) -> Iterator[Start]:
    """Start a worker with these options, and return what it says of itself."""
    with ExitStack() as at_the_end:

        def starter(*options: str) -> WorkerRecord:
            before = stores.workers.live()
            log = at_the_end.enter_context((tmp_path / f"worker{len(before)}.log").open("wb"))
            process = subprocess.Popen(
                [sys.executable, "-m", "backend.cli", "worker", *options],
                env=environment(settings),
                stdout=log,
                stderr=log,
            )
            at_the_end.callback(process.wait, 30)
            at_the_end.callback(process.terminate)
            until(lambda: len(stores.workers.live()) > len(before), "the worker lives")
            (record,) = [each for each in stores.workers.live() if each not in before]
            return record

        yield starter


def put(settings: Settings, stores: Stores, url: str, queue: Queue) -> None:
    stores.claims.claim_queued([url])
    enqueue(
        make_celery(settings, stores.redis),
        [{"address": url, "since": 0, "referer": None, "queue": queue}],
        queue,
    )


def test_a_worker_serves_both_queues_unless_it_is_told_which(start: Start) -> None:
    record = start()
    assert record.queues == ("interactive", "bulk")
    assert record.processes == 1
    assert start("--queue", "bulk").queues == ("bulk",)


def test_a_worker_kept_for_people_leaves_bulk_work_alone(
    start: Start, settings: Settings, stores: Stores, site: HTTPServer
) -> None:
    urls = [site.url_for(path) for path in ("/bulk.png", "/urgent.png")]
    for number, path in enumerate(("/bulk.png", "/urgent.png")):
        site.expect_request(path).respond_with_data(encoded(drawing(number), "PNG"))
    put(settings, stores, urls[0], "bulk")

    assert start("--queue", "interactive").queues == ("interactive",)
    put(settings, stores, urls[1], "interactive")

    until(lambda: stores.cache.lookup(urls)[1] is not None, "the urgent one is judged")
    assert hits(site, "/bulk.png") == 0
    start("--queue", "bulk")
    until(lambda: stores.cache.lookup(urls)[0] is not None, "the other worker does the bulk work")


def test_a_worker_that_is_told_to_stop_says_so_while_it_finishes(
    start: Start, settings: Settings, stores: Stores, site: HTTPServer
) -> None:
    asked, released = threading.Event(), threading.Event()

    def answer(_: Request) -> Response:
        asked.set()
        assert released.wait(60)
        return Response(encoded(drawing(3), "PNG"))

    site.expect_request("/slow.png").respond_with_handler(answer)
    url = site.url_for("/slow.png")
    record = start()
    put(settings, stores, url, "interactive")
    assert asked.wait(60)
    os.kill(int(record.name.removeprefix("assay-").partition("@")[0]), signal.SIGTERM)
    until(lambda: stores.workers.live() == [], "it says that it goes")
    assert stores.cache.lookup([url]) == [None], "it has not finished"
    released.set()
    until(lambda: stores.cache.lookup([url])[0] is not None, "it finishes what it runs")


def test_the_stack_keeps_one_process_for_people(stack: Supervisor) -> None:
    stores = Stores.open(stack.settings, load_manifest().version)
    shared, reserved = sorted(stores.workers.live(), key=lambda each: -len(each.queues))
    assert (shared.queues, shared.processes) == (
        ("interactive", "bulk"),
        stack.settings.worker_processes,
    )
    assert (reserved.queues, reserved.processes) == (("interactive",), 1)
    assert len(stack.worker_processes()) == stack.settings.worker_processes + 1
