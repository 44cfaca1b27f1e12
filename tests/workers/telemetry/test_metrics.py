"""What processes count: added up, in one place, and never at the cost of the work."""

from __future__ import annotations

import threading

import pytest
from redis import Redis

from tests.conftest import until
from workers.telemetry.metrics import METRICS, Meter, read
from workers.telemetry.queue_latency import QueueLatency


@pytest.fixture
def meter(redis: Redis) -> Meter:
    meter = Meter()
    meter.start(redis)
    return meter


def total(redis: Redis, name: str, *labels: str) -> float:
    return read(redis)[name][labels].value


def test_what_several_processes_count_is_added_up(redis: Redis) -> None:
    for _ in range(3):
        meter = Meter()
        meter.start(redis)
        meter.count("verdicts", label="ai")
        meter.count("verdicts", 2, label="real")
        meter.flush()
    assert total(redis, "verdicts", "ai") == 3
    assert total(redis, "verdicts", "real") == 6


def test_it_is_there_within_seconds_without_a_word(meter: Meter, redis: Redis) -> None:
    meter.count("stragglers", 5)
    until(lambda: "stragglers" in read(redis), "it was flushed")
    assert total(redis, "stragglers") == 5


def test_an_observation_falls_into_the_bucket_whose_bound_it_does_not_pass(
    meter: Meter, redis: Redis
) -> None:
    assert METRICS["batch_size"].buckets == (0, 1, 2, 4, 8, 16)
    for size in (0, 1, 3, 4, 16, 17):
        meter.observe("batch_size", size, queue="bulk")
    meter.flush()
    reading = read(redis)["batch_size"]["bulk",]
    assert reading.buckets == [1, 1, 0, 2, 0, 1, 1]
    assert reading.value == 41


def test_a_block_is_timed_however_it_ends(meter: Meter, redis: Redis) -> None:
    with pytest.raises(RuntimeError), meter.timed("judge_seconds"):
        raise RuntimeError
    meter.flush()
    assert sum(read(redis)["judge_seconds"][()].buckets) == 1


def test_threads_lose_nothing(meter: Meter, redis: Redis) -> None:
    def count() -> None:
        for _ in range(1000):
            meter.count("verdicts", label="ai")

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    meter.flush()
    until(lambda: total(redis, "verdicts", "ai") == 8000, "the flusher's part is there too")


def test_what_cannot_be_written_now_is_written_later(meter: Meter, redis: Redis) -> None:
    redis.set("assay:metrics", "of another type")
    meter.count("verdicts", label="ai")
    meter.flush()  # raises nothing
    redis.delete("assay:metrics")
    meter.count("verdicts", label="ai")
    meter.flush()
    until(lambda: total(redis, "verdicts", "ai") == 2, "both are there")


def test_a_full_redis_costs_no_count(meter: Meter, redis: Redis) -> None:
    redis.config_set("maxmemory", "1")
    try:
        meter.count("verdicts", label="ai")
        meter.flush()
        assert read(redis) == {}
    finally:
        redis.config_set("maxmemory", "0")
    meter.flush()
    until(lambda: total(redis, "verdicts", "ai") == 1, "it is there")


def test_a_metric_that_nobody_described_is_a_mistake(meter: Meter) -> None:
    with pytest.raises(KeyError):
        meter.count("nonsense")
    with pytest.raises(KeyError):
        meter.count("verdicts")


def test_what_another_version_counted_is_left_alone(meter: Meter, redis: Redis) -> None:
    redis.hset("assay:metrics", '["of_old", ["x"], ""]', 1)
    redis.hset("assay:metrics", '["verdicts", ["ai", "more"], ""]', 1)
    meter.count("verdicts", label="ai")
    meter.flush()
    assert list(read(redis)) == ["verdicts"]
    assert list(read(redis)["verdicts"]) == [("ai",)]


# How long tasks wait


def test_the_oldest_that_waits_gives_the_age_of_its_queue(redis: Redis) -> None:
    waiting = QueueLatency(redis, "v")
    waiting.sent("bulk", "a")
    redis.zadd("assay:queued:v:bulk", {"b": float(redis.time()[0]) - 100})
    assert 99 <= waiting.oldest("bulk", depth=2) < 160
    assert waiting.oldest("interactive", depth=1) == 0, "sent by somebody else"
    waited = waiting.begun("bulk", "b")
    assert waited is not None
    assert waited >= 99
    assert waiting.oldest("bulk", depth=1) < 60
    assert waiting.begun("bulk", "b") is None


def test_tasks_that_the_broker_lost_are_forgotten(redis: Redis) -> None:
    waiting = QueueLatency(redis, "v")
    waiting.sent("bulk", "just being sent")
    redis.zadd("assay:queued:v:bulk", {"lost": float(redis.time()[0]) - 100})
    assert waiting.oldest("bulk", depth=0) == 0
    assert redis.zrange("assay:queued:v:bulk", 0, -1) == [b"just being sent"]
