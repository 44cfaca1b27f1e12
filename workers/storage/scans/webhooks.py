"""The webhooks of scans, and the state of their deliveries.

A worker claims a delivery for `LEASE` seconds. If it is killed, another one claims the delivery
afterwards. So a message may be delivered twice, and is never lost. Redis' own clock counts, as
within a scan.
"""

from __future__ import annotations

from typing import Any, cast

from redis import Redis
from redis.client import Pipeline

from workers.storage import keys
from workers.storage.scans.records import Delivery, Webhook

LEASE = 30.0
"""Seconds; above the longest that an attempt takes."""
LONGEST_PAUSE = 24 * 3600.0
"""Seconds between two attempts at most."""

# Claim at most ARGV[1] scans for ARGV[2] seconds. ARGV[3]: `LONGEST_PAUSE`; a webhook due later
# than that was postponed before the clock was set back. KEYS: webhooks.
_CLAIM = """
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
if #due == 0 then
  due = redis.call('ZRANGEBYSCORE', KEYS[1], now + ARGV[3] + 1, '+inf', 'LIMIT', 0, ARGV[1])
end
for _, id in ipairs(due) do redis.call('ZADD', KEYS[1], now + ARGV[2], id) end
return due
"""

# Make the webhook of scan ARGV[1] due in ARGV[2] seconds, if it is pending. KEYS: webhooks.
_POSTPONE = """
local clock = redis.call('TIME')
redis.call('ZADD', KEYS[1], 'XX', clock[1] + clock[2] / 1000000 + ARGV[2], ARGV[1])
"""

# Count an attempt; return how many there were, or 0 if the scan is gone. KEYS: the scan's hash.
_BEGIN = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
return redis.call('HINCRBY', KEYS[1], 'attempts', 1)
"""

# Record how an attempt ended: status, HTTP status, error code. KEYS: the scan's hash.
_END = """
if redis.call('EXISTS', KEYS[1]) == 0 then return end
redis.call('HSET', KEYS[1], 'status', ARGV[1], 'last_status', ARGV[2], 'last_error', ARGV[3])
"""


class WebhookStore:
    """The webhooks of all scans. Thread-safe.

    Args:
        redis: a client that returns bytes.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._claim = redis.register_script(_CLAIM)
        self._postpone = redis.register_script(_POSTPONE)
        self._begin = redis.register_script(_BEGIN)
        self._end = redis.register_script(_END)

    def write(self, pipe: Pipeline, scan_id: str, webhook: Webhook) -> None:
        """Save a webhook, as a step of the transaction that creates its scan."""
        fields = {"url": webhook.url, "secret": webhook.secret, "status": "pending"}
        pipe.hset(_key(scan_id), mapping=cast(Any, fields))

    def read(self, scan_id: str) -> tuple[Webhook, Delivery] | None:
        """Return the scan's webhook and the state of its delivery, if it has one."""
        raw = cast(dict[bytes, bytes], self._redis.hgetall(_key(scan_id)))
        if not raw:
            return None
        return Webhook(raw[b"url"].decode(), raw[b"secret"].decode()), delivery_of(raw)

    def scan_ended(self, scan_id: str) -> None:
        """Make the scan's webhook due, if it has one that is pending and not due yet."""
        if self._redis.hget(_key(scan_id), "status") == b"pending":
            self._redis.zadd(keys.DUE_WEBHOOKS, {scan_id: 0}, nx=True)

    def claim(self, count: int) -> list[str]:
        """Claim scans whose webhook is due, for `LEASE` seconds."""
        claimed = self._claim(keys=[keys.DUE_WEBHOOKS], args=[count, LEASE, LONGEST_PAUSE])
        return [raw.decode() for raw in claimed]

    def postpone(self, scan_id: str, seconds: float) -> None:
        """Make a claimed webhook due again in some seconds, `LONGEST_PAUSE` at most."""
        self._postpone(keys=[keys.DUE_WEBHOOKS], args=[scan_id, min(seconds, LONGEST_PAUSE)])

    def begin(self, scan_id: str) -> int:
        """Count an attempt; returns how many there were, or 0 if the scan is gone."""
        return int(self._begin(keys=[_key(scan_id)]))

    def end(self, scan_id: str, delivery: Delivery) -> None:
        """Record how an attempt ended; after the last one, the webhook is never due again."""
        args = [delivery.status, delivery.last_status or "", delivery.last_error or ""]
        self._end(keys=[_key(scan_id)], args=args)
        if delivery.status != "pending":
            self.drop(scan_id)

    def drop(self, scan_id: str) -> None:
        """Remove the scan's webhook from those that are due."""
        self._redis.zrem(keys.DUE_WEBHOOKS, scan_id)


def delivery_of(raw: dict[bytes, bytes]) -> Delivery:
    """Read the state of a delivery from the scan's webhook hash."""
    fields = {name.decode(): value.decode() for name, value in raw.items() if value}
    return Delivery.model_validate({n: v for n, v in fields.items() if n in Delivery.model_fields})


def _key(scan_id: str) -> str:
    return keys.scan(scan_id, ":webhook")
