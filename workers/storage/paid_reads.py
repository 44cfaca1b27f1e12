"""Reads of the cache that a caller pays for, in one round trip to Redis instead of three.

One script confirms the caller's API key and takes from their quotas. If the key has changed or a
quota is exceeded, it does nothing, and what was read is thrown away. A cluster keeps these keys on
different nodes, so it cannot run the script.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import hiredis
from redis import Redis
from redis.commands.core import Script
from redis.exceptions import NoScriptError, ResponseError

from workers.storage import keys
from workers.storage.quotas import TAKE, Charge, QuotaState

# After what `TAKE` needs, KEYS has the hash of API keys, and ARGV the key's id and record, if the
# caller has one; then comes what the read needs.
_PAY = f"""{TAKE}
local names, more = 2 * tonumber(ARGV[1]), 4 + 2 * tonumber(ARGV[1])
if tonumber(ARGV[4]) > 0 then
  names, more = names + 2, more + 2
  if redis.call('HGET', KEYS[names], ARGV[more - 1]) ~= ARGV[more] then return false end
end
local states, exceeded = take()
if exceeded then return false end
"""
# KEYS: the index. ARGV: the current time (Unix s), the start of the entries' keys, the prefix.
_PREFIX = f"""{_PAY}
local now, start, prefix = ARGV[more + 1], ARGV[more + 2], ARGV[more + 3]
local members = redis.call('ZRANGEBYSCORE', KEYS[names + 1], now, '+inf', 'WITHSCORES')
local found = {{}}
for i = 1, #members, 2 do
  local bytes = members[i]
  local hash = string.format(string.rep('%02x', #bytes), string.byte(bytes, 1, -1))
  if string.sub(hash, 1, #prefix) == prefix then
    found[#found + 1] = {{bytes, members[i + 1], redis.call('GET', start .. hash)}}
  end
end
return {{states, found}}
"""


_Argument = int | float | str | bytes


class KeyRecord(NamedTuple):
    """An API key as this process last read it.

    Args:
        id: the key's public id.
        raw: its record in Redis.
    """

    id: str
    raw: bytes


class PaidReads:
    """Reads values, once the caller has paid.

    Args:
        redis: a client that returns bytes; not that of a cluster.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._pay = redis.register_script(f"{_PAY}\nreturn states")
        self._prefix = redis.register_script(_PREFIX)

    def values(
        self, charge: Charge, record: KeyRecord | None, names: Sequence[str]
    ) -> tuple[list[QuotaState], list[bytes | None]] | None:
        """Return the states of the quotas, and the values of keys, in order.

        Args:
            charge: what is taken.
            record: the caller's API key, if there is one.
            names: up to 500 keys.

        Returns:
            None, and nothing is taken, if the API key has changed or a quota is exceeded.

        Raises:
            redis.RedisError: Redis cannot be reached.
        """
        read = [("MGET", *names)] if names else []
        states, *values = self._run(
            self._pay, _names(charge, record), _arguments(charge, record), *read
        )
        if states is None:
            return None
        return charge.states(states), values[0] if values else []

    def prefix(
        self, charge: Charge, record: KeyRecord | None, version: str, prefix: str, now: float
    ) -> tuple[list[QuotaState], list[tuple[str, float, bytes | None]]] | None:
        """Return the states of the quotas, and what the index has for a prefix of hashes.

        Args:
            charge: what is taken.
            record: the caller's API key, if there is one.
            version: the model version.
            prefix: 5 to 64 lower-case hex digits.
            now: what expired before is left out (Unix s).

        Returns:
            For each hash: it, when it expires (Unix s), and its cache entry as stored. None, and
            nothing is taken, if the API key has changed or a quota is exceeded.

        Raises:
            redis.RedisError: Redis cannot be reached.
        """
        (found,) = self._run(
            self._prefix,
            [*_names(charge, record), keys.prefix_index(version, prefix)],
            [*_arguments(charge, record), now, keys.entry(version, ""), prefix],
        )
        if found is None:
            return None
        states, rows = cast(
            "tuple[list[list[int]], list[tuple[bytes, bytes, bytes | None]]]", found
        )
        return charge.states(states), [(each.hex(), float(at), raw) for each, at, raw in rows]

    def _run(
        self,
        script: Script,
        names: Sequence[str],
        arguments: Sequence[_Argument],
        *more: tuple[_Argument, ...],
    ) -> list[Any]:
        """Run a script and more commands, without what redis-py does beside sending them.

        Returns:
            Their replies, in order.
        """
        first = ("EVALSHA", script.sha, len(names), *names, *arguments)
        commands = [hiredis.pack_command(cast(Any, each)) for each in (first, *more)]
        pool = self._redis.connection_pool
        connection: Any = pool.get_connection()
        try:
            replies: list[Any] = connection.retry.call_with_retry(
                lambda: _send(connection, commands), lambda _: connection.disconnect()
            )
        finally:
            pool.release(connection)
        if isinstance(replies[0], NoScriptError):
            replies[0] = script(keys=names, args=arguments)
        for reply in replies:
            if isinstance(reply, ResponseError):
                raise reply
        return replies


def _send(connection: Any, commands: Sequence[bytes]) -> list[Any]:
    """Send commands together, and return their replies, or errors of Redis instead."""
    connection.send_packed_command([b"".join(commands)])  # one write
    replies = []
    for _ in commands:
        try:
            replies.append(connection.read_response())
        except ResponseError as error:  # the other replies must be read
            replies.append(error)
    return replies


def _names(charge: Charge, record: KeyRecord | None) -> list[str]:
    return charge.keys() if record is None else [*charge.keys(), keys.API_KEYS]


def _arguments(charge: Charge, record: KeyRecord | None) -> list[_Argument]:
    return [*charge.arguments(), *(record or ())]
