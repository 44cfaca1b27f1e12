"""Readiness: what it needs, and what a Redis does that is full or may evict work."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import psutil
import pytest
import requests
from flask.testing import FlaskClient
from redis import Redis

from backend import drain, health
from backend.health import Probe
from backend.processes import free_port
from backend.supervisor import Supervisor
from models.manifest import load_manifest
from tests.conftest import settings_at, until
from tests.machines.redises import Node
from tests.machines.roles import api
from workers.storage.connection import eviction_warning
from workers.storage.worker_registry import WorkerRecord, WorkerRegistry

VERSION = load_manifest().version
THRESHOLDS = load_manifest().stages[-1].thresholds
READY = {
    "status": "ready",
    "model_version": VERSION,
    "thresholds": {"real": THRESHOLDS.real, "ai": THRESHOLDS.ai},
    "workers": 1,
    "precisions": ["int8"],
    "missing": [],
}


def lives(redis: Redis, **more: object) -> None:
    record = {
        "name": "a",
        "queues": ("interactive",),
        "processes": 2,
        "model_version": VERSION,
        "precision": "int8",
    }
    WorkerRegistry(redis).heartbeat(WorkerRecord.model_validate(record | more))


def readiness(client: FlaskClient) -> tuple[int, dict[str, object]]:
    answer = client.get("/readyz")
    return answer.status_code, dict(json.loads(answer.data))


def test_it_is_ready_when_a_worker_serves_people(client: FlaskClient, redis: Redis) -> None:
    lives(redis)
    status, found = readiness(client)
    assert status == 200
    assert found == READY


def test_it_says_in_which_arithmetic_workers_compute(client: FlaskClient, redis: Redis) -> None:
    lives(redis)
    lives(redis, name="b")
    lives(redis, name="c", precision="f32")
    lives(redis, name="of an older Assay", precision=None)
    found = readiness(client)[1]
    assert found["workers"] == 4
    assert found["precisions"] == ["f32", "int8"]


@pytest.mark.parametrize(
    "record",
    [{"queues": ("bulk",)}, {"model_version": "of another time"}],
    ids=["bulk only", "other weights"],
)
def test_a_worker_that_would_not_answer_people_does_not_make_it_ready(
    client: FlaskClient, redis: Redis, record: dict[str, object]
) -> None:
    lives(redis, **record)
    status, found = readiness(client)
    assert status == 503
    assert found["missing"] == ["worker"]
    assert found["workers"] == 1


def test_without_redis_it_says_what_is_missing_and_still_lives(
    client_with: Callable[..., FlaskClient],
) -> None:
    nowhere = f"redis://127.0.0.1:{free_port('127.0.0.1')}/0"
    client = client_with(redis_url=nowhere)
    assert readiness(client)[1]["missing"] == ["store", "broker", "worker"]
    assert client.get("/healthz").status_code == 200
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert 'assay_up{part="store"} 0.0' in answer.text
    assert 'assay_up{part="broker"} 0.0' in answer.text


def test_a_broker_that_is_away_is_missing(
    client_with: Callable[..., FlaskClient], redis: Redis
) -> None:
    lives(redis)
    nowhere = f"redis://127.0.0.1:{free_port('127.0.0.1')}/0"
    assert readiness(client_with(broker_url=nowhere))[1]["missing"] == ["broker"]


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


PROBES_WAIT = 10
"""Seconds: those who watch a server wait for two; a test is more patient, and not endlessly so."""


@pytest.mark.parametrize(
    ("broker", "missing"),
    [
        (None, ["store", "broker", "worker"]),
        ("redis://{}/0", ["store", "broker", "worker"]),
        ("amqp://guest:guest@{}//", ["store", "broker", "worker"]),
    ],
    ids=["of the store", "Redis", "RabbitMQ"],
)
def test_a_store_and_a_broker_that_say_nothing_are_missing(
    client_with: Callable[..., FlaskClient], silent: str, broker: str | None, missing: list[str]
) -> None:
    client = client_with(
        redis_url=f"redis://{silent}/0",
        broker_url=broker.format(silent) if broker else None,
    )
    for _ in range(3):
        began = time.monotonic()
        status, found = readiness(client)
        assert time.monotonic() - began < PROBES_WAIT
        assert status == 503
        assert found["missing"] == missing


def test_a_broker_that_says_nothing_is_missing_alone(
    client_with: Callable[..., FlaskClient], redis: Redis, silent: str
) -> None:
    lives(redis)
    assert readiness(client_with(broker_url=f"redis://{silent}/0"))[1]["missing"] == ["broker"]


@pytest.mark.slow
def test_a_store_that_stops_is_missing_until_it_goes_on(tmp_path: Path) -> None:
    """With a real server: its greenlets have to wait as threads do."""
    node = Node(tmp_path / "valkey")
    valkey = psutil.Process(node.pid)
    try:
        with api(
            settings_at(tmp_path, redis_url=f"redis://127.0.0.1:{node.port}/0"), tmp_path
        ) as url:

            def missing() -> list[str]:
                answer = requests.get(f"{url}/readyz", timeout=PROBES_WAIT)
                assert answer.status_code == 503
                return list(answer.json()["missing"])

            until(lambda: missing() == ["worker"], "the store answers")
            valkey.suspend()
            for _ in range(8):  # more than there are processes
                assert missing() == ["store", "broker", "worker"]
            valkey.resume()
            until(lambda: missing() == ["worker"], "the store answers again")
    finally:
        valkey.resume()
        node.close()


def test_many_who_ask_what_hangs_hold_one_thread() -> None:
    hangs = Event()
    asked = [0]

    def ask() -> str:
        asked[0] += 1
        hangs.wait(60)
        return "answered"

    probe = Probe(ask)
    waiting = [probe.start() for _ in range(20)]
    hangs.set()
    assert {each.result(60) for each in waiting} == {"answered"}
    assert asked == [1]
    assert probe.start().result(60) == "answered"
    assert asked == [2], "what was answered is asked anew"


def test_weights_that_are_not_whole_are_missing(
    client: FlaskClient, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    lives(redis)
    monkeypatch.setattr("models.manifest.digest", lambda *_: "0" * 64)  # a failing disk
    assert readiness(client)[1]["missing"] == ["weights"]


def test_a_server_that_ends_is_not_ready(
    client: FlaskClient, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    lives(redis)
    monkeypatch.setattr(health, "draining", lambda: True)
    assert readiness(client) == (503, READY | {"status": "draining"})
    assert not drain.draining()


# A Redis that is full, or careless


def test_a_full_redis_is_a_503_that_says_when_to_come_again(
    client: FlaskClient, redis: Redis
) -> None:
    redis.config_set("maxmemory", "1")
    try:
        answer = client.post("/v1/checks", json={"urls": ["https://example.com/a.jpg"]})
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert "full" in json.loads(answer.data)["detail"]
        known = client.post("/v1/lookups", json={"urls": ["https://example.com/a.jpg"]})
        assert known.status_code == 200
    finally:
        redis.config_set("maxmemory", "0")


def test_the_embedded_valkey_gives_up_cache_before_anything_else(stack: Supervisor) -> None:
    with Redis.from_url(str(stack.settings.redis_url)) as redis:
        memory = redis.info("memory")
        assert memory["maxmemory_policy"] == "volatile-lru"
        assert memory["maxmemory"] == 2**30
        assert eviction_warning(redis) is None


def test_a_redis_that_would_rather_lose_work_is_warned_of(redis: Redis) -> None:
    redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        assert "volatile-lru" in str(eviction_warning(redis))
    finally:
        redis.config_set("maxmemory-policy", "noeviction")
