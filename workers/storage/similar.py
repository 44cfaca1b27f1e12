"""Finds the verdicts of images that look like a new one, by their perceptual hashes.

This is multi-index hashing (Norouzi, Punjani, Fleet 2012). A hash of 64 bits has four parts of 16.
For each part there is a bucket with the newest images that have the same bits there. Two hashes
that differ in at most 7 bits differ in at most one bit of some part. So 68 buckets have every image
as near as that, and most of those up to `SIMILAR` bits away.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
from redis import Redis

from models.similarity import SIMILAR
from models.verdict import SimilarImage, Verdict
from workers.storage import keys
from workers.storage.connection import union_many
from workers.storage.verdict_cache import VerdictCache

MOST_IN_BUCKET = 100
"""Images of a bucket; the oldest are forgotten. It bounds what a search reads to 272 KB, and Valkey
keeps sets of up to 128 short members in a compact form."""

MOST_FOUND = 3
"""Images that a verdict names."""

_BITS = 16
_PARTS = 4
_MEMBER = np.dtype([("hash", ">u8"), ("sha256", np.uint8, 32)])


class SimilarImages:
    """The index of the images that one model version has judged. Thread-safe.

    Args:
        redis: a client that returns bytes.
        model_version: the version whose verdicts are seen.
        cache: the verdicts.
    """

    def __init__(self, redis: Redis, model_version: str, cache: VerdictCache) -> None:
        self._redis = redis
        self._version = model_version
        self._cache = cache

    def save(self, verdict: Verdict) -> Verdict:
        """Save a verdict in the cache, and have later searches find its image.

        An image that is almost of one colour has no perceptual hash, and is compared with none.

        Returns:
            The verdict, with the earlier images that look like this one.
        """
        sha256, digits = verdict.image.sha256, verdict.image.perceptual_hash
        image_hash = None if digits is None else int(digits, 16)
        if image_hash is not None:
            similar = self._similar_to(image_hash, sha256)
            verdict = verdict.model_copy(update={"similar": similar})
        with self._redis.pipeline(transaction=False) as pipe:
            if image_hash is not None:
                self.add(pipe, image_hash, sha256)
            self._cache.save_verdict(verdict, pipe)
            pipe.execute()
        return verdict

    def _similar_to(self, image_hash: int, sha256: str) -> tuple[SimilarImage, ...]:
        """Return the judged images that look like this one, the most similar first."""
        near = [(distance, other) for distance, other in self._near(image_hash) if other != sha256]
        near = near[: 2 * MOST_FOUND]  # the verdicts of some may have expired
        verdicts = self._cache.verdicts([other for _, other in near])
        similar = [
            SimilarImage(
                sha256=other,
                distance=distance,
                label=verdict.label,
                probability=verdict.probability,
                checked_at=verdict.checked_at,
            )
            for (distance, other), verdict in zip(near, verdicts, strict=True)
            if verdict
        ]
        return tuple(similar[:MOST_FOUND])

    def _near(self, image_hash: int) -> list[tuple[int, str]]:
        """Return distance and digest of the images in the buckets that are near enough."""
        members = union_many(self._redis, [*self._buckets(image_hash, differing=True)])
        candidates = np.frombuffer(b"".join(members), _MEMBER)
        distances = np.bitwise_count(candidates["hash"] ^ np.uint64(image_hash))
        near = np.flatnonzero(distances <= SIMILAR)
        return sorted(
            (int(distances[each]), candidates["sha256"][each].tobytes().hex()) for each in near
        )

    def add(self, pipe: Redis, image_hash: int, sha256: str) -> None:
        """Have later searches find an image, once the pipeline is executed."""
        member = image_hash.to_bytes(8, "big") + bytes.fromhex(sha256)
        for bucket in self._buckets(image_hash):
            pipe.zadd(bucket, {member: round(time.time(), 3)})
            pipe.zremrangebyrank(bucket, 0, -1 - MOST_IN_BUCKET)
            pipe.expire(bucket, self._cache.verdict_ttl)

    def _buckets(self, image_hash: int, *, differing: bool = False) -> Iterator[str]:
        """Yield the buckets of a hash; with `differing` also those that one bit leads to."""
        for part in range(_PARTS):
            bits = image_hash >> (part * _BITS) & (1 << _BITS) - 1
            yield keys.similar(self._version, part, bits)
            if differing:
                for place in range(_BITS):
                    yield keys.similar(self._version, part, bits ^ 1 << place)
