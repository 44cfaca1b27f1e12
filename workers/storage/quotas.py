"""The counts of quotas: the API charges a request, and a worker what the pages of a scan add.

One call of a script takes from all quotas of a caller, or from none.

The count is a sliding window counter: usage of the previous window fades out linearly during the
current one. A quota has two counters. That of the current window lives for two windows; once less
than one is left of its life, it becomes the previous window's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from redis import Redis

from workers.storage import keys
from workers.storage.scans.records import Budget
from workers.storage.usage import USAGE_TTL, today

_WINDOWS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}

TAKE = """
local function take()
  local quotas, urls, usage_ttl = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[4])
  local found, exceeded = {}, false
  for i = 1, quotas do
    local current, previous = KEYS[2 * i - 1], KEYS[2 * i]
    local amount, window = tonumber(ARGV[2 * i + 3]), tonumber(ARGV[2 * i + 4]) * 1000
    local ttl = redis.call('PTTL', current)
    if ttl > 0 and ttl < window then
      redis.call('RENAME', current, previous)
      ttl = ttl + window
      redis.call('SET', current, 0, 'PX', ttl)
    end
    local used, before = redis.call('GET', current), redis.call('GET', previous)
    local before_ttl = math.max(0, redis.call('PTTL', previous))
    used, before = tonumber(used or 0), tonumber(before or 0)
    local over = math.floor(before * before_ttl / window) + used + urls > amount
    exceeded = exceeded or over
    found[i] = {over and 1 or 0, used, math.max(0, ttl), before, before_ttl}
  end
  if exceeded or urls == 0 then return found, exceeded end
  for i = 1, quotas do
    local window = tonumber(ARGV[2 * i + 4]) * 1000
    if found[i][3] > 0 then
      redis.call('INCRBY', KEYS[2 * i - 1], urls)
    else
      found[i][3] = 2 * window
      redis.call('SET', KEYS[2 * i - 1], urls, 'PX', 2 * window)
    end
    found[i][2] = found[i][2] + urls
  end
  if usage_ttl > 0 then
    local usage = KEYS[2 * quotas + 1]
    redis.call('HINCRBY', usage, 'requests', ARGV[3])
    if redis.call('HINCRBY', usage, 'urls', urls) == urls then
      redis.call('EXPIRE', usage, usage_ttl)
    end
  end
  return found, false
end
"""
"""A function for scripts. It returns for each quota whether it is exceeded, and its counters with
their times to live (ms); then, whether any is exceeded. KEYS: for each quota, the counters of the
current and the previous window; then the usage of the day, if it is counted. ARGV: the number of
quotas, URLs, requests, the time to live of the usage (s; 0 if it is not counted), then for each
quota its amount and window (s)."""


@dataclass(frozen=True)
class Quota:
    """A number of URLs per period.

    Args:
        amount: URLs, at least 1.
        period: ``second``, ``minute``, ``hour`` or ``day``.
    """

    amount: int
    period: str

    @property
    def window(self) -> int:
        """The period in seconds."""
        return _WINDOWS[self.period]

    def __str__(self) -> str:
        return f"{self.amount}/{self.period}"


def parse_quotas(text: str) -> list[Quota]:
    """Return quotas written as ``600/minute;20000/day``, the shortest period first."""
    parts = (each.split("/") for each in text.split(";"))
    return sorted((Quota(int(n), period) for n, period in parts), key=lambda quota: quota.window)


@dataclass(frozen=True)
class QuotaState:
    """What was used of a quota; times in seconds.

    Args:
        quota: the quota.
        exceeded: whether fewer URLs were left than were to be taken.
        used: URLs in the current window.
        used_ttl: until the current window has faded out; 0 if nothing was used.
        before: URLs in the previous window.
        before_ttl: until the previous window has faded out.
    """

    quota: Quota
    exceeded: bool
    used: int
    used_ttl: float
    before: int
    before_ttl: float

    @property
    def remaining(self) -> int:
        """URLs that are left."""
        faded = self.before * self.before_ttl / self.quota.window
        return max(0, self.quota.amount - math.floor(faded + self.used))

    @property
    def reset(self) -> int:
        """Seconds until more is left; 0 if nothing is used."""
        window, times = self.quota.window, []
        if self.before:
            times.append(self.before_ttl % (window / self.before))
        if self.used:
            times.append(self.used_ttl % window or window)
        return math.ceil(min(times, default=0))

    def retry_after(self, urls: int) -> int:
        """Return the seconds until this many URLs are left, if none are used until then."""
        window = self.quota.window
        room = self.quota.amount - urls + 1  # the weighted count must fall below this
        if self.used < room:
            fading = (room - self.used) * window / self.before if self.before else 0.0
            seconds = self.before_ttl - fading
        else:  # the current window must become the previous one, and then fade
            seconds = self.used_ttl - room * window / self.used
        return max(0, math.floor(seconds)) + 1


@dataclass(frozen=True)
class Charge:
    """What is taken from quotas.

    Args:
        subject: whose quotas: an API key's id, or a client's address.
        quotas: all of them are charged, or none.
        urls: 0 to read only.
        is_key: whether the subject is a key, whose usage per day is counted as well.
        requests: how many requests this counts as in the usage.
    """

    subject: str
    quotas: Sequence[Quota]
    urls: int
    is_key: bool
    requests: int = 1

    def keys(self) -> list[str]:
        """Return the first KEYS of a script with `TAKE`."""
        names = [name for quota in self.quotas for name in _counters(self.subject, quota)]
        if self.is_key:
            names.append(keys.usage(self.subject, today().isoformat()))
        return names

    def arguments(self) -> list[int]:
        """Return the first ARGV of a script with `TAKE`."""
        windows = [number for quota in self.quotas for number in (quota.amount, quota.window)]
        usage_ttl = USAGE_TTL if self.is_key else 0
        return [len(self.quotas), self.urls, self.requests, usage_ttl, *windows]

    def states(self, found: Sequence[Sequence[int]]) -> list[QuotaState]:
        """Return the state of each quota, from what `TAKE` found."""
        return [
            QuotaState(quota, bool(over), used, used_ttl / 1000, before, before_ttl / 1000)
            for quota, (over, used, used_ttl, before, before_ttl) in zip(
                self.quotas, found, strict=True
            )
        ]


class QuotaStore:
    """Stores what all callers used of their quotas.

    Args:
        redis: a client that returns bytes.
    """

    def __init__(self, redis: Redis) -> None:
        self._take = redis.register_script(f"{TAKE}\nreturn (take())")

    def take(self, charge: Charge) -> list[QuotaState]:
        """Take URLs from the quotas, unless one is exceeded; return their states after that.

        Raises:
            redis.RedisError: Redis cannot be reached.
        """
        found = self._take(keys=charge.keys(), args=charge.arguments())
        return charge.states(cast("list[list[int]]", found))


class Payer:
    """Charges the owners of scans for what the pages of their scans add.

    Args:
        redis: a client that returns bytes.
    """

    def __init__(self, redis: Redis) -> None:
        self._store = QuotaStore(redis)

    def charge(self, budget: Budget, urls: int, *, owner: str) -> bool:
        """Charge URLs; return False, and charge nothing, if fewer are left of the quota.

        Args:
            budget: who pays, and by which quota.
            urls: 0 or more.
            owner: the id of the API key; empty without one.
        """
        quotas = parse_quotas(budget.quota)
        states = self._store.take(
            Charge(budget.subject, quotas, urls, is_key=bool(owner), requests=0)
        )
        return urls == 0 or not any(state.exceeded for state in states)


def _counters(subject: str, quota: Quota) -> tuple[str, str]:
    current = keys.quota(subject, quota.amount, quota.period)
    return current, f"{current}:before"
