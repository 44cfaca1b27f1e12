"""All stores over one Redis connection."""

from __future__ import annotations

from redis import Redis

from settings import Settings
from workers.storage.checks import CheckStore
from workers.storage.claims import Claims, ImageLocks
from workers.storage.connection import open_redis
from workers.storage.explanations import ExplanationStore
from workers.storage.feedback import FeedbackStore
from workers.storage.scans import Scans
from workers.storage.similar import SimilarImages
from workers.storage.verdict_cache import VerdictCache
from workers.storage.worker_registry import WorkerRegistry


class Stores:
    """Everything that Assay keeps in Redis, as one model version sees it. Thread-safe.

    Args:
        redis: a client that returns bytes.
        settings: lifetimes, and the networks that may be fetched from.
        model_version: the version whose verdicts are seen.

    Attributes:
        redis: the client given.
        model_version: the version given.
        cache: cache entries and verdicts.
        similar: finds judged images that look alike.
        claims: claims of addresses.
        image_locks: locks of images.
        checks: what checks asked for.
        explanations: outcomes of explanations.
        workers: which workers are alive.
        scans: all scans.
        feedback: what people say about verdicts.
    """

    def __init__(self, redis: Redis, settings: Settings, model_version: str) -> None:
        self.redis = redis
        self.model_version = model_version
        self.cache = VerdictCache(
            redis,
            model_version,
            verdict_ttl=settings.verdict_ttl,
            failure_ttl=settings.failure_ttl,
        )
        self.similar = SimilarImages(redis, model_version, self.cache)
        self.claims = Claims(redis, model_version)
        self.image_locks = ImageLocks(redis, model_version)
        self.checks = CheckStore(redis)
        self.explanations = ExplanationStore(redis)
        self.workers = WorkerRegistry(redis)
        self.scans = Scans(
            redis,
            revalidate_after=settings.revalidate_after,
            allow_nets=settings.fetch_allow_nets,
        )
        self.feedback = FeedbackStore(redis)

    @classmethod
    def open(cls, settings: Settings, model_version: str) -> Stores:
        """Connect to the Redis that the settings name.

        Raises:
            ValueError: ``redis_url`` is not set.
            redis.RedisError: it is a cluster of which no node answers.
        """
        return cls(open_redis(settings), settings, model_version)
