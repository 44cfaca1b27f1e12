"""Workers on two machines; the network between one of them and the rest is cut."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import ip_network

import psutil
import pytest
import requests
from pytest_httpserver import HTTPServer
from redis import Redis

from settings import Settings
from tests.conftest import settings_at, until
from tests.machines.network import HUB, NETWORK, Network, missing, network
from tests.machines.redises import Node
from tests.machines.roles import (
    api,
    check,
    judged,
    pictures,
    role,
    scan,
    until_done,
    until_judged_once,
)

REASON = missing()
pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))


@dataclass
class Place:
    """What runs where: the store, the API and the site on the hub, a worker on each machine."""

    network: Network
    settings: Settings
    server: str
    site: HTTPServer
    redis: Redis
    workers: list[psutil.Process]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    tmp_path = tmp_path_factory.mktemp("network")
    with network(2) as made, ExitStack() as stack:
        valkey = Node(tmp_path / "valkey", "--protected-mode", "no", host=HUB)
        stack.callback(valkey.close)
        settings = settings_at(
            tmp_path,
            redis_url=f"redis://{HUB}:{valkey.port}/0",
            worker_processes=1,
            second_look="never",
        ).model_copy(update={"fetch_allow_nets": (ip_network(NETWORK),)})
        yield Place(
            network=made,
            settings=settings,
            server=stack.enter_context(api(settings, tmp_path)),
            site=stack.enter_context(HTTPServer(host=HUB, threaded=True)),
            redis=valkey.client,
            workers=[
                stack.enter_context(
                    role(
                        settings,
                        "worker",
                        log=tmp_path / f"worker{number}.log",
                        before=machine.enter,
                    )
                )
                for number, machine in enumerate(made.machines)
            ],
        )


@pytest.fixture(autouse=True)
def _whole(place: Place) -> None:
    """Let both machines work, and forget what was asked of the site."""
    place.network.mend(0)
    until(lambda: _workers(place) == 2, "both workers live", 300)
    place.site.clear_log()


def requests_of(place: Place, number: int) -> int:
    """Count what the site was asked by a machine."""
    return sum(request.remote_addr == f"10.77.0.{10 + number}" for request, _ in place.site.log)


@pytest.mark.timeout(600)
def test_a_machine_that_is_cut_off_in_mid_work_delays_and_loses_nothing_for_good(
    place: Place,
) -> None:
    urls = pictures(place.site, 40, delay=0.3, prefix="checked")
    asked = check(place.server, urls).json()
    until(lambda: requests_of(place, 0) >= 2 and requests_of(place, 1) >= 2, "both work")
    place.network.cut(0)
    until_done(place.server, asked["id"], 40, seconds=300)
    assert _workers(place) == 1
    results = _items(place, asked["id"])

    place.network.mend(0)
    until(lambda: _workers(place) == 2, "the other is back", 120)
    before = requests_of(place, 0)
    more = pictures(place.site, 20, delay=0.3, prefix="checked-later")
    until_done(place.server, check(place.server, more).json()["id"], 20, seconds=300)
    assert requests_of(place, 0) > before, "it does its share again"
    assert _items(place, asked["id"]) == results, "no result changed"
    assert not list(place.redis.scan_iter("assay:claim:*")), "no job is left"


@pytest.mark.timeout(600)
def test_a_scan_ends_with_one_result_for_each_image_although_a_machine_is_cut_off(
    place: Place,
) -> None:
    urls = pictures(place.site, 80, delay=0.3, prefix="scanned")
    asked = scan(place.server, urls)
    until(lambda: requests_of(place, 0) >= 2 and requests_of(place, 1) >= 2, "both work", 200)
    place.network.cut(0)
    assert judged(place.server, asked) < 80
    until_judged_once(place.server, asked, urls)

    place.network.mend(0)
    until(lambda: _workers(place) == 2, "the other is back", 200)
    before = requests_of(place, 0)
    more = pictures(place.site, 20, delay=0.3, prefix="scanned-later")
    until_judged_once(place.server, scan(place.server, more), more)
    assert requests_of(place, 0) > before, "it does its share again"
    until_judged_once(place.server, asked, urls)


@pytest.mark.timeout(600)
def test_what_is_sent_to_an_idle_machine_that_was_just_cut_off_is_done_elsewhere(
    place: Place,
) -> None:
    place.network.cut(0)
    urls = pictures(place.site, 12, delay=0, prefix="idle")
    asked = [check(place.server, [url]).json()["id"] for url in urls]
    for each in asked:
        until_done(place.server, each, 1, seconds=200)


def _workers(place: Place) -> int:
    return int(requests.get(f"{place.server}/readyz", timeout=10).json()["workers"])


def _items(place: Place, check_id: str) -> list[dict[str, object]]:
    """Return a check's items without times: a machine that is back may end what it had begun."""
    items = requests.get(f"{place.server}/v1/checks/{check_id}", timeout=10).json()["items"]
    for item in items:
        item["verdict"] = {**item["verdict"], "checked_at": "", "expires_at": ""}
    return list(items)
