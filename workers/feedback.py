"""What people say of verdicts, kept with the verdict that it contests until it is exported.

Nobody's word changes a verdict: it only helps to train and to measure the models that come.

===========================  =====================================================================
``assay:{feedback}:said``    (hash) id → ``Feedback``
``assay:{feedback}:order``   (sorted set) the ids, by when it was said (Unix s)
===========================  =====================================================================

Neither key has a TTL, so Redis never evicts them; the oldest makes room when there are too many.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from redis import Redis

from models.feedback import Feedback
from settings import Settings
from workers.connect import connect

MOST_FEEDBACK = 10_000
"""What is kept; some 20 MB."""
_SAID, _ORDER = "assay:{feedback}:said", "assay:{feedback}:order"
_PAGE = 500

# Keeps what was said in place of what the same caller said before of the same image, and drops the
# oldest beyond the cap: returns 1 if it is new, else 0.
_ADD = """
local new = redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
local over = redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[4])
if over > 0 then
  for _, id in ipairs(redis.call('ZRANGE', KEYS[2], 0, over - 1)) do
    redis.call('HDEL', KEYS[1], id)
    redis.call('ZREM', KEYS[2], id)
  end
end
return new
"""


class FeedbackStore:
    """Keeps feedback.

    Args:
        redis: a client that returns bytes.
        most: how much is kept.
    """

    def __init__(self, redis: Redis, *, most: int = MOST_FEEDBACK) -> None:
        self._redis = redis
        self._most = most
        self._add = redis.register_script(_ADD)

    @classmethod
    def open(cls, settings: Settings) -> FeedbackStore:
        """Connect to the Redis that the settings name.

        Raises:
            ValueError: ``redis_url`` is not set.
        """
        if settings.redis_url is None:
            raise ValueError("ASSAY_REDIS_URL is not set")
        return cls(connect(settings.redis_url))

    def add(self, feedback: Feedback) -> bool:
        """Keep it in place of what the same caller said of the image before; tell if it is new."""
        added = self._add(
            keys=[_SAID, _ORDER],
            args=[
                feedback.id,
                feedback.model_dump_json(),
                feedback.received_at.timestamp(),
                self._most,
            ],
        )
        return bool(added)

    def get(self, feedback_id: str) -> Feedback | None:
        """Return what was said, if it is kept."""
        raw = cast(bytes | None, self._redis.hget(_SAID, feedback_id))
        return Feedback.model_validate_json(raw) if raw else None

    def all(self) -> Iterator[Feedback]:
        """Yield what is kept, the oldest first."""
        ids = cast(list[bytes], self._redis.zrange(_ORDER, 0, -1))
        for start in range(0, len(ids), _PAGE):
            page = [name.decode() for name in ids[start : start + _PAGE]]
            for raw in cast(list[bytes | None], self._redis.hmget(_SAID, page)):
                if raw is not None:
                    yield Feedback.model_validate_json(raw)
