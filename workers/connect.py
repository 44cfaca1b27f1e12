"""A client of the Redis that a URL names: one server, one that Sentinels watch, or a cluster.

=============================================================  ====================================
``redis://[[user]:password@]host[:port][/db]``, ``rediss://``  one server, without or with TLS
``redis+sentinel://[[user]:password@]host[:port],…/service``   the master that the Sentinels name
``redis+cluster://[[user]:password@]host[:port],…``            a cluster, found by any of its nodes
=============================================================  ====================================

The last two are written as `limits` writes them; a password is given to the Sentinels as well.
Kombu has words of its own for Sentinels, which `broker_of` knows, and none for a cluster.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, cast
from urllib.parse import quote, unquote, urlsplit

from redis import Redis, RedisCluster
from redis.client import Pipeline
from redis.cluster import ClusterNode
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisClusterException
from redis.sentinel import Sentinel

SENTINEL, CLUSTER = "redis+sentinel", "redis+cluster"
_PORTS = {SENTINEL: 26379, CLUSTER: 6379}

TIMEOUTS: dict[str, Any] = {"socket_connect_timeout": 2, "socket_timeout": 5}
"""Seconds. The Redis is near, and people wait for its answer."""
MOST_CONNECTIONS = 4096
"""Of one process: every client that waits for news has one. Redis-py would stop at 100."""

PRUNE = """
for i = 1, #ARGV, 2 do
  local score = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if score and tonumber(score) == tonumber(ARGV[i + 1]) then
    redis.call('ZREM', KEYS[1], ARGV[i])
  end
end
"""
"""A script that takes members out of a sorted set, each only if its score is still the one that was
read. KEYS: the set. ARGV: member and score in turns."""


class _Place(NamedTuple):
    """What a URL with several hosts says."""

    hosts: list[tuple[str, int]]
    credentials: dict[str, Any]
    service: str


def connect(url: str) -> Redis:
    """Return a client that returns bytes; thread-safe, and usable after a fork.

    One server and Sentinels are connected to when they are first needed, a cluster at once.

    Args:
        url: one of the forms above, as the settings make sure.

    Raises:
        redis.RedisError: no node of the cluster answers.
    """
    scheme = urlsplit(url).scheme
    # No `health_check_interval`: redis-py connects anew where a connection broke, and a Redis whose
    # disk is full refuses PING, while it still answers what it is asked to read.
    options = {**TIMEOUTS, "max_connections": MOST_CONNECTIONS}
    if scheme == SENTINEL:
        place = _place(url)
        sentinel = Sentinel(  # type: ignore[no-untyped-call]
            place.hosts,
            sentinel_kwargs={**TIMEOUTS, **place.credentials},
            **options,
            **place.credentials,
        )
        return cast(Redis, sentinel.master_for(place.service))  # type: ignore[no-untyped-call]
    if scheme == CLUSTER:
        return _connect_to_cluster(_place(url), options)
    return Redis.from_url(url, **options)


def _connect_to_cluster(place: _Place, options: dict[str, Any]) -> Redis:
    nodes = [ClusterNode(*host) for host in place.hosts]  # type: ignore[no-untyped-call]
    with _redis_error():
        cluster = RedisCluster(startup_nodes=nodes, **options, **place.credentials)
    manager = cluster.nodes_manager  # which learns anew where the keys lie whenever a node is away
    manager.initialize = _redis_error()(manager.initialize)  # type: ignore[method-assign]
    # It has every method of a Redis that we use, and is no subclass of it.
    return cast(Redis, cluster)


@contextmanager
def _redis_error() -> Iterator[None]:
    """Raise a RedisError where redis-py raises what is none: no node of the cluster answers."""
    try:
        yield
    except RedisClusterException as error:
        raise RedisConnectionError(str(error)) from error


def eviction_warning(redis: Redis) -> str | None:
    """Return a warning if this Redis would rather lose scans and keys than refuse a write.

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


def publish(pipe: Pipeline, channel: str, message: str | bytes = b"") -> None:
    """Publish as a step of a pipeline; redis-py's own method refuses that for a cluster."""
    pipe.execute_command("PUBLISH", channel, message)  # type: ignore[no-untyped-call]


def broker_of(url: str) -> tuple[str, dict[str, Any]]:
    """Return a Redis URL as kombu writes it, and the transport options that belong to it.

    Args:
        url: any broker's; those that do not name Sentinels are returned as they are.
    """
    if urlsplit(url).scheme != SENTINEL:
        return url, {}
    place = _place(url)
    name, password = (quote(place.credentials.get(k, "")) for k in ("username", "password"))
    login = f"{name}:{password}@" if password else ""
    return (
        ";".join(f"sentinel://{login}{host}:{port}" for host, port in place.hosts),
        {"master_name": place.service, "sentinel_kwargs": {**TIMEOUTS, **place.credentials}},
    )


def _place(url: str) -> _Place:
    parts = urlsplit(url)
    login, _, hosts = parts.netloc.rpartition("@")
    username, _, password = login.partition(":")
    given = {"username": unquote(username), "password": unquote(password)}
    return _Place(
        hosts=[_host_and_port(each, _PORTS[parts.scheme]) for each in hosts.split(",")],
        credentials={name: value for name, value in given.items() if value},
        service=parts.path.strip("/"),
    )


def _host_and_port(text: str, default: int) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    return parts.hostname or "", parts.port or default
