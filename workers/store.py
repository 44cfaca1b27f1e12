"""What Assay remembers of images, in Redis or Valkey, and who works on what.

The keys of scans, hosts and turns are in `workers.scans.keys`, `workers.hosts`, `workers.turns`.

Two keys make the cache: address → what was found there, and content hash → verdict. So an image at
a thousand addresses is judged once. What was found holds a copy of the verdict: a lookup is one
MGET. ``{v}`` is the model version: a new model never serves an old verdict, and two versions that
run side by side, as during an upgrade, neither see nor undo each other's work.

``{a}`` is the SHA-256 of an address: a canonical URL, or ``sha256:<hex>`` for uploaded bytes.
Doubled braces are braces in the key: they keep what is used together on one node of a cluster.

====================================  ============================================================
``assay:address:{v}:{a}``             what was last found there, as ``Known``
``assay:prefix:{v}:{p}``              (sorted set) the {a}, as bytes, of URLs with a verdict, that
                                      begin with these 5 hex digits, by when it is forgotten
``assay:verdict:{v}:{sha256}``        the verdict for these bytes, as ``Verdict``
``assay:flight:{v}:{a}``              ``queued`` or ``running:<owner>``: the one job for the address
``assay:done:{v}:{a}``                (channel) something new is known of the address
``assay:judging:{v}:{sha256}``        (lock) the one process that judges these bytes
``assay:attempts:{sha256}``           how often judging these bytes was begun and not ended
``assay:check:{id}``                  what a check asked for, as ``CheckRecord``
``assay:workers``                     (sorted set) workers, each a ``WorkerRecord``, by when they
                                      last showed life
``assay:{{feedback}}:…``              what people say of verdicts; `workers.feedback`
``assay:keys``                        (hash) API keys' ids → what is kept of them; `backend.keys`
``assay:limit:…``                     what callers have used of their quotas; `backend.limits`
====================================  ============================================================
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Literal, NamedTuple, cast

from pydantic import BaseModel, ConfigDict
from redis import Redis
from redis.client import PubSub
from redis.exceptions import LockError

from models.errors import CheckError
from models.verdict import ItemError, Verdict
from settings import Settings
from workers.connect import PRUNE, connect, get_many, publish
from workers.fetch.urls import SHORTEST_PREFIX
from workers.fetch.urls import address_hash as _hash
from workers.leases import LEASE
from workers.queue import Queue

QUEUED_TTL = 120
"""Seconds after which a job that no worker has begun is taken for lost. A Redis broker may hand a
message to a machine that was cut off just now, or lose one when it fails over. Where it merely
waits, whoever asks again makes a second job, which finds the work done."""
CHECK_TTL = 3600
"""Seconds for which a check can be asked for by its id."""
WORKER_TTL = 15
"""Seconds without a sign of life after which a worker counts as gone."""
ATTEMPTS_TTL = 600
UPLOAD_SCHEME = "sha256:"

# Takes the job unless another owner runs it: returns 1 if taken, else 0. The same owner may take it
# again, because a task that is delivered anew after a crash keeps its id.
_BEGIN = """
local state = redis.call('GET', KEYS[1])
if state and string.sub(state, 1, 8) == 'running:' and state ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1
"""

# Lets the job be its owner's for longer.
_RENEW = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
"""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True)


class Known(_Record):
    """The newest that is known of an address: a verdict, or why there is none."""

    at: float
    """When it was found (Unix s)."""
    verdict: Verdict | None = None
    error: ItemError | None = None
    etag: str | None = None
    last_modified: str | None = None


class Match(NamedTuple):
    """A verdict that is known of a URL, of which no more than the hash is told."""

    hash: str
    expires_at: float
    """When it is forgotten (Unix s)."""
    verdict: Verdict


class Attempt(NamedTuple):
    """An attempt to judge some bytes. Made by `Store.judging`."""

    number: int
    """Above 1 if earlier ones killed their process."""
    renew: Callable[[], None]


class CheckRecord(_Record):
    """What a check asked for, so that it can be answered again later."""

    urls: tuple[str, ...]
    created_at: float
    owner: str = ""
    """Who asked, and alone may ask for it again: an API key's id, or empty for who has none."""
    force: bool = False
    referer: str | None = None
    queue: Queue = "interactive"
    uploaded: bool = False
    """Whether the URLs are `upload_address`es; a client's own such URL is just a bad one."""


class WorkerRecord(_Record):
    """What a worker says of itself while it lives."""

    name: str
    queues: tuple[Queue, ...]
    processes: int
    """How many fetch and judge."""
    model_version: str

    @property
    def machine(self) -> str:
        """The name of the machine, or container, that it runs on."""
        return self.name.rpartition("@")[2]


def upload_address(sha256: str) -> str:
    """Return the address under which uploaded bytes are checked."""
    return UPLOAD_SCHEME + sha256


class Store:
    """All that is remembered. Thread-safe, like the connection pool below it.

    Args:
        redis: a client that returns bytes.
        model_version: only verdicts of this version are seen.
        verdict_ttl: seconds that verdicts and addresses are kept.
        failure_ttl: seconds that failures are kept.

    Attributes:
        model_version: the one given.
    """

    def __init__(
        self, redis: Redis, *, model_version: str, verdict_ttl: int, failure_ttl: int
    ) -> None:
        self._redis = redis
        self.model_version = model_version
        self._verdict_ttl = verdict_ttl
        self._failure_ttl = failure_ttl
        self._begin = redis.register_script(_BEGIN)
        self._renew = redis.register_script(_RENEW)
        self._prune = redis.register_script(PRUNE)

    @classmethod
    def open(cls, settings: Settings, model_version: str) -> Store:
        """Connect (lazily) to the Redis that the settings name.

        Raises:
            ValueError: ``redis_url`` is not set.
        """
        if settings.redis_url is None:
            raise ValueError("ASSAY_REDIS_URL is not set")
        return cls(
            connect(settings.redis_url),
            model_version=model_version,
            verdict_ttl=settings.verdict_ttl,
            failure_ttl=settings.failure_ttl,
        )

    def of(self, model_version: str) -> Store:
        """Return the same store as workers of another model version see it."""
        return Store(
            self._redis,
            model_version=model_version,
            verdict_ttl=self._verdict_ttl,
            failure_ttl=self._failure_ttl,
        )

    # What is known

    def lookup(self, addresses: Sequence[str]) -> list[Known | None]:
        """Return what is known of each address, in order."""
        if not addresses:
            return []
        raws = get_many(self._redis, [self._key("address", _hash(a)) for a in addresses])
        return [self._known(raw) for raw in raws]

    def with_prefix(self, prefix: str) -> list[Match]:
        """Return the verdicts of all URLs whose hash begins so, in the order of the hashes.

        Args:
            prefix: 5 to 64 lower-case hex digits.
        """
        index = self._prefix_key(prefix)
        entries = cast(
            list[tuple[bytes, float]],
            self._redis.zrangebyscore(index, time.time(), "+inf", withscores=True),
        )
        scores = {m.hex(): score for m, score in entries if m.hex().startswith(prefix)}
        if not scores:
            return []
        hashes = sorted(scores)
        raws = get_many(self._redis, [self._key("address", h) for h in hashes])
        if gone := [h for h, raw in zip(hashes, raws, strict=True) if raw is None]:
            # Evicted. One that is found anew meanwhile has a new score, and stays.
            pairs = [part for h in gone for part in (bytes.fromhex(h), scores[h])]
            self._prune(keys=[index], args=pairs)
        return [
            Match(h, scores[h], known.verdict)
            for h, known in zip(hashes, map(self._known, raws), strict=True)
            if known and known.verdict
        ]

    @staticmethod
    def _known(raw: bytes | str | None) -> Known | None:
        return Known.model_validate_json(raw) if raw else None

    def verdict(self, sha256: str) -> Verdict | None:
        """Return this model version's verdict for these bytes."""
        return self.verdicts([sha256])[0]

    def verdicts(self, sha256s: Sequence[str]) -> list[Verdict | None]:
        """Return this model version's verdicts for some files' bytes, in order."""
        if not sha256s:
            return []
        raws = get_many(self._redis, [self._key("verdict", sha256) for sha256 in sha256s])
        return [Verdict.model_validate_json(raw) if raw else None for raw in raws]

    def _key(self, kind: Literal["address", "flight", "done", "verdict"], digest: str) -> str:
        return f"assay:{kind}:{self.model_version}:{digest}"

    def _prefix_key(self, digest: str) -> str:
        return f"assay:prefix:{self.model_version}:{digest[:SHORTEST_PREFIX]}"

    # What becomes known

    def save_verdict(self, verdict: Verdict) -> None:
        """Remember the verdict for its bytes."""
        key = self._key("verdict", verdict.image.sha256)
        self._redis.set(key, verdict.model_dump_json(), ex=self._verdict_ttl)

    def finish(self, address: str, known: Known) -> None:
        """Remember what was found at the address, end its job and tell who waits.

        A failure is remembered for a short time only. Who reads a verdict finds it `cached`.
        """
        h = _hash(address)
        index, member = self._prefix_key(h), bytes.fromhex(h)
        now = time.time()
        with self._redis.pipeline() as pipe:
            if known.verdict:
                cached = known.verdict.model_copy(update={"cached": True})
                stored = known.model_copy(update={"verdict": cached})
                pipe.set(self._key("address", h), stored.model_dump_json(), ex=self._verdict_ttl)
                # Bytes seen again keep their verdict as long as the address that leads to them.
                pipe.expire(self._key("verdict", known.verdict.image.sha256), self._verdict_ttl)
                if not address.startswith(UPLOAD_SCHEME):
                    pipe.zadd(index, {member: round(now + self._verdict_ttl, 3)})
                    pipe.zremrangebyscore(index, "-inf", now)
                    pipe.expire(index, self._verdict_ttl)
            else:
                pipe.set(self._key("address", h), known.model_dump_json(), ex=self._failure_ttl)
                pipe.zrem(index, member)
            pipe.delete(self._key("flight", h))
            publish(pipe, self._key("done", h))
            pipe.execute()

    def wake(self, address: str) -> None:
        """End the address's job, which found its work done or gave it up, and tell who waits."""
        h = _hash(address)
        with self._redis.pipeline() as pipe:
            pipe.delete(self._key("flight", h))
            publish(pipe, self._key("done", h))
            pipe.execute()

    # One job per address in flight

    def claim(self, addresses: Sequence[str]) -> list[str]:
        """Return the addresses that nobody works on, and mark them as queued."""
        with self._redis.pipeline(transaction=False) as pipe:
            for address in addresses:
                pipe.set(self._key("flight", _hash(address)), b"queued", nx=True, ex=QUEUED_TTL)
            return [a for a, taken in zip(addresses, pipe.execute(), strict=True) if taken]

    def claim_running(self, addresses: Sequence[str], owner: str) -> list[str]:
        """Return the addresses that nobody works on or waits for, and take their jobs."""
        with self._redis.pipeline(transaction=False) as pipe:
            for address in addresses:
                key = self._key("flight", _hash(address))
                pipe.set(key, f"running:{owner}", nx=True, ex=LEASE)
            return [a for a, taken in zip(addresses, pipe.execute(), strict=True) if taken]

    def begin(self, address: str, owner: str) -> bool:
        """Take the address's job for this owner; false if another owner runs it."""
        keys = [self._key("flight", _hash(address))]
        return bool(self._begin(keys=keys, args=[f"running:{owner}", LEASE]))

    def renew(self, address: str, owner: str) -> None:
        """Keep a job that this owner runs for `LEASE` seconds more."""
        keys = [self._key("flight", _hash(address))]
        self._renew(keys=keys, args=[f"running:{owner}", LEASE])

    def put_back(self, address: str) -> None:
        """Mark the job as queued again, by the one who runs it."""
        self._redis.set(self._key("flight", _hash(address)), b"queued", ex=QUEUED_TTL)

    def release(self, addresses: Sequence[str]) -> None:
        """Take back a claim that led to no job."""
        if addresses:
            self._redis.delete(*(self._key("flight", _hash(address)) for address in addresses))

    @contextmanager
    def judging(self, sha256: str) -> Iterator[Attempt | None]:
        """Be the only one, of all workers, who judges these bytes.

        Yields:
            The attempt, to be renewed if it takes longer than `LEASE`. None if another judges these
            bytes just now, or did and was killed not long ago.
        """
        attempts = f"assay:attempts:{sha256}"
        lock = self._redis.lock(
            f"assay:judging:{self.model_version}:{sha256}",
            timeout=LEASE,
            blocking=False,
            thread_local=False,  # another thread renews it
        )
        if not lock.acquire():
            yield None
            return
        try:
            with self._redis.pipeline() as pipe:
                pipe.incr(attempts)
                pipe.expire(attempts, ATTEMPTS_TTL)
                number = int(pipe.execute()[0])

            def renew() -> None:
                with suppress(LockError):  # it is another's, or just ended
                    lock.reacquire()

            try:
                yield Attempt(number, renew)
            except CheckError:  # an end too; anything else may have been this image's doing
                self._redis.delete(attempts)
                raise
            self._redis.delete(attempts)
        finally:
            with suppress(LockError):  # it was held for too long, and is another's now
                lock.release()

    # Checks, and those who wait for them

    def save_check(self, check_id: str, record: CheckRecord) -> None:
        """Remember what a check asked for."""
        self._redis.set(f"assay:check:{check_id}", record.model_dump_json(), ex=CHECK_TTL)

    def check(self, check_id: str) -> CheckRecord | None:
        """Return what the check asked for, if it is known."""
        raw = self._redis.get(f"assay:check:{check_id}")
        return CheckRecord.model_validate_json(raw) if raw else None

    @contextmanager
    def listen(self, addresses: Sequence[str]) -> Iterator[Listener]:
        """Hear of every address of these that becomes known from now on."""
        channels = {self._key("done", _hash(address)): address for address in addresses}
        pubsub: PubSub = self._redis.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
        with pubsub:
            pubsub.subscribe(*channels)
            yield Listener(pubsub, channels)

    # Workers

    def worker_lives(self, worker: WorkerRecord) -> None:
        """Note a worker's sign of life, and forget those that vanished."""
        now = time.time()
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.zadd("assay:workers", {worker.model_dump_json(): now})
            pipe.zremrangebyscore("assay:workers", "-inf", now - 100 * WORKER_TTL)
            pipe.execute()

    def worker_left(self, worker: WorkerRecord) -> None:
        """Note that a worker takes no more work."""
        self._redis.zrem("assay:workers", worker.model_dump_json())

    def live_workers(self) -> list[WorkerRecord]:
        """Return the workers that showed life just now."""
        now = time.time()
        # A sign from later than now was given before the clock was set back.
        records = self._redis.zrangebyscore("assay:workers", now - WORKER_TTL, now + WORKER_TTL)
        return [WorkerRecord.model_validate_json(record) for record in cast(list[bytes], records)]


class Listener:
    """Hears of addresses that become known. Made by `Store.listen`."""

    def __init__(self, pubsub: PubSub, channels: dict[str, str]) -> None:
        self._pubsub = pubsub
        self._channels = channels

    def next(self, deadline: float) -> str | None:
        """Wait for the next address; None when the deadline (`time.monotonic`) has come."""
        while (left := deadline - time.monotonic()) > 0:
            # Returns None also for a subscription's confirmation, hence the loop.
            message = self._pubsub.get_message(timeout=left)
            if message is not None:
                return self._channels[message["channel"].decode()]
        return None
