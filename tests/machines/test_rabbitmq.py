"""A RabbitMQ as the broker, the store as ever: what a Redis promises, it promises too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from celery import Celery
from pytest_httpserver import HTTPServer
from redis import Redis

from models.manifest import load_manifest
from settings import Settings
from tests.conftest import hits, settings_at, until
from tests.machines.rabbitmq import Rabbit, find_program
from tests.machines.roles import (
    api,
    check,
    judged,
    kill,
    pictures,
    role,
    scan,
    until_done,
    until_judged_once,
)
from workers.celery_app import make_celery
from workers.scheduling.queues import BATCH, Queue, depth, enqueue
from workers.storage.connection import open_redis
from workers.storage.stores import Stores

PROGRAM = find_program()
pytestmark = pytest.mark.skipif(
    PROGRAM is None, reason="no RabbitMQ here; Debian and Ubuntu: apt install rabbitmq-server"
)


@pytest.fixture(scope="module")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rabbit]:
    node = Rabbit(str(PROGRAM), tmp_path_factory.mktemp("rabbitmq"))
    try:
        node.start()
        yield node
    finally:
        node.close()


@pytest.fixture
def settings(
    tmp_path: Path,
    rabbit: Rabbit,
    valkey_url: str,
    redis: Redis,  # noqa: ARG001 - makes it empty
) -> Settings:
    return settings_at(
        tmp_path,
        redis_url=valkey_url,
        broker_url=rabbit.url,
        worker_processes=1,
        second_look="never",
    )


@pytest.fixture
def server(settings: Settings, tmp_path: Path) -> Iterator[str]:
    with api(settings, tmp_path) as url:
        yield url


@pytest.fixture
def worker(settings: Settings, tmp_path: Path) -> Iterator[psutil.Process]:
    with role(settings, "worker", log=tmp_path / "worker.log") as process:
        yield process


def test_a_check_goes_through_rabbitmq_and_no_message_through_redis(
    server: str, worker: psutil.Process, redis: Redis, site: HTTPServer
) -> None:
    (url,) = pictures(site, 1, delay=0, prefix="one")
    asked = check(server, [url], wait=20).json()
    until_done(server, asked["id"], 1)
    assert worker.is_running()
    assert redis.keys("assay:tasks:*") == []


def test_the_work_of_a_machine_that_lost_power_is_done_by_another(
    server: str, settings: Settings, worker: psutil.Process, site: HTTPServer, tmp_path: Path
) -> None:
    (url,) = pictures(site, 1, delay=3, prefix="slow")
    asked = check(server, [url]).json()
    until(lambda: _fetching(worker, site), "it fetches")
    kill(worker)
    with role(settings, "worker", log=tmp_path / "other.log"):
        until_done(server, asked["id"], 1)


def test_what_was_queued_and_what_ran_outlive_a_broker_that_is_killed(
    server: str, rabbit: Rabbit, worker: psutil.Process, site: HTTPServer
) -> None:
    urls = pictures(site, 40, delay=0.3, prefix="many")
    asked = check(server, urls).json()
    until(lambda: len(site.log) >= 4, "the work has begun")
    rabbit.kill()
    assert worker.is_running()
    assert len(site.log) < 40
    rabbit.start()
    until_done(server, asked["id"], 40, seconds=180)
    assert sum(hits(site, f"/many-{number}.jpg") for number in range(40)) <= 48, (
        "only what ran may run twice"
    )


@pytest.mark.timeout(600)
def test_a_scan_outlives_the_broker_and_a_worker_with_one_result_for_each_image(
    server: str,
    settings: Settings,
    rabbit: Rabbit,
    worker: psutil.Process,
    site: HTTPServer,
    tmp_path: Path,
) -> None:
    urls = pictures(site, 60, delay=0.3, prefix="scanned")
    asked = scan(server, urls)
    until(lambda: judged(server, asked) >= 4, "the scan has begun", 200)
    rabbit.kill()
    rabbit.start()
    before = judged(server, asked)
    until(lambda: judged(server, asked) >= min(before + 4, 60), "it goes on", 200)
    kill(worker)
    assert judged(server, asked) < 60
    with role(settings, "worker", log=tmp_path / "other.log"):
        until_judged_once(server, asked, urls)


def test_without_its_broker_the_api_says_so_and_goes_on_when_it_is_back(
    server: str, rabbit: Rabbit, worker: psutil.Process, site: HTTPServer
) -> None:
    first, second, third = pictures(site, 3, delay=0, prefix="later")
    until_done(server, check(server, [first], wait=20).json()["id"], 1)
    rabbit.pause()
    try:
        hangs = check(server, [second])
    finally:
        rabbit.go_on()
    rabbit.kill()
    away = check(server, [third])
    rabbit.start()
    for refused in (hangs, away):
        assert refused.status_code == 503
        assert refused.headers["Retry-After"]
    assert worker.is_running()
    until_done(server, check(server, [second, third], wait=20).json()["id"], 2)


def test_who_waits_has_few_batches_of_bulk_work_ahead(
    settings: Settings, worker: psutil.Process, site: HTTPServer
) -> None:
    stores = Stores.open(settings, load_manifest().version_for(settings.second_look))
    until(lambda: bool(stores.workers.live()), "the worker lives")
    bulk = pictures(site, 160, delay=0.05, prefix="bulk")
    # On another host: in the queue of its own host it would wait like the others.
    with HTTPServer(host="127.0.0.2", threaded=True) as other_host:
        (urgent,) = pictures(other_host, 1, delay=0, prefix="urgent")
        celery = make_celery(settings, stores.redis)
        put(celery, stores, bulk, "bulk")
        put(celery, stores, [urgent], "interactive")
        before = _count_known(stores, bulk)  # done while nobody waited
        until(lambda: _judged(stores, urgent), "the urgent one is judged", 200)
    done = _count_known(stores, bulk) - before
    # The batch that ran when the urgent one was sent, and one that may have begun just then.
    assert done <= 2 * BATCH["bulk"]
    assert worker.is_running()


def put(celery: Celery, stores: Stores, urls: list[str], queue: Queue) -> None:
    stores.claims.claim_queued(urls)
    enqueue(
        celery,
        [{"address": url, "since": 0, "referer": None, "queue": queue} for url in urls],
        queue,
    )


def _count_known(stores: Stores, urls: list[str]) -> int:
    return sum(known is not None for known in stores.cache.lookup(urls))


def _judged(stores: Stores, url: str) -> bool:
    (known,) = stores.cache.lookup([url])
    return known is not None and known.verdict is not None


def _fetching(worker: psutil.Process, site: HTTPServer) -> bool:
    return any(
        connection.raddr and connection.raddr.port == site.port
        for child in worker.children()
        for connection in child.net_connections()
    )


def test_the_depth_of_a_queue_is_asked_of_rabbitmq(settings: Settings) -> None:
    celery = make_celery(settings, open_redis(settings))
    before = depth(celery, "bulk")
    for number in range(3):
        address = f"https://example.com/{number}"
        enqueue(
            celery, [{"address": address, "since": 0, "referer": None, "queue": "bulk"}], "bulk"
        )
    assert depth(celery, "bulk") == before + 3
