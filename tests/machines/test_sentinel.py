"""A master behind Sentinels, as store and broker: it is killed, and its replica takes over.

Replication is not waited for, here as in any Redis: what was acknowledged in the last moments and
had not reached the replica is lost with the master. A check that is lost so is answered with 404,
and its client asks again.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from settings import Settings
from tests.conftest import settings_at, until
from tests.machines.redises import Watched, watched
from tests.machines.roles import api, check, pictures, role, status, statuses, until_done

COUNT = 20


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Watched]:
    with watched(tmp_path) as started:
        yield started


@pytest.fixture
def settings(pair: Watched, tmp_path: Path) -> Settings:
    return settings_at(tmp_path, redis_url=pair.url, worker_processes=1, second_look="never")


@pytest.mark.timeout(600)
def test_when_the_master_dies_its_replica_takes_over_and_what_it_had_is_not_lost(
    pair: Watched, settings: Settings, site: HTTPServer, tmp_path: Path
) -> None:
    known, *urls = pictures(site, COUNT + 1, delay=0.3)
    with api(settings, tmp_path) as server, role(settings, "worker", log=tmp_path / "worker.log"):
        until(lambda: status(server, "/readyz") == 200, "a worker lives", 200)
        until_done(server, check(server, [known], wait=20).json()["id"], 1)
        asked = check(server, urls).json()
        until(lambda: statuses(server, asked["id"]).count("done") >= 4, "the work has begun")
        assert pair.replicated()
        pair.master.kill()

        seen = set()

        def promoted() -> bool:
            seen.add(status(server, f"/v1/checks/{asked['id']}"))
            return pair.master_port() == pair.replica.port

        until(promoted, "the replica is promoted")
        until(lambda: status(server, "/readyz") == 200, "the service is ready again", 200)
        assert seen <= {200, 202, 503}, "a store that is away is said to be away, and nothing else"
        assert 503 in seen
        assert statuses(server, asked["id"]), "the check is known"
        assert check(server, [known]).json()["items"][0]["verdict"]["cached"]
        until_done(server, asked["id"], COUNT, seconds=400)
