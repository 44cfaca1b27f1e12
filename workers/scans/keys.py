"""How scans lie in Redis, and the scripts that change them in one step.

None of these keys has a time to live, so that a Redis which is full evicts cached verdicts and
never a scan; a sweep deletes them. The keys of one scan share a hash tag, so that a script finds
them on one node of a Redis Cluster. Within a scan Redis' own clock is the only one that counts.

==============================  ==================================================================
``assay:scan:{id}``             (hash) the scan's state, settings and counts; written last when it
                                is made, so a scan is there whole or not at all
``assay:scan:{id}:items``       (hash) index → URL, canonical address and custom id, as JSON
``assay:scan:{id}:todo``        (sorted set) indexes without a result; see below for the score
``assay:scan:{id}:results``     (hash) index → what came of it, as JSON
``assay:scan:{id}:finished``    (list) indexes in the order in which they got their results
``assay:scan:{id}:key``         the name of the ``assay:scan-key`` that belongs to the scan
``assay:scan:{id}:news``        (channel) something of the scan changed
``assay:scan-key:<hash>``       which scan an owner's idempotency key made, and from what request
``assay:scans``                 (sorted set) running scans, by when they were last served (Unix s)
``assay:scan-deadlines``        (sorted set) all other scans, half-made or ended, by when they go
==============================  ==================================================================

An index's score in ``todo``: not begun and free to be taken, its rank among the URLs of its own
host, so that hosts take turns; under way, the time (Unix s) at which its lease ends, and another
worker may have it; put off, the time until then, negated.
"""

from __future__ import annotations

MOST_PUT_OFF = 600
"""Seconds that an item can be put off at most; it may be woken before."""
SCAN_RESULTS_TTL = 7 * 24 * 3600
"""Seconds for which a scan can be asked for after it has ended."""

RUNNING = "assay:scans"
DEADLINES = "assay:scan-deadlines"
FAMILY = ("", ":items", ":todo", ":results", ":finished", ":key")
"""What the names of a scan's own keys end with."""


def scan_key(scan_id: str, part: str = "") -> str:
    """Return the name of one of the scan's keys."""
    return f"assay:scan:{{{scan_id}}}{part}"


def script_keys(scan_id: str) -> list[str]:
    """Return the keys that `TAKE` and `RECORD` work on."""
    return [scan_key(scan_id, part) for part in FAMILY[:5]]


def script_args(scan_id: str) -> list[str | int]:
    """Return the first arguments of `TAKE` and `RECORD`."""
    return [scan_key(scan_id, ":news"), SCAN_RESULTS_TTL]


# What the scripts share. KEYS: scan, items, todo, results, finished. ARGV[1]: the news' channel,
# ARGV[2]: how long an ended scan is kept.
_LUA = """
local scan, items, todo, results, finished = unpack(KEYS)
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local function end_item(index, outcome, count, label)
  if redis.call('HSETNX', results, index, outcome) == 0 then return 0 end
  redis.call('ZREM', todo, index)
  redis.call('RPUSH', finished, index)
  redis.call('HINCRBY', scan, count, 1)
  if label ~= '' then redis.call('HINCRBY', scan, 'label:' .. label, 1) end
  return 1
end
local function tell()
  if redis.call('EXISTS', todo) == 0 and redis.call('HEXISTS', scan, 'finished_at') == 0 then
    if redis.call('HGET', scan, 'state') == 'running' then
      redis.call('HSET', scan, 'state', 'done')
    end
    redis.call('HSET', scan, 'finished_at', now, 'expires_at', now + ARGV[2])
  end
  redis.call('PUBLISH', ARGV[1], '')
end
"""

# Takes items, at most ARGV[3]. Returns the state, since, created_at and expires_at, then index
# and item in turns; nothing if there is no such scan. Of a scan that does not run nothing is taken:
# what nobody has begun ends with the result ARGV[4], and their number is returned. ARGV[5] and [6]:
# `LEASE` and `MOST_PUT_OFF`; a score beyond them was given before the clock was set back.
TAKE = (
    _LUA
    + """
local state, since, created_at = unpack(redis.call('HMGET', scan, 'state', 'since', 'created_at'))
if not state then return false end
local first = state == 'cancelled' and '-inf' or -now
local ready = redis.call('ZRANGEBYSCORE', todo, first, now, 'LIMIT', 0, ARGV[3])
for _, range in ipairs({{now + ARGV[5] + 1, '+inf'}, {'-inf', -now - ARGV[6] - 1}}) do
  if #ready == 0 then
    ready = redis.call('ZRANGEBYSCORE', todo, range[1], range[2], 'LIMIT', 0, ARGV[3])
  end
end
local taken = {state, since, created_at, false}
for _, index in ipairs(ready) do
  if state == 'running' then
    redis.call('ZADD', todo, now + ARGV[5], index)
    taken[#taken + 1] = index
    taken[#taken + 1] = redis.call('HGET', items, index)
  else
    end_item(index, ARGV[4], 'cancelled', '')
  end
end
if state ~= 'running' then
  if #ready > 0 then tell() end
  return {state, since, created_at, redis.call('HGET', scan, 'expires_at'), #ready}
end
return taken
"""
)

# Records the result ARGV[4] of index ARGV[3], counted as ARGV[5] and under the label ARGV[6].
# Returns whether it was recorded (0 or 1) and the time (Unix s) at which an ended scan goes.
RECORD = (
    _LUA
    + """
if redis.call('EXISTS', scan) == 0 then return {0, false} end
local recorded = end_item(ARGV[3], ARGV[4], ARGV[5], ARGV[6])
if recorded == 1 then tell() end
return {recorded, redis.call('HGET', scan, 'expires_at')}
"""
)

# Lets whoever has index ARGV[1] have it for ARGV[2] seconds more. KEYS: todo.
RENEW = """
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if score and tonumber(score) > now then redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1]) end
"""

# Puts index ARGV[1] off for ARGV[2] seconds, if it has no result yet. KEYS: todo.
DEFER = """
local clock = redis.call('TIME')
redis.call('ZADD', KEYS[1], 'XX', -(clock[1] + clock[2] / 1000000 + ARGV[2]), ARGV[1])
"""

# Ends the wait of index ARGV[1], if it was put off; returns whether it was. KEYS: todo.
WAKE = """
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not score or tonumber(score) >= 0 then return 0 end
redis.call('ZADD', KEYS[1], 0, ARGV[1])
return 1
"""

# Marks a running scan as cancelled. KEYS: scan. ARGV[1]: the news' channel.
CANCEL = """
if redis.call('HGET', KEYS[1], 'state') == 'running' then
  redis.call('HSET', KEYS[1], 'state', 'cancelled')
  redis.call('PUBLISH', ARGV[1], '')
end
"""
