"""Manners towards hosts: few requests at once, pauses that they ask for, and lanes of who waits.

The keys of a host share a hash tag, so that a script finds them on one node of a Redis Cluster. Who
waits in a lane is work, and has no time to live; all else may be forgotten.

============================  ====================================================================
``assay:host:{host}``         (sorted set) requests under way to the host, by their deadline
``assay:host:{host}:down``    failures to connect to the host, one after the other
``assay:host:{host}:pause``   there while the host wants to be left alone
``assay:host:{host}:lane``    (sorted set) who waits for a place at the host, by since when
``assay:turned-away:{a}``     how often the address (its SHA-256) was asked for in vain
``assay:lanes``               hosts that somebody waits for
============================  ====================================================================
"""

from __future__ import annotations

import hashlib
import time
from typing import Literal, NamedTuple, cast

from redis import Redis

from workers.connect import PRUNE

REQUESTS_PER_HOST = 2
HOST_SLOT_TTL = 20
"""Seconds after which a request to a host counts as over; above the longest that a fetch takes."""
HOST_DOWN_AFTER, HOST_DOWN_TTL = 5, 10
"""A host that fails this often in a row is left alone for this many seconds."""
LONGEST_PAUSE = 60
"""Seconds that a host may ask for before its image is given up (RFC 9110 §10.2.3)."""
MOST_TURNED_AWAY = 3
"""How often one image is asked for again after its host asked for a pause."""
_TURNED_AWAY_TTL = 15 * 60
_WOKEN_AT_ONCE = 100
"""From the lane of a host that is down; they fail at once."""

Entry = Literal["entered", "busy", "queue", "paused", "down"]
"""`queue`: busy, and others wait already."""

# KEYS: host, down, pause, lane. ARGV: now, the number of places, how many failures mean down, and
# seconds for which a place is taken: a deadline beyond them is from before the clock was set back.
_STATE = """
local now, places, failures = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZREMRANGEBYSCORE', KEYS[1], now + ARGV[4] + 1, '+inf')
local free = places - redis.call('ZCARD', KEYS[1])
local is_down = tonumber(redis.call('GET', KEYS[2]) or 0) >= failures
local is_paused = redis.call('EXISTS', KEYS[3]) == 1
"""

# Takes a place for visitor ARGV[5], and says whether that went well.
_ENTER = (
    _STATE
    + """
if is_down then return 'down' end
if is_paused then return 'paused' end
if free <= 0 then return redis.call('EXISTS', KEYS[4]) == 1 and 'queue' or 'busy' end
redis.call('ZADD', KEYS[1], now + ARGV[4], ARGV[5])
redis.call('EXPIRE', KEYS[1], ARGV[4])
return 'entered'
"""
)

# Returns those in the lane whose turn it is: ARGV[5] if they would find the host down. Each is
# followed by since when it waits.
_NEXT = (
    _STATE
    + """
local count = is_down and tonumber(ARGV[5]) or is_paused and 0 or free
if count <= 0 then return {} end
return redis.call('ZRANGE', KEYS[4], 0, count - 1, 'WITHSCORES')
"""
)

# Puts ARGV[2] into the lane, since ARGV[1]; who is in it keeps the place, but with a score of its
# own: whoever is about to strike off the score that it read does not. KEYS: lane.
_WAIT = """
local since = redis.call('ZSCORE', KEYS[1], ARGV[2])
redis.call('ZADD', KEYS[1], since and since + 0.000001 or ARGV[1], ARGV[2])
"""


class Waiter(NamedTuple):
    """Somebody in a lane."""

    name: str
    since: float
    """Unix s."""


class Hosts:
    """How all workers together treat each host. Thread-safe, like the connection pool below it.

    A host is named as in a canonical URL, with its port.

    Args:
        redis: a client that returns bytes.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._enter = redis.register_script(_ENTER)
        self._next = redis.register_script(_NEXT)
        self._wait = redis.register_script(_WAIT)
        self._prune = redis.register_script(PRUNE)

    def enter(self, host: str, visitor: str) -> Entry:
        """Take one of the places at the host, if there is one and the host wants to be asked."""
        entry = self._enter(keys=_keys(host), args=[*_args(), visitor])
        return cast(Entry, entry.decode())

    def leave(self, host: str, visitor: str, *, answered: bool) -> None:
        """Give the place at the host back, and note whether the host could be reached."""
        key, down, *_ = _keys(host)
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.zrem(key, visitor)
            if answered:
                pipe.delete(down)
            else:
                pipe.incr(down)
                pipe.expire(down, HOST_DOWN_TTL)
            pipe.execute()

    def pause(self, host: str, seconds: float) -> None:
        """Let nobody enter the host for some seconds, as it asked for."""
        self._redis.set(_keys(host)[2], b"", px=max(1, int(1000 * seconds)))

    def turned_away(self, address: str) -> int:
        """Count that the host did not serve this address just now; returns how often it did not."""
        key = "assay:turned-away:" + hashlib.sha256(address.encode()).hexdigest()
        with self._redis.pipeline() as pipe:
            pipe.incr(key)
            pipe.expire(key, _TURNED_AWAY_TTL)
            return int(pipe.execute()[0])

    # Lanes

    def wait(self, host: str, name: str) -> None:
        """Put somebody at the end of the host's lane, unless it is in it already."""
        self._wait(keys=[_keys(host)[3]], args=[time.time(), name])
        self._redis.sadd("assay:lanes", host)

    def waits(self, host: str, name: str) -> bool:
        """Return whether somebody is in the host's lane."""
        return self._redis.zscore(_keys(host)[3], name) is not None

    def next(self, host: str) -> list[Waiter]:
        """Return those in the host's lane whose turn it is; they stay in it until `called`."""
        found = self._next(keys=_keys(host), args=[*_args(), _WOKEN_AT_ONCE])
        names, scores = found[::2], found[1::2]
        return [Waiter(n.decode(), float(s)) for n, s in zip(names, scores, strict=True)]

    def called(self, host: str, waiter: Waiter) -> None:
        """Take somebody whose turn came out of the host's lane, unless it came back meanwhile."""
        self._prune(keys=[_keys(host)[3]], args=[waiter.name, waiter.since])

    def with_lanes(self) -> list[str]:
        """Return the hosts that somebody waits for."""
        hosts = [raw.decode() for raw in cast(set[bytes], self._redis.smembers("assay:lanes"))]
        for host in hosts:
            if not self._redis.exists(_keys(host)[3]):
                self._redis.srem("assay:lanes", host)
                if self._redis.exists(_keys(host)[3]):  # who came in between
                    self._redis.sadd("assay:lanes", host)
        return hosts


def _keys(host: str) -> list[str]:
    key = f"assay:host:{{{host}}}"
    return [key, f"{key}:down", f"{key}:pause", f"{key}:lane"]


def _args() -> list[float]:
    return [time.time(), REQUESTS_PER_HOST, HOST_DOWN_AFTER, HOST_SLOT_TTL]
