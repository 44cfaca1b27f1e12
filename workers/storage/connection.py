"""Connect to the Redis that a URL names: one server, a server behind Sentinels, or a cluster.

=============================================================  ====================================
``redis://[[user]:password@]host[:port][/db]``, ``rediss://``  one server, without or with TLS
``redis+sentinel://[[user]:password@]host[:port],…/service``   the master that the Sentinels name
``redis+cluster://[[user]:password@]host[:port],…``            a cluster, found by any of its nodes
=============================================================  ====================================

A password is sent to the Sentinels as well.
Kombu has another form for Sentinels, which `broker_of` writes, and none for a cluster.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, cast
from urllib.parse import quote, unquote, urlsplit

from redis import Redis, RedisCluster
from redis.client import Pipeline, PubSub
from redis.cluster import ClusterNode
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisClusterException
from redis.sentinel import Sentinel

from settings import Settings
from workers.storage.connection_pool import QuickConnectionPool

SENTINEL, CLUSTER = "redis+sentinel", "redis+cluster"
_PORTS = {SENTINEL: 26379, CLUSTER: 6379}

TIMEOUTS: dict[str, Any] = {"socket_connect_timeout": 2, "socket_timeout": 5}
"""Seconds. The Redis is near, and people wait for its replies."""
MOST_CONNECTIONS = 4096
"""Of one process. Every client that waits for a result has one; redis-py's default is 100."""

PRUNE = """
for i = 1, #ARGV, 2 do
  local score = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if score and tonumber(score) == tonumber(ARGV[i + 1]) then
    redis.call('ZREM', KEYS[1], ARGV[i])
  end
end
"""
"""A script that removes members from a sorted set, each only if it still has the score that was
read. KEYS: the set. ARGV: pairs of member and score."""


class _Location(NamedTuple):
    """The parts of a URL with several hosts."""

    hosts: list[tuple[str, int]]
    credentials: dict[str, Any]
    service: str


def open_redis(settings: Settings) -> Redis:
    """Connect to the Redis that the settings name; see `connect`.

    Raises:
        ValueError: ``redis_url`` is not set.
        redis.RedisError: it is a cluster of which no node answers.
    """
    if settings.redis_url is None:
        raise ValueError("ASSAY_REDIS_URL is not set")
    return connect(settings.redis_url)


def connect(url: str) -> Redis:
    """Return a client that returns bytes. It is thread-safe, and usable after a fork.

    One server, or one behind Sentinels, is connected to at its first use; a cluster at once.

    Args:
        url: one of the forms above; the settings validate it.

    Raises:
        redis.RedisError: no node of the cluster answers.
    """
    scheme = urlsplit(url).scheme
    # No `health_check_interval`: redis-py reconnects by itself after a broken connection, and a
    # Redis whose disk is full refuses PING while it still serves reads.
    options = {**TIMEOUTS, "max_connections": MOST_CONNECTIONS}
    if scheme == SENTINEL:
        location = _parse(url)
        sentinel = Sentinel(  # type: ignore[no-untyped-call]
            location.hosts,
            sentinel_kwargs={**TIMEOUTS, **location.credentials},
            **options,
            **location.credentials,
        )
        return cast(Redis, sentinel.master_for(location.service))  # type: ignore[no-untyped-call]
    if scheme == CLUSTER:
        return _connect_to_cluster(_parse(url), options)
    return Redis.from_pool(QuickConnectionPool.from_url(url, **options))


def _connect_to_cluster(location: _Location, options: dict[str, Any]) -> Redis:
    nodes = [ClusterNode(*host) for host in location.hosts]  # type: ignore[no-untyped-call]
    with _redis_error():
        cluster = RedisCluster(startup_nodes=nodes, **options, **location.credentials)
    manager = cluster.nodes_manager  # it asks again where the keys are whenever a node is away
    manager.initialize = _redis_error()(manager.initialize)  # type: ignore[method-assign]
    # It has every method of Redis that we use, but is not a subclass of it.
    return cast(Redis, cluster)


@contextmanager
def _redis_error() -> Iterator[None]:
    """Raise a RedisError where redis-py raises another error: no node of the cluster answers."""
    try:
        yield
    except RedisClusterException as error:
        raise RedisConnectionError(str(error)) from error


def eviction_warning(redis: Redis) -> str | None:
    """Return a warning if this Redis evicts scans and API keys when it is full.

    Raises:
        redis.RedisError: it does not answer.
    """
    policy = str(redis.info("memory").get("maxmemory_policy", ""))
    if not policy.startswith("allkeys"):
        return None
    return (
        f"The Redis of ASSAY_REDIS_URL evicts any key when it is full (maxmemory-policy {policy}), "
        "also scans, API keys and queued work: set volatile-lru."
    )


def get_many(redis: Redis, keys: Sequence[str]) -> list[bytes | None]:
    """Return the values of the keys, in order; a cluster's keys may lie on all its nodes."""
    if isinstance(redis, RedisCluster):
        return cast("list[bytes | None]", redis.mget_nonatomic(keys))
    return cast("list[bytes | None]", redis.mget(keys))


def union_many(redis: Redis, keys: Sequence[str]) -> set[bytes]:
    """Return the members of all these sorted sets; a cluster's keys may lie on all its nodes."""
    if isinstance(redis, RedisCluster):
        with redis.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.zrange(key, 0, -1)
            return {member for members in pipe.execute() for member in members}
    return set(cast("list[bytes]", redis.zunion(keys)))


@contextmanager
def subscription(redis: Redis, channels: Sequence[str]) -> Iterator[PubSub]:
    """Receive what is published in these channels while the block runs.

    redis-py would close the connection. A new one, for every client that waits, costs more than all
    else that the wait takes.
    """
    pubsub: PubSub = redis.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
    with pubsub:
        pubsub.subscribe(*channels)
        yield pubsub
        pubsub.unsubscribe()  # type: ignore[no-untyped-call]
        deadline = time.monotonic() + TIMEOUTS["socket_timeout"]
        while pubsub.subscribed and time.monotonic() < deadline:
            pubsub.get_message(timeout=TIMEOUTS["socket_timeout"])  # until it confirms
        if not pubsub.subscribed and pubsub.connection is not None:
            pubsub.connection.deregister_connect_callback(pubsub.on_connect)
            pubsub.connection_pool.release(pubsub.connection)
            pubsub.connection = None


def publish(pipe: Pipeline, channel: str, message: str | bytes = b"") -> None:
    """Publish as a step of a pipeline; redis-py's own method does not allow that for a cluster."""
    pipe.execute_command("PUBLISH", channel, message)  # type: ignore[no-untyped-call]


def broker_of(url: str) -> tuple[str, dict[str, Any]]:
    """Return a broker's URL in kombu's form, and the transport options that belong to it.

    Args:
        url: of any broker; a URL that names no Sentinels is returned unchanged.
    """
    if urlsplit(url).scheme != SENTINEL:
        return url, {}
    location = _parse(url)
    name, password = (quote(location.credentials.get(k, "")) for k in ("username", "password"))
    login = f"{name}:{password}@" if password else ""
    return (
        ";".join(f"sentinel://{login}{host}:{port}" for host, port in location.hosts),
        {"master_name": location.service, "sentinel_kwargs": {**TIMEOUTS, **location.credentials}},
    )


def _parse(url: str) -> _Location:
    parts = urlsplit(url)
    login, _, hosts = parts.netloc.rpartition("@")
    username, _, password = login.partition(":")
    given = {"username": unquote(username), "password": unquote(password)}
    return _Location(
        hosts=[_host_and_port(each, _PORTS[parts.scheme]) for each in hosts.split(",")],
        credentials={name: value for name, value in given.items() if value},
        service=parts.path.strip("/"),
    )


def _host_and_port(text: str, default: int) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    return parts.hostname or "", parts.port or default
