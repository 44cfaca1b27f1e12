"""A batch of jobs, from addresses to what is known of them: real fetches, members and Valkey."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from redis import Redis
from werkzeug import Request, Response

from models.ensemble import Ensemble, Judgement
from models.errors import ErrorCode
from tests.conftest import LOOPBACK, hits
from tests.pictures import drawing, encoded, photograph
from workers import judge as judge_module
from workers.fetch.client import Fetcher
from workers.judge import BatchJudge
from workers.queue import Job
from workers.spool import Spool
from workers.store import Known, Store, upload_address


class CountingEnsemble(Ensemble):
    """The real ensemble, which counts what it is asked."""

    judged = 0

    def judge(self, pixels):  # type: ignore[no-untyped-def]
        self.judged += 1
        return super().judge(pixels)


@pytest.fixture(scope="module")
def loaded() -> CountingEnsemble:
    return CountingEnsemble.load()


@pytest.fixture
def ensemble(loaded: CountingEnsemble) -> CountingEnsemble:
    loaded.judged = 0
    return loaded


@pytest.fixture
def store(redis: Redis, loaded: CountingEnsemble) -> Store:
    """An empty store, of the ensemble's version."""
    return Store(redis, model_version=loaded.version, verdict_ttl=3600, failure_ttl=300)


@pytest.fixture
def returned() -> list[Job]:
    """Jobs that were put back into their queue."""
    return []


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "uploads")


@pytest.fixture
def batch(
    store: Store, ensemble: CountingEnsemble, spool: Spool, returned: list[Job]
) -> Iterator[BatchJudge]:
    fetcher = Fetcher(LOOPBACK)
    yield BatchJudge(store, fetcher, spool, ensemble, returned.extend)
    fetcher.close()


def job(address: str, since: float | None = None) -> Job:
    since = time.time() - 3600 if since is None else since
    return {"address": address, "since": since, "referer": None, "queue": "interactive"}


def do(batch: BatchJudge, store: Store, addresses: Sequence[str], **more: float) -> list[Known]:
    """Do the jobs as a task does, and return what is then known."""
    store.claim(addresses)
    batch.run([job(address, **more) for address in addresses], owner="task")
    known = store.lookup(addresses)
    assert all(known)
    assert store.claim(addresses) == list(addresses), "no job may be left"
    store.release(addresses)
    return [each for each in known if each]


def test_a_batch_gives_each_address_its_verdict(
    batch: BatchJudge, store: Store, site: HTTPServer
) -> None:
    files = {f"/{n}.jpg": encoded(drawing(n)) for n in range(10)}
    for path, data in files.items():
        site.expect_request(path).respond_with_data(data, content_type="image/jpeg")
    known = do(batch, store, [site.url_for(path) for path in files])
    assert [each.verdict and each.verdict.image.sha256 for each in known] == [
        hashlib.sha256(data).hexdigest() for data in files.values()
    ]


def test_the_same_image_at_two_urls_is_classified_once(
    batch: BatchJudge, store: Store, site: HTTPServer, ensemble: CountingEnsemble
) -> None:
    data = encoded(photograph())
    for path in ("/one.jpg", "/two.jpg", "/three.jpg"):
        site.expect_request(path).respond_with_data(data)
    known = do(batch, store, [site.url_for("/one.jpg"), site.url_for("/two.jpg")])
    known += do(batch, store, [site.url_for("/three.jpg")])
    assert ensemble.judged == 1
    assert len({each.verdict and each.verdict.checked_at for each in known}) == 1


def test_two_workers_that_meet_the_same_image_classify_it_once(
    store: Store, site: HTTPServer, spool: Spool
) -> None:
    site.expect_request("/one.jpg").respond_with_data(data := encoded(photograph("coffee")))
    site.expect_request("/two.jpg").respond_with_data(data)
    together = threading.Barrier(2)

    class Waiting(CountingEnsemble):
        """Lets the other worker come while this one judges."""

        def judge(self, pixels) -> Judgement:  # type: ignore[no-untyped-def]
            time.sleep(0.2)
            return super().judge(pixels)

    workers = [Waiting.load(), Waiting.load()]

    def work(number: int, path: str) -> None:
        worker = BatchJudge(store, Fetcher(LOOPBACK), spool, workers[number], lambda _: None)
        together.wait()
        worker.run([job(site.url_for(path))], owner=f"task-{number}")

    threads = [
        threading.Thread(target=work, args=args) for args in enumerate(("/one.jpg", "/two.jpg"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(worker.judged for worker in workers) == 1
    assert all(
        known and known.verdict
        for known in store.lookup([site.url_for("/one.jpg"), site.url_for("/two.jpg")])
    )


def test_an_image_that_has_not_changed_is_asked_for_by_its_etag_and_not_sent_again(
    batch: BatchJudge, store: Store, site: HTTPServer, ensemble: CountingEnsemble
) -> None:
    def answer(request: Request) -> Response:
        if request.headers.get("If-None-Match") == '"v1"':
            return Response(status=304)
        return Response(encoded(photograph()), headers={"ETag": '"v1"'})

    site.expect_request("/a.jpg").respond_with_handler(answer)
    url = site.url_for("/a.jpg")
    (first,) = do(batch, store, [url])
    now = time.time()
    (second,) = do(batch, store, [url], since=now)
    assert second.at >= now > first.at
    assert second.verdict == first.verdict
    assert [response.status_code for _, response in site.log] == [200, 304]
    assert ensemble.judged == 1


def test_an_image_that_has_changed_is_judged_anew(
    batch: BatchJudge, store: Store, site: HTTPServer
) -> None:
    bodies = [encoded(photograph("astronaut")), encoded(photograph("rocket"))]
    site.expect_ordered_request("/a.jpg").respond_with_data(
        bodies[0], headers={"Last-Modified": "Mon, 05 Jan 2026 10:00:00 GMT"}
    )
    site.expect_ordered_request(
        "/a.jpg", headers={"If-Modified-Since": "Mon, 05 Jan 2026 10:00:00 GMT"}
    ).respond_with_data(bodies[1])
    (first,) = do(batch, store, [site.url_for("/a.jpg")])
    (second,) = do(batch, store, [site.url_for("/a.jpg")], since=time.time())
    assert first.verdict is not None
    assert second.verdict is not None
    assert first.verdict.image.sha256 != second.verdict.image.sha256


def test_a_bad_address_harms_no_other_of_its_batch(
    batch: BatchJudge, store: Store, site: HTTPServer
) -> None:
    site.expect_request("/good.jpg").respond_with_data(encoded(photograph()))
    site.expect_request("/page.jpg").respond_with_data("<html>hot-link guard</html>")
    site.expect_request("/cut.jpg").respond_with_data(encoded(photograph())[:5000])
    site.expect_request("/gone.jpg").respond_with_data(b"", status=404)
    site.expect_request("/tiny.png").respond_with_data(encoded(drawing(1, (20, 20)), "PNG"))
    names = ["good.jpg", "page.jpg", "cut.jpg", "gone.jpg", "tiny.png"]
    known = do(
        batch, store, [*map(site.url_for, (f"/{n}" for n in names)), "http://10.0.0.1/a.jpg"]
    )
    assert [each.error.code if each.error else "judged" for each in known] == [
        "judged",
        ErrorCode.NOT_AN_IMAGE,
        ErrorCode.CORRUPT_IMAGE,
        ErrorCode.HTTP_STATUS,
        ErrorCode.TOO_SMALL,
        ErrorCode.BLOCKED_ADDRESS,
    ]


def test_a_task_that_is_delivered_twice_does_its_work_once(
    batch: BatchJudge, store: Store, site: HTTPServer
) -> None:
    site.expect_request("/a.jpg").respond_with_data(encoded(photograph()))
    url = site.url_for("/a.jpg")
    do(batch, store, [url])
    with store.listen([url]) as listener:
        batch.run([job(url)], owner="task")
        assert listener.next(time.monotonic() + 5) == url, "who waits is told all the same"
    assert hits(site, "/a.jpg") == 1


def test_an_address_that_another_task_works_on_is_left_to_it(
    batch: BatchJudge, store: Store, site: HTTPServer
) -> None:
    url = site.url_for("/a.jpg")
    assert store.begin(url, "another task")
    batch.run([job(url)], owner="task")
    assert site.log == []
    assert store.claim([url]) == []


def test_a_host_that_is_busy_gets_the_job_later(
    batch: BatchJudge,
    store: Store,
    site: HTTPServer,
    returned: list[Job],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(judge_module, "PATIENCE_WITH_HOST", 0.05)
    url = site.url_for("/a.jpg")
    host = f"{site.host}:{site.port}"
    for visitor in ("a", "b"):
        store.enter_host(host, visitor)
    store.claim([url])
    batch.run([job(url)], owner="task")
    assert [each["address"] for each in returned] == [url]
    assert store.claim([url]) == [], "it is still queued"
    assert site.log == []


def test_a_dead_host_is_asked_a_few_times_and_its_other_addresses_fail_at_once(
    batch: BatchJudge, store: Store, free_port: int
) -> None:
    known = do(batch, store, [f"http://127.0.0.1:{free_port}/{n}.jpg" for n in range(20)])
    assert {each.error and each.error.code for each in known} == {ErrorCode.CONNECT_FAILURE}
    left_alone = [each for each in known if each.error and "left alone" in each.error.detail]
    assert len(left_alone) >= 10


def test_an_upload_is_judged_and_then_gone_from_the_disk(
    batch: BatchJudge, store: Store, spool: Spool, tmp_path: Path
) -> None:
    data = encoded(photograph())
    sha256 = hashlib.sha256(data).hexdigest()
    spool.put(sha256, data)
    (known,) = do(batch, store, [upload_address(sha256)])
    assert known.verdict is not None
    assert known.verdict.image.sha256 == sha256
    assert list((tmp_path / "uploads").iterdir()) == []


def test_an_image_that_killed_its_process_several_times_is_given_up(
    batch: BatchJudge, store: Store, site: HTTPServer, ensemble: CountingEnsemble
) -> None:
    data = encoded(photograph())
    site.expect_request("/a.jpg").respond_with_data(data)
    for _ in range(judge_module.MOST_ATTEMPTS):
        with pytest.raises(KeyboardInterrupt), store.judging(hashlib.sha256(data).hexdigest()):
            raise KeyboardInterrupt
    (known,) = do(batch, store, [site.url_for("/a.jpg")])
    assert known.error is not None
    assert known.error.code == ErrorCode.INTERNAL
    assert ensemble.judged == 0
