"""Manners towards hosts: how many at once, whom to leave alone, and who is next."""

from __future__ import annotations

import pytest
from redis import Redis

from tests.conftest import until
from workers.hosts import HOST_DOWN_AFTER, REQUESTS_PER_HOST, Hosts

HOST = "example.com"


@pytest.fixture
def hosts(redis: Redis) -> Hosts:
    return Hosts(redis)


def fill(hosts: Hosts, host: str = HOST) -> None:
    for number in range(REQUESTS_PER_HOST):
        assert hosts.enter(host, f"v{number}") == "entered"


def break_down(hosts: Hosts) -> None:
    for number in range(HOST_DOWN_AFTER):
        assert hosts.enter(HOST, f"v{number}") == "entered"
        hosts.leave(HOST, f"v{number}", answered=False)


def names(hosts: Hosts, host: str = HOST) -> list[str]:
    return [waiter.name for waiter in hosts.next(host)]


def test_a_host_takes_so_many_requests_at_once_and_no_more(hosts: Hosts) -> None:
    fill(hosts)
    assert hosts.enter(HOST, "one more") == "busy"
    assert hosts.enter("other.example", "v") == "entered"
    hosts.leave(HOST, "v0", answered=True)
    assert hosts.enter(HOST, "one more") == "entered"


def test_the_place_of_a_request_that_never_ended_is_free_again_in_time(
    hosts: Hosts, redis: Redis
) -> None:
    fill(hosts)
    redis.zadd("assay:host:{example.com}", {"v0": 1})
    assert hosts.enter(HOST, "one more") == "entered"


def test_a_host_that_never_answers_is_left_alone(hosts: Hosts) -> None:
    break_down(hosts)
    assert hosts.enter(HOST, "v") == "down"


def test_a_host_that_answers_now_and_then_is_not_left_alone(hosts: Hosts) -> None:
    for number in range(3 * HOST_DOWN_AFTER):
        assert hosts.enter(HOST, f"v{number}") == "entered"
        hosts.leave(HOST, f"v{number}", answered=number % 2 == 0)


def test_a_host_that_asked_for_a_pause_is_left_alone_for_so_long(hosts: Hosts) -> None:
    hosts.pause(HOST, 0.5)
    hosts.wait(HOST, "a")
    assert hosts.enter(HOST, "v") == "paused"
    assert names(hosts) == []
    until(lambda: hosts.enter(HOST, "v") == "entered", "the pause is over")
    assert names(hosts) == ["a"]


def test_who_waits_is_called_in_order_and_only_when_there_is_a_place(hosts: Hosts) -> None:
    fill(hosts)
    for waiter in ("a", "b", "c", "a"):
        hosts.wait(HOST, waiter)
    assert hosts.enter(HOST, "v") == "queue", "others wait already"
    assert names(hosts) == []
    hosts.leave(HOST, "v0", answered=True)
    assert names(hosts) == ["a"]
    assert names(hosts) == ["a"], "until it is known to be called"
    hosts.called(HOST, *hosts.next(HOST))
    assert names(hosts) == ["b"]
    hosts.leave(HOST, "v1", answered=True)
    assert names(hosts) == ["b", "c"]


def test_who_comes_back_while_it_is_being_called_keeps_its_place(hosts: Hosts) -> None:
    for waiter in ("a", "b"):
        hosts.wait(HOST, waiter)
    first, second = hosts.next(HOST)
    hosts.wait(HOST, "a")  # it ran at once, and found no place
    for waiter in (first, second):
        hosts.called(HOST, waiter)
    assert names(hosts) == ["a"]
    assert hosts.waits(HOST, "a")
    assert not hosts.waits(HOST, "b")


def test_all_who_wait_for_a_host_that_is_down_may_learn_it(hosts: Hosts) -> None:
    break_down(hosts)
    for number in range(10):
        hosts.wait(HOST, str(number))
    assert len(hosts.next(HOST)) == 10


def test_hosts_with_lanes_are_known_until_nobody_waits(hosts: Hosts) -> None:
    hosts.wait(HOST, "a")
    hosts.wait("other.example", "b")
    assert sorted(hosts.with_lanes()) == [HOST, "other.example"]
    hosts.called(HOST, *hosts.next(HOST))
    hosts.with_lanes()
    assert hosts.with_lanes() == ["other.example"]


def test_who_waits_is_never_forgotten_and_all_else_is(hosts: Hosts, redis: Redis) -> None:
    fill(hosts)
    hosts.leave(HOST, "v0", answered=False)
    hosts.pause(HOST, 60)
    hosts.turned_away("https://example.com/a.jpg")
    hosts.wait(HOST, "a")
    lasting = {key for key in list(redis.scan_iter()) if redis.ttl(key) == -1}
    assert lasting == {b"assay:host:{example.com}:lane", b"assay:lanes"}
    assert len(list(redis.scan_iter())) == 6
