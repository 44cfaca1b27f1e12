"""Batches of work: real fetches, models and Valkey."""

from __future__ import annotations

import hashlib
import threading
import time

from celery import Celery
from pytest_httpserver import HTTPServer

from models.ensemble import Classification
from models.errors import ErrorCode
from tests.conftest import until
from tests.pictures import drawing, encoded, photograph
from tests.workers.processing.conftest import CountingEnsemble, Do, Make
from tests.workers.processing.jobs import job, trickle
from workers.processing import batch
from workers.storage.stores import Stores


def test_a_batch_gives_each_address_its_verdict(do: Do, site: HTTPServer) -> None:
    files = {f"/{n}.jpg": encoded(drawing(n)) for n in range(10)}
    for path, data in files.items():
        site.expect_request(path).respond_with_data(data, content_type="image/jpeg")
    known = do([site.url_for(path) for path in files])
    assert [each.verdict and each.verdict.image.sha256 for each in known] == [
        hashlib.sha256(data).hexdigest() for data in files.values()
    ]


def test_a_bad_address_harms_no_other_of_its_batch(do: Do, site: HTTPServer) -> None:
    site.expect_request("/good.jpg").respond_with_data(encoded(photograph()))
    site.expect_request("/page.jpg").respond_with_data("<html>hot-link guard</html>")
    site.expect_request("/cut.jpg").respond_with_data(encoded(photograph())[:5000])
    site.expect_request("/gone.jpg").respond_with_data(b"", status=404)
    site.expect_request("/tiny.png").respond_with_data(encoded(drawing(1, (20, 20)), "PNG"))
    names = ["good.jpg", "page.jpg", "cut.jpg", "gone.jpg", "tiny.png"]
    known = do([*map(site.url_for, (f"/{n}" for n in names)), "http://10.0.0.1/a.jpg"])
    assert [each.error.code if each.error else "judged" for each in known] == [
        "judged",
        ErrorCode.NOT_AN_IMAGE,
        ErrorCode.CORRUPT_IMAGE,
        ErrorCode.HTTP_STATUS,
        ErrorCode.TOO_SMALL,
        ErrorCode.BLOCKED_ADDRESS,
    ]


def test_a_task_leaves_slow_servers_to_its_threads_and_their_results_come_all_the_same(
    do: Do, stores: Stores, site: HTTPServer
) -> None:
    end = threading.Event()
    slow = trickle(site, "/slow.jpg", end, encoded(drawing(1)))
    site.expect_request("/fast.jpg").respond_with_data(encoded(drawing(2)))
    fast = site.url_for("/fast.jpg")
    do.jobs([job(slow), job(fast)])
    assert [bool(known) for known in stores.cache.lookup([slow, fast])] == [False, True]
    assert do.runner.room == batch.THREADS - batch.INTERACTIVE_THREADS - 1
    end.set()
    until(lambda: stores.cache.lookup([slow])[0] is not None, "its thread ends")
    assert stores.claims.claim_queued([slow]) == [slow], "and its job with it"


def test_one_image_is_judged_at_a_time(
    make: Make, stores: Stores, celery: Celery, site: HTTPServer
) -> None:
    class Watched(CountingEnsemble):
        inside = most = 0

        def classify(self, pixels) -> Classification:  # type: ignore[no-untyped-def]
            self.inside += 1
            self.most = max(self.most, self.inside)
            time.sleep(0.02)
            self.inside -= 1
            return super().classify(pixels)

    watched = Watched.load()
    urls = [site.url_for(f"/{n}.jpg") for n in range(8)]
    for n in range(8):
        site.expect_request(f"/{n}.jpg").respond_with_data(encoded(drawing(n)))
    Do(make(watched), stores, celery)(urls)
    assert (watched.classified, watched.most) == (8, 1)


def test_bytes_that_another_worker_judges_keep_no_other_image_waiting(
    do: Do, stores: Stores, site: HTTPServer
) -> None:
    data = encoded(drawing(1))
    site.expect_request("/1.jpg").respond_with_data(data)
    site.expect_request("/2.jpg").respond_with_data(encoded(drawing(2)))
    first, second = site.url_for("/1.jpg"), site.url_for("/2.jpg")
    with stores.image_locks.hold(hashlib.sha256(data).hexdigest()):  # and seems to take for ever
        task = threading.Thread(target=do.jobs, args=[[job(first), job(second)]])
        task.start()
        until(lambda: stores.cache.lookup([second])[0] is not None, "the other is judged")
        assert stores.cache.lookup([first]) == [None]
    task.join()
    assert stores.cache.lookup([first])[0] is not None


def test_a_process_that_ends_waits_for_its_threads(
    do: Do, stores: Stores, site: HTTPServer
) -> None:
    end = threading.Event()
    slow = trickle(site, "/slow.jpg", end, encoded(drawing(1)))
    do.jobs([job(slow)])
    threading.Timer(0.5, end.set).start()
    do.runner.close()
    assert stores.cache.lookup([slow])[0] is not None
