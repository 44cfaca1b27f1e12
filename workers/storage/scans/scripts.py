"""Lua scripts that change a scan in one step; `workers.storage.keys` describes a scan's keys."""

from __future__ import annotations

from workers.storage import keys

LONGEST_DEFERRAL = 600
"""Seconds for which an item can be deferred at most."""
SCAN_RESULTS_TTL = 7 * 24 * 3600
"""Seconds for which a scan is kept after it has ended."""


def script_keys(scan_id: str) -> list[str]:
    """Return the keys that `TAKE`, `RECORD` and `EXPAND` work on."""
    return [keys.scan(scan_id, part) for part in keys.SCAN_PARTS[:6]]


def script_args(scan_id: str) -> list[str | int]:
    """Return the first arguments of `TAKE`, `RECORD` and `EXPAND`."""
    return [keys.scan(scan_id, ":changed"), SCAN_RESULTS_TTL]


# What the scripts share. KEYS: scan, items, todo, results, finished, pages. ARGV[1]: the channel of
# changes, ARGV[2]: how long an ended scan is kept. A page that ends gets an index of its own.
_LUA = """
local scan, items, todo, results, finished, pages = unpack(KEYS)
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local function end_page(index)
  redis.call('HDEL', items, index)
  redis.call('ZREM', todo, index)
  redis.call('HINCRBY', scan, 'pages_left', -1)
end
local function end_item(index, outcome, count, label)
  if tonumber(index) < 0 then
    local page = redis.call('HGET', items, index)
    if not page then return 0 end
    end_page(index)
    index = redis.call('HINCRBY', scan, 'next', 1) - 1
    redis.call('HSET', items, index, page)
  end
  if redis.call('HSETNX', results, index, outcome) == 0 then return 0 end
  redis.call('ZREM', todo, index)
  redis.call('RPUSH', finished, index)
  redis.call('HINCRBY', scan, count, 1)
  if label ~= '' then redis.call('HINCRBY', scan, 'label:' .. label, 1) end
  return 1
end
local function changed()
  if redis.call('EXISTS', todo) == 0 and redis.call('HEXISTS', scan, 'finished_at') == 0 then
    if redis.call('HGET', scan, 'state') == 'running' then
      redis.call('HSET', scan, 'state', 'done')
    end
    redis.call('HSET', scan, 'finished_at', now, 'expires_at', now + ARGV[2])
  end
  redis.call('PUBLISH', ARGV[1], '')
end
"""

# Take at most ARGV[3] items. Returns state, since, created_at and expires_at, followed by pairs of
# index and item; nothing if there is no such scan. If the scan does not run, no item is taken:
# items that nobody has begun get the result ARGV[4], and their number is returned. ARGV[5] and [6]:
# `LEASE` and `LONGEST_DEFERRAL`; a score beyond them was given before the clock was set back.
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
  if #ready > 0 then changed() end
  return {state, since, created_at, redis.call('HGET', scan, 'expires_at'), #ready}
end
return taken
"""
)

# Record the result ARGV[4] of index ARGV[3]; count it as ARGV[5] and under the label ARGV[6].
# Returns whether it was recorded (0 or 1), and when an ended scan is deleted (Unix s).
RECORD = (
    _LUA
    + """
if redis.call('EXISTS', scan) == 0 then return {0, false} end
local recorded = end_item(ARGV[3], ARGV[4], ARGV[5], ARGV[6])
if recorded == 1 then changed() end
return {recorded, redis.call('HGET', scan, 'expires_at')}
"""
)

# Replace the page ARGV[3] by its images and further pages, up to ARGV[4] items and ARGV[5] pages in
# all. The page keeps a line of its own if ARGV[6], an error, is not empty; if something was left
# out, with ARGV[7]; if the scan was cancelled, with ARGV[8]. ARGV[9]: the number of images. Then
# come pairs of item and rank for the images, and triples of address, item and rank for the pages.
# Returns when an ended scan is deleted (Unix s).
EXPAND = (
    _LUA
    + """
if redis.call('EXISTS', scan) == 0 or redis.call('HEXISTS', items, ARGV[3]) == 0 then return end
local state, total = unpack(redis.call('HMGET', scan, 'state', 'total'))
local own, kind = ARGV[6], 'failed'
local room = ARGV[4] - total
local known = redis.call('SCARD', pages)
local function add(index, item, rank)
  redis.call('HSET', items, index, item)
  redis.call('ZADD', todo, rank, index)
  redis.call('HINCRBY', scan, 'total', 1)
  room = room - 1
end
local first_page = 10 + 2 * ARGV[9]
if state == 'cancelled' then
  own, kind = ARGV[8], 'cancelled'
else
  for n = 10, first_page - 1, 2 do
    if room <= 0 then own = ARGV[7]; break end
    add(redis.call('HINCRBY', scan, 'next', 1) - 1, ARGV[n], ARGV[n + 1])
  end
  for n = first_page, #ARGV, 3 do
    if redis.call('SISMEMBER', pages, ARGV[n]) == 0 then
      if room <= 0 or known >= tonumber(ARGV[5]) then own = ARGV[7]; break end
      redis.call('SADD', pages, ARGV[n])
      known = known + 1
      add(-redis.call('HINCRBY', scan, 'pages', 1), ARGV[n + 1], ARGV[n + 2])
      redis.call('HINCRBY', scan, 'pages_left', 1)
    end
  end
end
if own == '' then
  end_page(ARGV[3])
  redis.call('HINCRBY', scan, 'total', -1)
else
  end_item(ARGV[3], own, kind, '')
end
changed()
return redis.call('HGET', scan, 'expires_at')
"""
)

# Extend the lease of index ARGV[1] to ARGV[2] seconds from now. KEYS: todo.
RENEW = """
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if score and tonumber(score) > now then redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1]) end
"""

# Defer index ARGV[1] for ARGV[2] seconds, if it has no result yet. KEYS: todo.
DEFER = """
local clock = redis.call('TIME')
redis.call('ZADD', KEYS[1], 'XX', -(clock[1] + clock[2] / 1000000 + ARGV[2]), ARGV[1])
"""

# The same if it is deferred already.
PROLONG = (
    """
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not score or tonumber(score) >= 0 then return end
"""
    + DEFER
)

# Free index ARGV[1] if it is deferred; returns whether it was. KEYS: todo.
WAKE = """
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not score or tonumber(score) >= 0 then return 0 end
redis.call('ZADD', KEYS[1], 0, ARGV[1])
return 1
"""

# Mark a running scan as cancelled. KEYS: scan. ARGV[1]: the channel of changes.
CANCEL = """
if redis.call('HGET', KEYS[1], 'state') == 'running' then
  redis.call('HSET', KEYS[1], 'state', 'cancelled')
  redis.call('PUBLISH', ARGV[1], '')
end
"""
