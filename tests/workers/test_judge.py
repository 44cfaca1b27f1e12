"""A batch of jobs, from addresses to what is known of them: real fetches, members and Valkey."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import cast

import pytest
from celery import Celery
from pytest_httpserver import HTTPServer
from redis import Redis
from werkzeug import Request, Response

from models.ensemble import Ensemble, Judgement
from models.errors import ErrorCode
from settings import Settings
from tests.conftest import LOOPBACK, hits, until
from tests.pictures import drawing, encoded, photograph
from workers import judge as judge_module
from workers.app import make_celery, prefix
from workers.fetch.client import Fetcher
from workers.hosts import MOST_TURNED_AWAY, REQUESTS_PER_HOST, Hosts
from workers.judge import Judge
from workers.lanes import Lanes, job_waits
from workers.leases import Leases
from workers.orders import begin_items, begin_jobs
from workers.queue import Job
from workers.scans import ScanItem, ScanStore
from workers.spool import Spool
from workers.store import Known, Store, upload_address
from workers.turns import Turns


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
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "uploads")


@pytest.fixture
def celery(valkey_url: str) -> Celery:
    """Takes messages that nobody reads."""
    return make_celery(Settings(redis_url=valkey_url))


@pytest.fixture
def scans(redis: Redis) -> ScanStore:
    return ScanStore(redis, revalidate_after=3600, allow_nets=LOOPBACK)


@pytest.fixture
def hosts(redis: Redis) -> Hosts:
    return Hosts(redis)


Make = Callable[[CountingEnsemble], Judge]


@pytest.fixture
def make(
    redis: Redis, store: Store, hosts: Hosts, scans: ScanStore, spool: Spool, celery: Celery
) -> Iterator[Make]:
    """Make what one worker process has."""
    with ExitStack() as at_the_end:

        def maker(ensemble: CountingEnsemble) -> Judge:
            lanes = Lanes(hosts, celery, store, scans, Turns(redis, celery, store, scans))
            fetcher = Fetcher(LOOPBACK)
            judge = Judge(store, hosts, lanes, fetcher, spool, ensemble, Leases())
            at_the_end.callback(fetcher.close)
            at_the_end.callback(judge.close)
            return judge

        yield maker


@pytest.fixture
def judge(make: Make, ensemble: CountingEnsemble) -> Judge:
    return make(ensemble)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever finds a host full goes into its lane at once."""
    monkeypatch.setattr(judge_module, "PATIENCE_WITH_HOST", 0.05)


class Do:
    """Does jobs as a task does."""

    def __init__(self, judge: Judge, store: Store, celery: Celery) -> None:
        self.judge = judge
        self.store = store
        self.celery = celery

    def jobs(self, jobs: Sequence[Job]) -> None:
        self.judge.run(begin_jobs(jobs, "task", self.store, self.celery))

    def item(self, url: str, scans: ScanStore) -> None:
        """Make a scan of one item, and do it as a turn does."""
        scans.create("a" * 32, owner="", force=False, items=[ScanItem(url)])
        orders, _ = begin_items(scans.take(1), "turn", self.store, scans)
        self.judge.run(orders)

    def __call__(self, addresses: Sequence[str], **more: float) -> list[Known]:
        """Have the addresses judged, and return what is then known."""
        self.store.claim(addresses)
        self.jobs([job(address, **more) for address in addresses])
        known = self.store.lookup(addresses)
        assert all(known)
        assert self.store.claim(addresses) == list(addresses), "no job may be left"
        self.store.release(addresses)
        return [each for each in known if each]


@pytest.fixture
def do(judge: Judge, store: Store, celery: Celery) -> Do:
    return Do(judge, store, celery)


def job(address: str, since: float | None = None) -> Job:
    since = time.time() - 3600 if since is None else since
    return {"address": address, "since": since, "referer": None, "queue": "interactive"}


def queued(redis: Redis, queue: str) -> int:
    """Count the messages in a queue."""
    return cast(int, redis.llen(f"{prefix(Settings())}{queue}"))


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


def test_a_batch_gives_each_address_its_verdict(do: Do, site: HTTPServer) -> None:
    files = {f"/{n}.jpg": encoded(drawing(n)) for n in range(10)}
    for path, data in files.items():
        site.expect_request(path).respond_with_data(data, content_type="image/jpeg")
    known = do([site.url_for(path) for path in files])
    assert [each.verdict and each.verdict.image.sha256 for each in known] == [
        hashlib.sha256(data).hexdigest() for data in files.values()
    ]


def test_who_asked_before_the_clock_was_set_back_has_an_answer(do: Do, site: HTTPServer) -> None:
    site.expect_request("/a.jpg").respond_with_data(encoded(drawing()))
    asked_at = time.time() + 3600
    (known,) = do([site.url_for("/a.jpg")], since=asked_at)
    assert known.at >= asked_at


def test_the_same_image_at_two_urls_is_classified_once(
    do: Do, site: HTTPServer, ensemble: CountingEnsemble
) -> None:
    data = encoded(photograph())
    for path in ("/one.jpg", "/two.jpg", "/three.jpg"):
        site.expect_request(path).respond_with_data(data)
    known = do([site.url_for("/one.jpg"), site.url_for("/two.jpg")])
    known += do([site.url_for("/three.jpg")])
    assert ensemble.judged == 1
    assert len({each.verdict and each.verdict.checked_at for each in known}) == 1


def test_two_workers_that_meet_the_same_image_classify_it_once(
    store: Store, celery: Celery, make: Make, site: HTTPServer
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
        do = Do(make(workers[number]), store, celery)
        together.wait()
        do.jobs([job(site.url_for(path))])

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
    do: Do, site: HTTPServer, ensemble: CountingEnsemble
) -> None:
    def answer(request: Request) -> Response:
        if request.headers.get("If-None-Match") == '"v1"':
            return Response(status=304)
        return Response(encoded(photograph()), headers={"ETag": '"v1"'})

    site.expect_request("/a.jpg").respond_with_handler(answer)
    url = site.url_for("/a.jpg")
    (first,) = do([url])
    now = time.time()
    (second,) = do([url], since=now)
    assert second.at >= now > first.at
    assert second.verdict == first.verdict
    assert [response.status_code for _, response in site.log] == [200, 304]
    assert ensemble.judged == 1


def test_an_image_that_has_changed_is_judged_anew(do: Do, site: HTTPServer) -> None:
    bodies = [encoded(photograph("astronaut")), encoded(photograph("rocket"))]
    site.expect_ordered_request("/a.jpg").respond_with_data(
        bodies[0], headers={"Last-Modified": "Mon, 05 Jan 2026 10:00:00 GMT"}
    )
    site.expect_ordered_request(
        "/a.jpg", headers={"If-Modified-Since": "Mon, 05 Jan 2026 10:00:00 GMT"}
    ).respond_with_data(bodies[1])
    (first,) = do([site.url_for("/a.jpg")])
    (second,) = do([site.url_for("/a.jpg")], since=time.time())
    assert first.verdict is not None
    assert second.verdict is not None
    assert first.verdict.image.sha256 != second.verdict.image.sha256


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


def test_a_task_that_is_delivered_twice_does_its_work_once(
    do: Do, store: Store, site: HTTPServer
) -> None:
    site.expect_request("/a.jpg").respond_with_data(encoded(photograph()))
    url = site.url_for("/a.jpg")
    do([url])
    with store.listen([url]) as listener:
        do.jobs([job(url)])
        assert listener.next(time.monotonic() + 5) == url, "who waits is told all the same"
    assert hits(site, "/a.jpg") == 1


def test_an_address_that_another_task_works_on_is_left_to_it(
    do: Do, store: Store, site: HTTPServer
) -> None:
    url = site.url_for("/a.jpg")
    assert store.begin(url, "another task")
    do.jobs([job(url)])
    assert site.log == []
    assert store.claim([url]) == []


# Slow servers, and busy ones


def test_a_task_leaves_slow_servers_to_its_threads_and_their_results_come_all_the_same(
    do: Do, store: Store, site: HTTPServer
) -> None:
    end = threading.Event()
    slow = trickle(site, "/slow.jpg", end, encoded(drawing(1)))
    site.expect_request("/fast.jpg").respond_with_data(encoded(drawing(2)))
    fast = site.url_for("/fast.jpg")
    do.jobs([job(slow), job(fast)])
    assert [bool(known) for known in store.lookup([slow, fast])] == [False, True]
    assert do.judge.room == judge_module.THREADS - judge_module.THREADS_FOR_PEOPLE - 1
    end.set()
    until(lambda: store.lookup([slow])[0] is not None, "its thread ends")
    assert store.claim([slow]) == [slow], "and its job with it"


def test_one_image_is_judged_at_a_time(
    make: Make, store: Store, celery: Celery, site: HTTPServer
) -> None:
    class Watched(CountingEnsemble):
        inside = most = 0

        def judge(self, pixels) -> Judgement:  # type: ignore[no-untyped-def]
            self.inside += 1
            self.most = max(self.most, self.inside)
            time.sleep(0.02)
            self.inside -= 1
            return super().judge(pixels)

    watched = Watched.load()
    urls = [site.url_for(f"/{n}.jpg") for n in range(8)]
    for n in range(8):
        site.expect_request(f"/{n}.jpg").respond_with_data(encoded(drawing(n)))
    Do(make(watched), store, celery)(urls)
    assert (watched.judged, watched.most) == (8, 1)


def test_bytes_that_another_worker_judges_keep_no_other_image_waiting(
    do: Do, store: Store, site: HTTPServer
) -> None:
    data = encoded(drawing(1))
    site.expect_request("/1.jpg").respond_with_data(data)
    site.expect_request("/2.jpg").respond_with_data(encoded(drawing(2)))
    first, second = site.url_for("/1.jpg"), site.url_for("/2.jpg")
    with store.judging(hashlib.sha256(data).hexdigest()):  # and seems to take for ever
        task = threading.Thread(target=do.jobs, args=[[job(first), job(second)]])
        task.start()
        until(lambda: store.lookup([second])[0] is not None, "the other is judged")
        assert store.lookup([first]) == [None]
    task.join()
    assert store.lookup([first])[0] is not None


def test_a_process_that_ends_waits_for_its_threads(do: Do, store: Store, site: HTTPServer) -> None:
    end = threading.Event()
    slow = trickle(site, "/slow.jpg", end, encoded(drawing(1)))
    do.jobs([job(slow)])
    threading.Timer(0.5, end.set).start()
    do.judge.close()
    assert store.lookup([slow])[0] is not None


@pytest.mark.usefixtures("impatient")
def test_a_job_that_finds_its_host_full_waits_in_its_lane_and_is_called(
    do: Do,
    store: Store,
    hosts: Hosts,
    redis: Redis,
    site: HTTPServer,
) -> None:
    end = threading.Event()
    slow = [trickle(site, f"/slow{n}.jpg", end, encoded(drawing(n))) for n in range(2)]
    do.jobs([job(url) for url in slow])
    site.expect_request("/a.jpg").respond_with_data(encoded(drawing(3)))
    url = site.url_for("/a.jpg")
    store.claim([url])
    do.jobs([job(url)])
    assert hits(site, "/a.jpg") == 0
    assert queued(redis, "interactive") == 0
    assert store.claim([url]) == [], "it waits still"
    assert hosts.with_lanes() == [host_of(site)]
    end.set()
    until(lambda: queued(redis, "interactive") > 0, "who left has called it")
    do([url])


def test_a_job_of_another_model_version_that_is_called_is_left_to_be_asked_for_again(
    redis: Redis, store: Store, hosts: Hosts, scans: ScanStore, celery: Celery
) -> None:
    url, other = "http://example.com/a.jpg", store.of("other")
    other.claim([url])
    hosts.wait("example.com", job_waits(job(url), "other"))
    lanes = Lanes(hosts, celery, store, scans, Turns(redis, celery, store, scans))
    lanes.call("example.com")
    assert hosts.next("example.com") == []
    assert queued(redis, "interactive") == 0
    assert other.claim([url]) == [url]


@pytest.mark.usefixtures("impatient")
def test_an_item_of_a_scan_that_finds_its_host_full_waits_in_its_lane_and_is_called(
    do: Do,
    scans: ScanStore,
    redis: Redis,
    site: HTTPServer,
) -> None:
    end = threading.Event()
    slow = [trickle(site, f"/slow{n}.jpg", end, encoded(drawing(n))) for n in range(2)]
    do.jobs([job(url) for url in slow])
    do.item(site.url_for("/a.jpg"), scans)
    assert scans.ready() == 0
    end.set()
    until(lambda: scans.ready() == 1, "who left has called it")
    until(lambda: queued(redis, "bulk") > 0, "and sent a turn for it")


@pytest.mark.usefixtures("impatient")
def test_who_is_called_before_it_has_given_its_work_up_can_come_again_at_once(
    do: Do,
    store: Store,
    scans: ScanStore,
    hosts: Hosts,
    redis: Redis,
    site: HTTPServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host = host_of(site)
    for number in range(REQUESTS_PER_HOST):
        assert hosts.enter(host, str(number)) == "entered"
    wait = hosts.wait

    def wait_and_be_called(host: str, name: str) -> None:
        wait(host, name)
        redis.delete(f"assay:host:{{{host}}}:lane")

    monkeypatch.setattr(hosts, "wait", wait_and_be_called)
    do.item(site.url_for("/a.jpg"), scans)
    assert scans.ready() == 1
    url = site.url_for("/b.jpg")
    store.claim([url])
    do.jobs([job(url)])
    assert queued(redis, "interactive") == 1


def answers_later(site: HTTPServer, path: str, header: str, times: int) -> str:
    """Serve an image, but send the client away some times first."""
    answers = [Response(status=429, headers={"Retry-After": header})] * times

    def answer(_: Request) -> Response:
        return answers.pop() if answers else Response(encoded(drawing(1)))

    site.expect_request(path).respond_with_handler(answer)
    return site.url_for(path)


def test_a_host_that_asks_for_a_pause_gets_it_and_its_image_is_judged_afterwards(
    do: Do, store: Store, hosts: Hosts, site: HTTPServer
) -> None:
    url = answers_later(site, "/a.jpg", "1", times=1)
    store.claim([url])
    do.jobs([job(url), job(site.url_for("/b.jpg"))])
    host = host_of(site)
    assert hosts.enter(host, "me") == "paused"
    assert store.lookup([url]) == [None]
    until(lambda: bool(hosts.next(host)), "the pause is over")
    do([url])
    assert hits(site, "/a.jpg") == 2


@pytest.mark.parametrize("header", ["61", "Fri, 31 Dec 2999 23:59:59 GMT"])
def test_an_image_whose_host_asks_for_a_long_pause_is_given_up(
    do: Do, site: HTTPServer, header: str
) -> None:
    (known,) = do([answers_later(site, "/a.jpg", header, times=1)])
    assert known.error is not None
    assert known.error.code == ErrorCode.HTTP_STATUS
    assert "429" in known.error.detail


def test_an_image_whose_host_asks_for_a_pause_again_and_again_is_given_up(
    do: Do, store: Store, redis: Redis, site: HTTPServer
) -> None:
    url = answers_later(site, "/a.jpg", "0", times=100)
    store.claim([url])
    for _ in range(MOST_TURNED_AWAY):
        do.jobs([job(url)])
        assert store.lookup([url]) == [None]
        redis.delete(f"assay:host:{{{host_of(site)}}}:pause")
    (known,) = do([url])
    assert known.error is not None
    assert hits(site, "/a.jpg") == MOST_TURNED_AWAY + 1


# Items of scans


def test_what_is_known_gives_items_their_results_without_a_fetch(
    do: Do, store: Store, scans: ScanStore, site: HTTPServer
) -> None:
    site.expect_request("/a.jpg").respond_with_data(encoded(drawing(1)))
    url = site.url_for("/a.jpg")
    do([url])
    scans.create("a" * 32, owner="", force=False, items=[ScanItem(url), ScanItem(url + "#x")])
    assert begin_items(scans.take(2), "turn", store, scans) == ([], 2)
    assert [
        each.item.verdict and each.item.verdict.cached for each in scans.results("a" * 32, count=2)
    ] == [True, True]
    assert hits(site, "/a.jpg") == 1
    assert store.claim([url]) == [url]


def test_force_fetches_what_is_known_and_one_fetch_serves_all_duplicates(
    do: Do, store: Store, scans: ScanStore, site: HTTPServer
) -> None:
    site.expect_request("/a.jpg").respond_with_data(encoded(drawing(1)))
    url = site.url_for("/a.jpg")
    do([url])
    scans.create("a" * 32, owner="", force=True, items=[ScanItem(url)] * 5)
    orders, recorded = begin_items(scans.take(5), "turn", store, scans)
    assert recorded == 0
    do.judge.run(orders)
    summary = scans.summary("a" * 32)
    assert summary is not None
    assert (summary.status, summary.done) == ("done", 5)
    assert hits(site, "/a.jpg") == 2


def test_an_item_whose_address_another_job_has_is_put_off(store: Store, scans: ScanStore) -> None:
    url = "https://example.com/a.jpg"
    store.claim([url])
    scans.create("a" * 32, owner="", force=False, items=[ScanItem(url)])
    assert begin_items(scans.take(1), "turn", store, scans) == ([], 0)
    assert scans.ready() == 0
    until(lambda: scans.ready() == 1, "it comes again")


def test_what_a_full_redis_does_not_take_is_done_again_later(
    do: Do, store: Store, scans: ScanStore, redis: Redis, site: HTTPServer
) -> None:
    site.expect_request("/a.jpg").respond_with_data(encoded(drawing(1)))
    scans.create("a" * 32, owner="", force=False, items=[ScanItem(site.url_for("/a.jpg"))])
    orders, _ = begin_items(scans.take(1), "turn", store, scans)
    redis.config_set("maxmemory", "1")
    try:
        do.judge.run(orders)
    finally:
        redis.config_set("maxmemory", "0")
    summary = scans.summary("a" * 32)
    assert summary is not None
    assert summary.pending == 1


# Hosts and images that do harm


def test_a_dead_host_is_asked_a_few_times_and_its_other_addresses_fail_at_once(
    do: Do, free_port: int
) -> None:
    known = do([f"http://127.0.0.1:{free_port}/{n}.jpg" for n in range(20)])
    assert {each.error and each.error.code for each in known} == {ErrorCode.CONNECT_FAILURE}
    left_alone = [each for each in known if each.error and "left alone" in each.error.detail]
    assert len(left_alone) >= 10


def test_an_upload_is_judged_and_then_gone_from_the_disk(
    do: Do, spool: Spool, tmp_path: Path
) -> None:
    data = encoded(photograph())
    sha256 = hashlib.sha256(data).hexdigest()
    spool.put(sha256, data)
    (known,) = do([upload_address(sha256)])
    assert known.verdict is not None
    assert known.verdict.image.sha256 == sha256
    assert list((tmp_path / "uploads").iterdir()) == []


def test_an_image_that_killed_its_process_several_times_is_given_up(
    do: Do, store: Store, site: HTTPServer, ensemble: CountingEnsemble
) -> None:
    data = encoded(photograph())
    site.expect_request("/a.jpg").respond_with_data(data)
    for _ in range(judge_module.MOST_ATTEMPTS):
        with pytest.raises(KeyboardInterrupt), store.judging(hashlib.sha256(data).hexdigest()):
            raise KeyboardInterrupt
    (known,) = do([site.url_for("/a.jpg")])
    assert known.error is not None
    assert known.error.code == ErrorCode.INTERNAL
    assert ensemble.judged == 0


# Hosts that a redirect leads to


@pytest.fixture
def beyond() -> Iterator[HTTPServer]:
    """A web site that others redirect to."""
    with HTTPServer(host="127.0.0.1", threaded=True) as server:
        yield server


def leads_to(site: HTTPServer, path: str, target: str) -> str:
    """Redirect from a path to a URL."""
    site.expect_request(path).respond_with_data(status=302, headers={"Location": target})
    return site.url_for(path)


@pytest.mark.usefixtures("impatient")
def test_a_redirect_to_a_host_that_is_full_waits_in_the_lane_of_that_host(
    do: Do, store: Store, hosts: Hosts, redis: Redis, site: HTTPServer, beyond: HTTPServer
) -> None:
    end = threading.Event()
    do.jobs([job(trickle(beyond, f"/slow{n}.jpg", end, encoded(drawing(n)))) for n in range(2)])
    beyond.expect_request("/a.jpg").respond_with_data(encoded(drawing(3)))
    url = leads_to(site, "/r", beyond.url_for("/a.jpg"))
    store.claim([url])
    do.jobs([job(url)])
    assert hits(beyond, "/a.jpg") == 0
    assert hosts.with_lanes() == [host_of(beyond)]
    assert hosts.enter(host_of(site), "me") == "entered", "nobody holds a place where it began"
    assert hosts.enter(host_of(site), "you") == "entered"
    end.set()
    until(lambda: queued(redis, "interactive") > 0, "who left has called it")
    for visitor in ("me", "you"):
        hosts.leave(host_of(site), visitor, answered=True)
    (known,) = do([url])
    assert known.verdict is not None


def test_the_host_that_asks_for_a_pause_gets_it_and_not_the_one_that_led_there(
    do: Do, store: Store, hosts: Hosts, site: HTTPServer, beyond: HTTPServer
) -> None:
    url = leads_to(site, "/r", answers_later(beyond, "/a.jpg", "1", times=1))
    store.claim([url])
    do.jobs([job(url)])
    assert hosts.enter(host_of(beyond), "me") == "paused"
    assert hosts.enter(host_of(site), "me") == "entered"
    until(lambda: bool(hosts.next(host_of(beyond))), "the pause is over")
    (known,) = do([url])
    assert known.verdict is not None


def test_a_dead_host_is_to_blame_and_not_the_one_that_leads_to_it(
    do: Do, hosts: Hosts, site: HTTPServer, free_port: int
) -> None:
    dead = f"127.0.0.1:{free_port}"
    known = do([leads_to(site, f"/{n}", f"http://{dead}/{n}.jpg") for n in range(20)])
    assert {each.error and each.error.code for each in known} == {ErrorCode.CONNECT_FAILURE}
    assert hosts.enter(dead, "me") == "down"
    assert hosts.enter(host_of(site), "me") == "entered"
