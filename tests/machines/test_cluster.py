"""A cluster of three Valkeys as the store: everything that the store promises, and the service."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from redis import Redis, RedisError

from tests.conftest import settings_at, stores_of, until
from tests.machines.redises import Node, cluster
from tests.machines.roles import api, check, pictures, role, status, until_done
from tests.workers.fetching.test_host_limits import *  # noqa: F403

# The same tests again, with the `redis` of this file.
from tests.workers.storage.test_feedback import *  # noqa: F403
from tests.workers.storage.test_prefixes import *  # noqa: F403
from tests.workers.storage.test_scan_items import *  # noqa: F403
from tests.workers.storage.test_scan_lifecycle import *  # noqa: F403
from tests.workers.storage.test_scan_lists import *  # noqa: F403
from tests.workers.storage.test_scans import *  # noqa: F403
from tests.workers.storage.test_verdict_cache import *  # noqa: F403
from tests.workers.webhooks.conftest import *  # noqa: F403
from tests.workers.webhooks.test_deliver import *  # noqa: F403
from tests.workers.webhooks.test_deliver_faults import *  # noqa: F403
from workers.storage.connection import connect, get_many
from workers.storage.quotas import Charge, Quota, QuotaStore
from workers.storage.stores import Stores
from workers.storage.usage import UsageStore


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Node]]:
    with cluster(tmp_path_factory.mktemp("cluster")) as started:
        yield started


@pytest.fixture
def redis(nodes: list[Node]) -> Iterator[Redis]:
    with connect(f"redis+cluster://127.0.0.1:{nodes[1].port}") as client:
        client.flushall()
        yield client


def test_what_is_asked_for_together_may_lie_on_any_node(redis: Redis, nodes: list[Node]) -> None:
    keys = [f"key {number}" for number in range(100)]
    for number, key in enumerate(keys):
        redis.set(key, number)
    assert get_many(redis, keys) == [str(number).encode() for number in range(100)]
    assert all(node.client.dbsize() for node in nodes)


def test_checks_are_answered_from_a_cluster_and_said_to_be_unanswerable_without(
    valkey_url: str, site: HTTPServer, tmp_path: Path
) -> None:
    urls = pictures(site, 12, delay=0)
    with cluster(tmp_path) as nodes:
        settings = settings_at(
            tmp_path,
            redis_url=",".join(
                f"{'redis+cluster://' if number == 0 else ''}127.0.0.1:{node.port}"
                for number, node in enumerate(nodes)
            ),
            broker_url=valkey_url,
            worker_processes=1,
            second_look="never",
        )
        with (
            api(settings, tmp_path) as server,
            role(settings, "worker", log=tmp_path / "worker.log"),
        ):
            until(lambda: status(server, "/readyz") == 200, "a worker lives", 200)
            asked = check(server, urls, wait=20).json()
            until_done(server, asked["id"], len(urls))
            for node in nodes:
                node.kill()
            assert check(server, urls).status_code == 503
            assert status(server, "/readyz") == 503


def test_who_remembers_a_cluster_finds_it_again_when_it_is_back(tmp_path: Path) -> None:
    with cluster(tmp_path) as nodes:
        client = connect(f"redis+cluster://127.0.0.1:{nodes[0].port}")
        stores = stores_of(client, "test-1")
        assert stores.cache.lookup(["https://example.com/a"]) == [None]
        nodes[0].kill()
        until(lambda: _fails(stores), "a node's absence is noticed")
        nodes[0].start()
        until(lambda: not _fails(stores), "it answers again")


def test_quotas_and_the_usage_of_a_key_are_counted_in_a_cluster(redis: Redis) -> None:
    quotas = [Quota(10, "minute"), Quota(1000, "day")]
    for key_id in "abcdef":
        for urls, is_refused in ((7, False), (4, True), (3, False)):
            states = QuotaStore(redis).take(Charge(key_id, quotas, urls, is_key=True))
            assert [state.exceeded for state in states] == [is_refused, False]
        assert [state.remaining for state in states] == [0, 990]
        assert sum(day.urls for day in UsageStore(redis).days(key_id)) == 10


def _fails(stores: Stores) -> bool:
    try:
        stores.cache.lookup([f"https://example.com/{time.monotonic()}/{n}" for n in range(50)])
    except RedisError:
        return True
    return False
