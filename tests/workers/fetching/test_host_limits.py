"""Manners towards hosts: how many at once, whom to leave alone, and who is next."""

from __future__ import annotations

import pytest
from redis import Redis

from tests.conftest import until
from workers.fetching.host_limits import DOWN_AFTER, REQUESTS_PER_HOST, HostLimiter

HOST = "example.com"


@pytest.fixture
def hosts(redis: Redis) -> HostLimiter:
    return HostLimiter(redis)


def fill(hosts: HostLimiter, host: str = HOST) -> None:
    for number in range(REQUESTS_PER_HOST):
        assert hosts.acquire(host, f"v{number}") == "acquired"


def break_down(hosts: HostLimiter) -> None:
    for number in range(DOWN_AFTER):
        assert hosts.acquire(HOST, f"v{number}") == "acquired"
        hosts.release(HOST, f"v{number}", answered=False)


def names(hosts: HostLimiter, host: str = HOST) -> list[str]:
    return [waiter.work for waiter in hosts.next(host)]


def test_a_host_takes_so_many_requests_at_once_and_no_more(hosts: HostLimiter) -> None:
    fill(hosts)
    assert hosts.acquire(HOST, "one more") == "busy"
    assert hosts.acquire("other.example", "v") == "acquired"
    hosts.release(HOST, "v0", answered=True)
    assert hosts.acquire(HOST, "one more") == "acquired"


def test_the_place_of_a_request_that_never_ended_is_free_again_in_time(
    hosts: HostLimiter, redis: Redis
) -> None:
    fill(hosts)
    redis.zadd("assay:host:{example.com}", {"v0": 1})
    assert hosts.acquire(HOST, "one more") == "acquired"


def test_a_host_that_never_answers_is_left_alone(hosts: HostLimiter) -> None:
    break_down(hosts)
    assert hosts.acquire(HOST, "v") == "down"


def test_a_host_that_answers_now_and_then_is_not_left_alone(hosts: HostLimiter) -> None:
    for number in range(3 * DOWN_AFTER):
        assert hosts.acquire(HOST, f"v{number}") == "acquired"
        hosts.release(HOST, f"v{number}", answered=number % 2 == 0)


def test_a_host_that_asked_for_a_pause_is_left_alone_for_so_long(hosts: HostLimiter) -> None:
    hosts.pause(HOST, 0.5)
    hosts.enqueue(HOST, "a")
    assert hosts.acquire(HOST, "v") == "paused"
    assert names(hosts) == []
    until(lambda: hosts.acquire(HOST, "v") == "acquired", "the pause is over")
    assert names(hosts) == ["a"]


def test_who_waits_is_called_in_order_and_only_when_there_is_a_place(hosts: HostLimiter) -> None:
    fill(hosts)
    for waiter in ("a", "b", "c", "a"):
        hosts.enqueue(HOST, waiter)
    assert hosts.acquire(HOST, "v") == "queue", "others wait already"
    assert names(hosts) == []
    hosts.release(HOST, "v0", answered=True)
    assert names(hosts) == ["a"]
    assert names(hosts) == ["a"], "until it is known to be called"
    hosts.dequeue(HOST, *hosts.next(HOST))
    assert names(hosts) == ["b"]
    hosts.release(HOST, "v1", answered=True)
    assert names(hosts) == ["b", "c"]


def test_who_comes_back_while_it_is_being_called_keeps_its_place(hosts: HostLimiter) -> None:
    for waiter in ("a", "b"):
        hosts.enqueue(HOST, waiter)
    first, second = hosts.next(HOST)
    hosts.enqueue(HOST, "a")  # it ran at once, and found no slot
    for waiter in (first, second):
        hosts.dequeue(HOST, waiter)
    assert names(hosts) == ["a"]


def test_all_who_wait_for_a_host_that_is_down_may_learn_it(hosts: HostLimiter) -> None:
    break_down(hosts)
    for number in range(10):
        hosts.enqueue(HOST, str(number))
    assert len(hosts.next(HOST)) == 10


def test_hosts_with_lanes_are_known_until_nobody_waits(hosts: HostLimiter) -> None:
    hosts.enqueue(HOST, "a")
    hosts.enqueue("other.example", "b")
    assert sorted(hosts.waiting_hosts()) == [HOST, "other.example"]
    hosts.dequeue(HOST, *hosts.next(HOST))
    hosts.waiting_hosts()
    assert hosts.waiting_hosts() == ["other.example"]


def test_who_waits_is_never_forgotten_and_all_else_is(hosts: HostLimiter, redis: Redis) -> None:
    fill(hosts)
    hosts.release(HOST, "v0", answered=False)
    hosts.pause(HOST, 60)
    hosts.count_retry("https://example.com/a.jpg")
    hosts.enqueue(HOST, "a")
    lasting = {key for key in list(redis.scan_iter()) if redis.ttl(key) == -1}
    assert lasting == {b"assay:host:{example.com}:queue", b"assay:host-queues"}
    assert len(list(redis.scan_iter())) == 6
