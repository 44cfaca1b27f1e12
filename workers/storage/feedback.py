"""Feedback on verdicts, kept with the verdict that it contests until it is exported.

Feedback changes no verdict. It helps to train and to measure later models. Its keys have no time to
live, so Redis never evicts them. The oldest feedback is dropped when there is too much.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from redis import Redis

from models.feedback import Feedback
from workers.storage import keys

MOST_FEEDBACK = 10_000
"""The most feedback that is kept; about 20 MB."""
_PAGE = 500

# Keep feedback in place of earlier feedback by the same caller on the same image, and drop the
# oldest beyond the limit: returns 1 if it is new, else 0.
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
    """Keeps feedback. Thread-safe.

    Args:
        redis: a client that returns bytes.
        most: how many are kept.
    """

    def __init__(self, redis: Redis, *, most: int = MOST_FEEDBACK) -> None:
        self._redis = redis
        self._most = most
        self._add = redis.register_script(_ADD)

    def add(self, feedback: Feedback) -> bool:
        """Keep feedback, in place of the caller's earlier one on the image; return if it is new."""
        added = self._add(
            keys=[keys.FEEDBACK, keys.FEEDBACK_ORDER],
            args=[
                feedback.id,
                feedback.model_dump_json(),
                feedback.received_at.timestamp(),
                self._most,
            ],
        )
        return bool(added)

    def get(self, feedback_id: str) -> Feedback | None:
        """Return the feedback with this id, if it is kept."""
        raw = cast(bytes | None, self._redis.hget(keys.FEEDBACK, feedback_id))
        return Feedback.model_validate_json(raw) if raw else None

    def all(self) -> Iterator[Feedback]:
        """Yield all feedback, the oldest first."""
        ids = cast(list[bytes], self._redis.zrange(keys.FEEDBACK_ORDER, 0, -1))
        for start in range(0, len(ids), _PAGE):
            page = [name.decode() for name in ids[start : start + _PAGE]]
            for raw in cast(list[bytes | None], self._redis.hmget(keys.FEEDBACK, page)):
                if raw is not None:
                    yield Feedback.model_validate_json(raw)
