"""A real worker's processes: what they load, how they end, and whom they serve first."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from pytest_httpserver import HTTPServer
from redis import Redis
from werkzeug import Request, Response

from backend.processes import environment
from models.errors import ErrorCode
from models.processor import fastest_precision, instructions
from models.verdict import ItemError
from settings import Settings
from tests.conftest import hits, until
from tests.pictures import drawing, encoded
from tests.workers.running.worker import a_worker
from workers.celery_app import make_celery
from workers.scheduling.dispatch import DISPATCH_TTL, ITEMS_PER_DISPATCH
from workers.scheduling.queues import Queue, enqueue
from workers.storage import keys
from workers.storage.scans import Scans
from workers.storage.scans.records import ScanItem, ScanSummary
from workers.storage.stores import Stores
from workers.storage.verdict_cache import CacheEntry
from workers.tasks import NICENESS, WorkerProcess

pytestmark = pytest.mark.slow


class Last:
    """The worker that was started last. Starting one takes seconds, so tests share it."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._worker: psutil.Process | None = None

    def or_new(self, settings: Settings, stores: Stores, log: Path) -> psutil.Process:
        if self._worker is None or not is_alive(self._worker):
            self.stop()
            self._worker = self._stack.enter_context(a_worker(settings, stores, log))
        return self._worker

    def stop(self) -> None:
        """Leave no worker that would take the work of another."""
        self._stack.close()
        self._worker = None


def is_alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


@pytest.fixture(scope="module")
def last() -> Iterator[Last]:
    """The worker of the test before, which may have ended it."""
    with ExitStack() as stack:
        yield Last(stack)


@pytest.fixture
def worker(last: Last, settings: Settings, stores: Stores, tmp_path: Path) -> psutil.Process:
    """A worker with one process, ready for work: the last one, if it still runs."""
    return last.or_new(settings, stores, tmp_path / "worker.log")


def put(settings: Settings, stores: Stores, urls: list[str], queue: Queue = "interactive") -> None:
    stores.claims.claim_queued(urls)
    enqueue(
        make_celery(settings, stores.redis),
        [{"address": url, "since": 0, "referer": None, "queue": queue} for url in urls],
        queue,
    )


def slow(site: HTTPServer, path: str, seed: int, delay: float) -> str:
    def answer(_: Request) -> Response:
        time.sleep(delay)
        return Response(encoded(drawing(seed)))

    site.expect_request(path).respond_with_handler(answer)
    return site.url_for(path)


def judged(stores: Stores, url: str) -> bool:
    (known,) = stores.cache.lookup([url])
    return known is not None and known.verdict is not None


def judge_one(
    settings: Settings, stores: Stores, site: HTTPServer, queue: Queue = "interactive"
) -> None:
    """Have an image judged: the parent says that it lives before its process is set up."""
    url = slow(site, "/drawing.jpg", 1, delay=0)
    put(settings, stores, [url], queue)
    until(lambda: judged(stores, url), "the image is judged")


def test_no_process_of_a_worker_loads_tensorflow(
    worker: psutil.Process, settings: Settings, stores: Stores, site: HTTPServer
) -> None:
    judge_one(settings, stores, site)
    for process in [worker, *worker.children()]:
        # By folder: the runtime has readers for the formats of both among its own libraries.
        loaded = [each.path for each in process.memory_maps()]
        assert not [path for path in loaded if re.search("-packages/(tensorflow|torch)/", path)]


def test_a_worker_tells_in_which_arithmetic_its_processor_computes(
    last: Last, settings: Settings, stores: Stores, tmp_path: Path
) -> None:
    last.stop()
    log = tmp_path / "worker.log"
    with a_worker(settings, stores, log):
        (record,) = stores.workers.live()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    (started,) = (line for line in lines if line["event"] == "worker_starts")

    assert record.precision == started["precision"] == fastest_precision(instructions())


@pytest.mark.parametrize(("queue", "niceness"), [("bulk", NICENESS), ("interactive", 0)])
def test_processes_that_take_bulk_work_give_way_to_those_kept_for_people(
    last: Last,
    settings: Settings,
    stores: Stores,
    site: HTTPServer,
    tmp_path: Path,
    queue: Queue,
    niceness: int,
) -> None:
    last.stop()
    with a_worker(settings, stores, tmp_path / "worker.log", "--queue", queue) as worker:
        judge_one(settings, stores, site, queue)
        ours = os.nice(0)
        assert {process.nice() for process in worker.children()} == {ours + niceness}
        assert worker.nice() == ours, "its signs of life must not be late"


BROKEN_WEIGHTS = """
from backend.cli import main as cli
from models.ensemble import Ensemble
from models.manifest import WeightsError

def load(**_):
    raise WeightsError("cnn.xml is damaged")

Ensemble.load = load
cli.main()
"""


def test_a_worker_whose_weights_cannot_be_loaded_ends_and_says_why(settings: Settings) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", BROKEN_WEIGHTS, "worker"],
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "cnn.xml is damaged" in ended.stderr


def test_a_worker_told_to_stop_finishes_what_it_runs(
    worker: psutil.Process, settings: Settings, stores: Stores, site: HTTPServer
) -> None:
    url = slow(site, "/slow.jpg", 1, delay=1)
    put(settings, stores, [url])
    until(lambda: _asked(site, worker), "the fetch began")
    worker.send_signal(signal.SIGTERM)
    worker.wait(120)
    assert judged(stores, url)
    assert stores.workers.live() == []


def test_the_job_of_a_process_that_was_killed_is_done_by_the_next(
    worker: psutil.Process, settings: Settings, stores: Stores, site: HTTPServer
) -> None:
    url = slow(site, "/slow.jpg", 2, delay=1)
    put(settings, stores, [url])
    until(lambda: _asked(site, worker), "the fetch began")
    for child in worker.children():
        os.kill(child.pid, signal.SIGKILL)
    until(lambda: judged(stores, url), "another process did the job")
    assert hits(site, "/slow.jpg") == 2


# Scans

SCAN = "a" * 32


def summary(scans: Scans, scan_id: str = SCAN) -> ScanSummary:
    found = scans.reader.summary(scan_id)
    assert found is not None
    return found


def scan(scans: Scans, urls: list[str], scan_id: str = SCAN) -> None:
    scans.creator.create(scan_id, owner="", force=False, items=[ScanItem(url) for url in urls])


def ended(scans: Scans, scan_id: str = SCAN) -> Callable[[], bool]:
    return lambda: summary(scans, scan_id).finished_at is not None


def forget(redis: Redis, *patterns: str) -> None:
    for key in (key for pattern in patterns for key in redis.keys(pattern)):
        redis.delete(key)


def test_a_scan_is_carried_out_by_itself(
    worker: psutil.Process, scans: Scans, site: HTTPServer
) -> None:
    assert worker.is_running()
    urls = [slow(site, f"/{n}.jpg", n, delay=0) for n in range(40)]
    urls[7] = site.url_for("/missing.jpg")
    urls[8:10] = [urls[3]] * 2
    scan(scans, urls)
    until(ended(scans), "every item has its result")
    assert (summary(scans).done, summary(scans).failed) == (39, 1)
    assert [each.item.url for each in scans.reader.results(SCAN, count=100)] == urls
    assert sum(summary(scans).labels.values()) == 39
    assert hits(site, "/3.jpg") == 1, "one fetch serves all duplicates"


def test_one_dispatch_records_all_results_that_are_cached(
    last: Last, settings: Settings, stores: Stores, redis: Redis
) -> None:
    last.stop()
    urls = [f"http://127.0.0.1/{n}.jpg" for n in range(3 * ITEMS_PER_DISPATCH)]
    error = ItemError(code=ErrorCode.TIMEOUT, detail="It was slow.")
    for url in urls:
        stores.cache.save_entry(url, CacheEntry(at=time.time(), error=error))
    scan(stores.scans, urls)
    redis.zadd(keys.dispatch(stores.model_version), {"one": time.time() + DISPATCH_TTL})
    process = WorkerProcess(settings, make_celery(settings, redis))
    try:
        process.scan("one")
    finally:
        process.close()
    assert summary(stores.scans).failed == len(urls)


def test_slow_servers_keep_no_other_image_of_a_scan_waiting(
    worker: psutil.Process, scans: Scans, site: HTTPServer, free_port: int
) -> None:
    assert worker.is_running()
    end = threading.Event()

    def trickle(_: Request) -> Response:
        end.wait(120)
        return Response(encoded(drawing(1)))

    site.expect_request(re.compile("/slow/.*")).respond_with_handler(trickle)
    others = [slow(site, f"/{n}.jpg", n, delay=0) for n in range(40)]
    stuck = [site.url_for(f"/slow/{n}.jpg") for n in range(60)]
    dead = [f"http://127.0.0.1:{free_port}/{n}.jpg" for n in range(60)]
    here = [url.replace("127.0.0.1", "127.0.0.2") for url in others]
    with HTTPServer(host="127.0.0.2", port=site.port, threaded=True) as other_host:
        for n in range(40):
            slow(other_host, f"/{n}.jpg", n, delay=0)
        scan(scans, [*stuck, *dead, *here])
        until(
            lambda: all(
                each.item.status == "done"
                for each in scans.reader.results(SCAN, start=120, count=40)
            ),
            "the fast host's images are judged",
            180,
        )
        assert summary(scans).pending >= 1, "while the slow host keeps its own waiting"
        end.set()
        until(ended(scans), "the slow ones end too", 120)
    assert summary(scans).failed >= 60


def test_a_scan_goes_on_after_its_worker_and_all_messages_are_gone(
    worker: psutil.Process, scans: Scans, site: HTTPServer, redis: Redis
) -> None:
    urls = [slow(site, f"/{n}.jpg", n, delay=0.3) for n in range(30)]
    scan(scans, urls)
    until(lambda: summary(scans).done > 3, "it is under way")
    for child in worker.children():
        os.kill(child.pid, signal.SIGKILL)
    forget(redis, "assay:tasks:*:bulk", "assay:tasks:*:unacked*")
    # As if a while had passed:
    forget(redis, "assay:claim:*", "assay:image-lock:*")
    for key in (keys.scan(SCAN, ":todo"), *redis.keys("assay:dispatch:*")):
        for member, score in redis.zrange(key, 0, -1, withscores=True):
            redis.zadd(
                key, {member: float(score) - (DISPATCH_TTL if float(score) > 1e9 else 0)}, xx=True
            )
    until(ended(scans), "every item has its result", 120)
    assert summary(scans).done == 30


def test_a_worker_told_to_stop_finishes_what_its_threads_fetch(
    worker: psutil.Process, scans: Scans, site: HTTPServer
) -> None:
    scan(scans, [slow(site, "/slow.jpg", 1, delay=4.5)])
    until(lambda: _asked(site, worker), "the fetch began")
    time.sleep(2.5)  # longer than a task waits for a slow server
    worker.send_signal(signal.SIGTERM)
    worker.wait(60)
    assert summary(scans).done == 1


def test_who_waits_goes_before_bulk_work(
    worker: psutil.Process, settings: Settings, stores: Stores, site: HTTPServer
) -> None:
    assert worker.is_running()
    bulk = [slow(site, f"/bulk{n}.jpg", n, delay=0.05) for n in range(96)]
    put(settings, stores, bulk, "bulk")
    urgent = slow(site, "/urgent.jpg", 99, delay=0)
    put(settings, stores, [urgent])
    until(lambda: judged(stores, urgent), "the urgent one is judged")
    assert sum(judged(stores, url) for url in bulk) <= 32, "one running batch may be ahead"
    until(lambda: all(judged(stores, url) for url in bulk), "the bulk is judged too")


def _asked(site: HTTPServer, worker: psutil.Process) -> bool:
    """Whether a process of the worker has a connection to the site."""
    return any(
        connection.raddr and connection.raddr.port == site.port
        for child in worker.children()
        for connection in child.net_connections()
    )
