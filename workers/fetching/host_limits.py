"""Limits for each host: few requests at once, pauses that it asks for, and a queue of waiting work.

`workers.storage.keys` lists a host's keys. Its queue holds work, and has no time to live. All other
keys may be evicted.
"""

from __future__ import annotations

import time
from typing import Literal, NamedTuple, cast

from redis import Redis

from workers.storage import keys
from workers.storage.connection import PRUNE

REQUESTS_PER_HOST = 2
SLOT_TTL = 20
"""Seconds after which a request to a host counts as over; above the longest fetch."""
DOWN_AFTER, DOWN_TTL = 5, 10
"""After this many failures in a row, a host counts as down for this many seconds."""
LONGEST_PAUSE = 60
"""Seconds of pause that a host may ask for before its image is given up (RFC 9110 §10.2.3)."""
MOST_RETRIES = 3
"""How often an image is requested again after its host asked for a pause."""
_RETRIES_TTL = 15 * 60
_WOKEN_AT_ONCE = 100
"""Work woken from the queue of a host that is down; it fails at once."""

Acquired = Literal["acquired", "busy", "queue", "paused", "down"]
"""`queue`: busy, and other work waits already."""

# KEYS: host, down, pause, queue. ARGV: now, the number of slots, how many failures mean down, and
# the slots' TTL. A deadline beyond the TTL is from before the clock was set back.
_STATE = """
local now, slots, failures = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZREMRANGEBYSCORE', KEYS[1], now + ARGV[4] + 1, '+inf')
local free = slots - redis.call('ZCARD', KEYS[1])
local is_down = tonumber(redis.call('GET', KEYS[2]) or 0) >= failures
local is_paused = redis.call('EXISTS', KEYS[3]) == 1
"""

# Take a slot for token ARGV[5].
_ACQUIRE = (
    _STATE
    + """
if is_down then return 'down' end
if is_paused then return 'paused' end
if free <= 0 then return redis.call('EXISTS', KEYS[4]) == 1 and 'queue' or 'busy' end
redis.call('ZADD', KEYS[1], now + ARGV[4], ARGV[5])
redis.call('EXPIRE', KEYS[1], ARGV[4])
return 'acquired'
"""
)

# Return the slot of token ARGV[1]. Count that the host failed unless ARGV[2] is 1; failures count
# for ARGV[3] seconds. Says whether work waits. KEYS: host, down, pause, queue.
_RELEASE = """
redis.call('ZREM', KEYS[1], ARGV[1])
if ARGV[2] == '1' then
  redis.call('DEL', KEYS[2])
else
  redis.call('INCR', KEYS[2])
  redis.call('EXPIRE', KEYS[2], ARGV[3])
end
return redis.call('EXISTS', KEYS[4])
"""

# Return the queued work for which there are slots; ARGV[5] of it if the host is down. Each is
# followed by since when it waits.
_NEXT = (
    _STATE
    + """
local count = is_down and tonumber(ARGV[5]) or is_paused and 0 or free
if count <= 0 then return {} end
return redis.call('ZRANGE', KEYS[4], 0, count - 1, 'WITHSCORES')
"""
)

# Queue ARGV[2], since ARGV[1]. Work that is queued already keeps its position, but gets a score of
# its own, so that a caller who is about to remove the score that it read does not. KEYS: queue.
_ENQUEUE = """
local since = redis.call('ZSCORE', KEYS[1], ARGV[2])
redis.call('ZADD', KEYS[1], since and since + 0.000001 or ARGV[1], ARGV[2])
"""


class Waiting(NamedTuple):
    """Work in a host's queue."""

    work: str
    """As `workers.scheduling.wait_queues` writes it."""
    since: float
    """Unix s."""


class HostLimiter:
    """How all workers together treat each host. Thread-safe.

    A host is named as in a canonical URL, with its port.

    Args:
        redis: a client that returns bytes.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._acquire = redis.register_script(_ACQUIRE)
        self._release = redis.register_script(_RELEASE)
        self._next = redis.register_script(_NEXT)
        self._enqueue = redis.register_script(_ENQUEUE)
        self._prune = redis.register_script(PRUNE)

    def acquire(self, host: str, token: str) -> Acquired:
        """Take one of the host's slots, if one is free and the host is neither paused nor down."""
        acquired = self._acquire(keys=_keys(host), args=[*_args(), token])
        return cast(Acquired, acquired.decode())

    def release(self, host: str, token: str, *, answered: bool) -> bool:
        """Return a slot, and record whether the host could be reached; say if work waits for it."""
        return bool(self._release(keys=_keys(host), args=[token, int(answered), DOWN_TTL]))

    def pause(self, host: str, seconds: float) -> None:
        """Let nobody acquire a slot of the host for some seconds."""
        self._redis.set(keys.host(host, ":pause"), b"", px=max(1, int(1000 * seconds)))

    def count_retry(self, address: str) -> int:
        """Count that the address's host asked to retry later; return how often it has."""
        key = keys.retries(address)
        with self._redis.pipeline() as pipe:
            pipe.incr(key)
            pipe.expire(key, _RETRIES_TTL)
            return int(pipe.execute()[0])

    def enqueue(self, host: str, work: str) -> None:
        """Put work at the end of the host's queue, unless it is queued already."""
        self._enqueue(keys=[keys.host(host, ":queue")], args=[time.time(), work])
        self._redis.sadd(keys.HOST_QUEUES, host)

    def next(self, host: str) -> list[Waiting]:
        """Return the queued work for which the host has slots; it stays queued until `dequeue`."""
        found = self._next(keys=_keys(host), args=[*_args(), _WOKEN_AT_ONCE])
        return [Waiting(w.decode(), float(s)) for w, s in zip(found[::2], found[1::2], strict=True)]

    def dequeue(self, host: str, waiting: Waiting) -> None:
        """Remove work from the host's queue, unless it was queued again meanwhile."""
        self._prune(keys=[keys.host(host, ":queue")], args=[waiting.work, waiting.since])

    def waiting_hosts(self) -> list[str]:
        """Return the hosts that have a queue."""
        hosts = [raw.decode() for raw in cast(set[bytes], self._redis.smembers(keys.HOST_QUEUES))]
        for host in hosts:
            queue = keys.host(host, ":queue")
            if not self._redis.exists(queue):
                self._redis.srem(keys.HOST_QUEUES, host)
                if self._redis.exists(queue):  # work was queued in between
                    self._redis.sadd(keys.HOST_QUEUES, host)
        return hosts


def _keys(host: str) -> list[str]:
    return [keys.host(host, part) for part in ("", ":down", ":pause", ":queue")]


def _args() -> list[float]:
    return [time.time(), REQUESTS_PER_HOST, DOWN_AFTER, SLOT_TTL]
