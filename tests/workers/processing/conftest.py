"""What one worker process has, and runs jobs with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
from celery import Celery
from redis import Redis

from models.ensemble import Ensemble
from settings import Settings
from tests.conftest import LOOPBACK, stores_of
from tests.workers.processing.jobs import job
from workers.celery_app import make_celery
from workers.fetching.client import Fetcher
from workers.fetching.host_limits import HostLimiter
from workers.pages.robots import Robots
from workers.processing import resolve
from workers.processing.batch import BatchRunner
from workers.processing.read_pages import PageReader
from workers.processing.resolve import HostSlots, UrlResolver
from workers.processing.work_items import begin_items, begin_jobs
from workers.scheduling.dispatch import Dispatcher
from workers.scheduling.leases import Leases
from workers.scheduling.queues import Job
from workers.scheduling.wait_queues import WaitQueues
from workers.storage.scans import Scans
from workers.storage.scans.records import ScanItem
from workers.storage.stores import Stores
from workers.storage.uploads import Uploads
from workers.storage.verdict_cache import CacheEntry


class CountingEnsemble(Ensemble):
    """The real ensemble, which counts what it is asked."""

    classified = 0

    def classify(self, pixels):  # type: ignore[no-untyped-def]
        self.classified += 1
        return super().classify(pixels)


@pytest.fixture(scope="module")
def loaded() -> CountingEnsemble:
    return CountingEnsemble.load()


@pytest.fixture
def ensemble(loaded: CountingEnsemble) -> CountingEnsemble:
    loaded.classified = 0
    return loaded


@pytest.fixture
def stores(redis: Redis, loaded: CountingEnsemble) -> Stores:
    """An empty store, of the ensemble's version."""
    return stores_of(redis, loaded.version)


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    return Uploads(tmp_path / "uploads")


@pytest.fixture
def celery(valkey_url: str, redis: Redis) -> Celery:
    """Takes messages that nobody reads."""
    return make_celery(Settings(redis_url=valkey_url), redis)


@pytest.fixture
def hosts(redis: Redis) -> HostLimiter:
    return HostLimiter(redis)


Make = Callable[[CountingEnsemble], BatchRunner]


@pytest.fixture
def make(stores: Stores, hosts: HostLimiter, uploads: Uploads, celery: Celery) -> Iterator[Make]:
    """Make what one worker process has."""
    with ExitStack() as at_the_end:

        def maker(ensemble: CountingEnsemble) -> BatchRunner:
            leases = Leases()
            wait_queues = WaitQueues(hosts, stores, celery, Dispatcher(stores, celery))
            slots = HostSlots(hosts, wait_queues)
            robots = Robots(stores.redis, LOOPBACK)
            resolver = UrlResolver(
                stores.cache,
                stores.similar,
                stores.image_locks,
                slots,
                Fetcher(LOOPBACK),
                uploads,
                ensemble,
                leases,
                robots,
            )
            pages = PageReader(
                stores, slots, robots, leases, charge=lambda *_, **__: True, allow_nets=LOOPBACK
            )
            runner = BatchRunner(resolver, pages, stores.cache, uploads, leases)
            at_the_end.callback(runner.close)
            return runner

        yield maker


@pytest.fixture
def runner(make: Make, ensemble: CountingEnsemble) -> BatchRunner:
    return make(ensemble)


@pytest.fixture
def short_slot_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that finds its host busy goes into the host's queue at once."""
    monkeypatch.setattr(resolve, "SLOT_TIMEOUT", 0.05)


class Do:
    """Does jobs as a task does."""

    def __init__(self, runner: BatchRunner, stores: Stores, celery: Celery) -> None:
        self.runner = runner
        self.stores = stores
        self.celery = celery

    def jobs(self, jobs: Sequence[Job]) -> None:
        self.runner.run(begin_jobs(jobs, "task", self.stores, self.celery))

    def item(self, url: str, scans: Scans) -> None:
        """Make a scan of one item, and do it as a turn does."""
        scans.creator.create("a" * 32, owner="", force=False, items=[ScanItem(url)])
        work, _ = begin_items(scans.items.take(1), "dispatch", self.stores)
        self.runner.run(work)

    def __call__(self, addresses: Sequence[str], **more: float) -> list[CacheEntry]:
        """Have the addresses judged, and return what is then known."""
        self.stores.claims.claim_queued(addresses)
        self.jobs([job(address, **more) for address in addresses])
        known = self.stores.cache.lookup(addresses)
        assert all(known)
        assert self.stores.claims.claim_queued(addresses) == list(addresses), "no job may be left"
        self.stores.claims.release(addresses)
        return [each for each in known if each]


@pytest.fixture
def do(runner: BatchRunner, stores: Stores, celery: Celery) -> Do:
    return Do(runner, stores, celery)
