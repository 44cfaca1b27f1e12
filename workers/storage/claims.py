"""Who works on what: at most one job per address, and one process per image.

A claim expires by itself, so the work of a process that was killed is soon claimed by another.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from redis import Redis
from redis.client import Pipeline, PubSub

from models.errors import CheckError
from workers.storage import keys
from workers.storage.connection import publish, subscription

LEASE = 20
"""Seconds after which a process that renews no claim loses it."""
QUEUED_TTL = 120
"""Seconds after which a queued job that no worker has begun counts as lost. A Redis broker may hand
a message to a machine that was cut off just now, or lose one in a failover. If the job merely
waits, whoever asks again creates a second job, which then finds the work done."""
ATTEMPTS_TTL = 600

# Start the job unless another owner runs it: returns 1 if started, else 0. The same owner may start
# it again, because a task that is delivered again after a crash keeps its id.
_START = """
local state = redis.call('GET', KEYS[1])
if state and string.sub(state, 1, 8) == 'running:' and state ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1
"""

# Extend the owner's claim.
_RENEW = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
"""


# Lock an image for a token, and count the attempt: returns its number, or 0 if the image is locked.
# KEYS: lock, attempts. ARGV: token, seconds of the lock, seconds for which attempts count.
_LOCK = """
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'EX', ARGV[2]) then return 0 end
local number = redis.call('INCR', KEYS[2])
redis.call('EXPIRE', KEYS[2], ARGV[3])
return number
"""

# Unlock an image that is still locked for the token; forget its attempts if ARGV[2] is 1.
_UNLOCK = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
if ARGV[2] == '1' then redis.call('DEL', KEYS[2]) end
"""


class Claims:
    """The claims of addresses. Thread-safe.

    Args:
        redis: a client that returns bytes.
        model_version: each version claims addresses for itself.
    """

    def __init__(self, redis: Redis, model_version: str) -> None:
        self._redis = redis
        self._version = model_version
        self._start = redis.register_script(_START)
        self._renew = redis.register_script(_RENEW)

    def claim_queued(self, addresses: Sequence[str]) -> list[str]:
        """Claim addresses for jobs that are to be queued; return those that were free."""
        return self._claim(addresses, "queued", QUEUED_TTL)

    def claim_running(self, addresses: Sequence[str], owner: str) -> list[str]:
        """Claim addresses for jobs that run now; return those that were free."""
        return self._claim(addresses, _running(owner), LEASE)

    def _claim(self, addresses: Sequence[str], state: str, ttl: int) -> list[str]:
        with self._redis.pipeline(transaction=False) as pipe:
            for address in addresses:
                pipe.set(self._key(address), state, nx=True, ex=ttl)
            return [a for a, taken in zip(addresses, pipe.execute(), strict=True) if taken]

    def start(self, address: str, owner: str) -> bool:
        """Take over the address's job; return False if another owner runs it."""
        return bool(self._start(keys=[self._key(address)], args=[_running(owner), LEASE]))

    def renew(self, address: str, owner: str) -> None:
        """Extend this owner's claim to `LEASE` seconds from now."""
        self._renew(keys=[self._key(address)], args=[_running(owner), LEASE])

    def requeue(self, address: str) -> None:
        """Mark the job as queued again. Only its owner may call this."""
        self._redis.set(self._key(address), b"queued", ex=QUEUED_TTL)

    def release(self, addresses: Sequence[str]) -> None:
        """Drop claims that led to no job."""
        if addresses:
            self._redis.delete(*(self._key(address) for address in addresses))

    def end(self, addresses: Sequence[str]) -> None:
        """Drop the addresses' claims, and notify those who wait for their jobs."""
        if addresses:
            with self._redis.pipeline(transaction=False) as pipe:
                for address in addresses:
                    end_claim(pipe, self._version, address)
                pipe.execute()

    @contextmanager
    def listen(self, addresses: Sequence[str]) -> Iterator[Listener]:
        """Listen for the ends of these addresses' jobs from now on."""
        channels = {keys.done(self._version, address): address for address in addresses}
        with subscription(self._redis, [*channels]) as pubsub:
            yield Listener(pubsub, channels)

    def _key(self, address: str) -> str:
        return keys.claim(self._version, address)


def end_claim(pipe: Pipeline, model_version: str, address: str) -> None:
    """Drop an address's claim, and notify those who wait, as steps of a pipeline."""
    pipe.delete(keys.claim(model_version, address))
    publish(pipe, keys.done(model_version, address))


def _running(owner: str) -> str:
    return f"running:{owner}"


class Listener:
    """Receives the ends of jobs. Created by `Claims.listen`."""

    def __init__(self, pubsub: PubSub, channels: dict[str, str]) -> None:
        self._pubsub = pubsub
        self._channels = channels

    def next(self, deadline: float) -> str | None:
        """Wait for the next address; return None at the deadline (`time.monotonic`)."""
        while (left := deadline - time.monotonic()) > 0:
            # It returns None for a subscription's confirmation as well, hence the loop.
            message = self._pubsub.get_message(timeout=left)
            if message is not None:
                return self._channels[message["channel"].decode()]
        return None


class Attempt(NamedTuple):
    """An attempt to classify an image. Created by `ImageLocks.hold`."""

    number: int
    """Above 1 if earlier attempts killed their process."""
    renew: Callable[[], object]
    """Extends the lock to `LEASE` seconds from now."""


class ImageLocks:
    """Locks that let one process at a time classify the same bytes. Thread-safe.

    Args:
        redis: a client that returns bytes.
        model_version: each version locks images for itself.
    """

    def __init__(self, redis: Redis, model_version: str) -> None:
        self._version = model_version
        self._lock = redis.register_script(_LOCK)
        self._renew = redis.register_script(_RENEW)
        self._unlock = redis.register_script(_UNLOCK)

    @contextmanager
    def hold(self, sha256: str) -> Iterator[Attempt | None]:
        """Hold the lock of these bytes.

        Yields:
            The attempt. None if another process holds the lock, or held it not long ago and was
            killed.
        """
        names = [keys.image_lock(self._version, sha256), keys.attempts(sha256)]
        token = uuid.uuid4().hex
        number = self._lock(keys=names, args=[token, LEASE, ATTEMPTS_TTL])
        if not number:
            yield None
            return
        ended = False
        try:
            yield Attempt(number, lambda: self._renew(keys=names[:1], args=[token, LEASE]))
            ended = True
        except CheckError:  # this is an end; any other error may be this image's fault
            ended = True
            raise
        finally:
            self._unlock(keys=names, args=[token, int(ended)])
