"""What the Redis store has done by the server in one go: Lua scripts, and the keys that they write.

    lro-gateway:{operations}:
        facts           hash: layout, and the store's secret, sealed
        op:ID           hash: record (as `record.encode` wrote it), key, version ("epoch revision keep"), seal, and by
                        which replica it was written
        key:KEY         the id of the record that answers for a dedupe key
        active          hash: id of each active record to its owner, the replica that wrote it last
        owners          hash: replica to how many of the active records are its own
        ended           sorted set: id of each record that has ended, by when it goes (ms, the server's clock)
        lease:REPLICA   there while the replica is; the server lets it lapse
        withdrawn:ID    a claim that must not be made any more, however late it arrives
        news            channel: "REPLICA ID" of each record that was ended, discarded or noted a delivery of

Rules
- Every key has one hash tag, so that a cluster keeps them in one slot; a script's one declared key routes it there.
- Each script compares first and then writes, beginning with a write that a server which is out of memory refuses:
  it does all of it, or nothing.
- What is active has no time to live, and neither has its dedupe key. What has ended goes by the server's clock, which
  is the same for all replicas; so whatever is there is valid.
- The first argument of each is the replica that asks.

What they must not do: look into a record.
"""

import hashlib
from dataclasses import dataclass, field

PREFIX = "lro-gateway:{operations}:"
LAYOUT = 1
"""Counts the changes to what stands above."""

_SHARED = """
local prefix, me = KEYS[1], ARGV[1]
local active, owners, ended = prefix .. 'active', prefix .. 'owners', prefix .. 'ended'
local function place(id) return prefix .. 'op:' .. id end
local function holder_of(key) return prefix .. 'key:' .. key end

-- Note whose an active record is; `owner` is false for one that is not active.
local function own(id, owner)
  local before = redis.call('HGET', active, id)
  if before == owner then return end
  if owner then
    redis.call('HSET', active, id, owner)
    redis.call('HINCRBY', owners, owner, 1)
  else
    redis.call('HDEL', active, id)
  end
  if before and redis.call('HINCRBY', owners, before, -1) <= 0 then redis.call('HDEL', owners, before) end
end

local function tell(id) redis.call('PUBLISH', prefix .. 'news', me .. ' ' .. id) end

local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
"""


@dataclass(frozen=True, slots=True)
class Script:
    """A script, and the name that the server knows it by."""

    text: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha1(self.text.encode("ascii"), usedforsecurity=False).hexdigest()
        object.__setattr__(self, "sha", digest)


def _script(body: str) -> Script:
    return Script(_SHARED + body)


PREPARE = _script("""
-- secret to take where there is none, layout -> {layout, secret}, or {'lost'} where there are records without a secret
local secret, layout = ARGV[2], ARGV[3]
local facts = prefix .. 'facts'
if redis.call('EXISTS', facts) == 0 then
  if redis.call('EXISTS', active, ended) > 0 then return {'lost'} end
  redis.call('HSET', facts, 'layout', layout, 'secret', secret)
end
return redis.call('HMGET', facts, 'layout', 'secret')
""")

SEAL_SECRET = _script("""
-- the sealed secret as it was, and as it is to be
local facts = prefix .. 'facts'
if redis.call('HGET', facts, 'secret') == ARGV[2] then redis.call('HSET', facts, 'secret', ARGV[3]) end
""")

SEAL_RECORD = _script("""
-- id, the record as it was, as it is to be, what that is sealed with
if redis.call('HGET', place(ARGV[2]), 'record') == ARGV[3] then
  redis.call('HSET', place(ARGV[2]), 'record', ARGV[4], 'seal', ARGV[5])
end
""")

FIND = _script("""
-- dedupe key -> false, or {id, record, key, version}
local id = redis.call('GET', holder_of(ARGV[2]))
if not id or redis.call('EXISTS', place(id)) == 0 then return false end
local row = redis.call('HMGET', place(id), 'record', 'key', 'version')
return {id, row[1], row[2], row[3]}
""")

CLAIM = _script("""
-- id, key, "id version" of the holder it replaces or '', most that may be active, version, seal, record
-- -> {'made'}, {'full'}, or {'held', the record where it is of this id and this replica wrote it}
local id, key, replaces, most = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
if redis.call('EXISTS', prefix .. 'withdrawn:' .. id) == 1 then return {'held'} end
local holder, held = redis.call('GET', holder_of(key)), ''
if holder and redis.call('EXISTS', place(holder)) == 1 then
  held = holder .. ' ' .. (redis.call('HGET', place(holder), 'version') or '')
end
if held ~= replaces then
  return {'held', holder == id and redis.call('HGET', place(id), 'by') == me and redis.call('HGET', place(id), 'record')}
end
if redis.call('HLEN', active) >= most then return {'full'} end
redis.call('HSET', place(id), 'record', ARGV[8], 'key', key, 'version', ARGV[6], 'seal', ARGV[7], 'by', me)
redis.call('SET', holder_of(key), id)
own(id, me)
local gone = redis.call('ZRANGEBYSCORE', ended, '-inf', string.format('%.0f', now()), 'LIMIT', 0, 100)
if #gone > 0 then redis.call('ZREM', ended, unpack(gone)) end
return {'made'}
""")

SAVE = _script("""
-- id, key, version it is written over, version, seal, record, 'active' or 'as before' or ms that it is kept
-- -> {'saved'}, or {'changed', the record that is there, where this replica wrote it}
local id, key, keep = ARGV[2], ARGV[3], ARGV[8]
local found = redis.call('HMGET', place(id), 'version', 'key', 'by', 'record')
if found[1] ~= ARGV[4] or found[2] ~= key then return {'changed', found[3] == me and found[4]} end
redis.call('HSET', place(id), 'record', ARGV[7], 'version', ARGV[5], 'seal', ARGV[6], 'by', me)
local holds = redis.call('GET', holder_of(key)) == id
if keep == 'active' then
  redis.call('PERSIST', place(id))
  if holds then redis.call('PERSIST', holder_of(key)) end
  redis.call('ZREM', ended, id)
  own(id, me)
  return {'saved'}
end
if keep ~= 'as before' then
  redis.call('ZADD', ended, string.format('%.0f', now() + tonumber(keep)), id)
  redis.call('PEXPIRE', place(id), keep)
  if holds then redis.call('PEXPIRE', holder_of(key), keep) end
  own(id, false)
end
tell(id)
return {'saved'}
""")

DISCARD = _script("""
-- id, key, version, id of the record that the key goes back to or '', ms that a claim which is not there is barred or ''
-- -> 1, or 0 where this very record is not there
local id, key, heir, barred = ARGV[2], ARGV[3], ARGV[5], ARGV[6]
local found = redis.call('HMGET', place(id), 'version', 'key')
if found[1] ~= ARGV[4] or found[2] ~= key then
  if barred ~= '' and redis.call('EXISTS', place(id)) == 0 then
    redis.call('SET', prefix .. 'withdrawn:' .. id, '', 'PX', barred)
  end
  return 0
end
if redis.call('GET', holder_of(key)) == id then
  if heir ~= '' and redis.call('HGET', place(heir), 'key') == key then
    redis.call('SET', holder_of(key), heir)
    local left = redis.call('PTTL', place(heir))
    if left >= 0 then redis.call('PEXPIRE', holder_of(key), left) end
  else
    redis.call('DEL', holder_of(key))
  end
end
redis.call('DEL', place(id))
redis.call('ZREM', ended, id)
own(id, false)
tell(id)
return 1
""")

ANY_LEFT = _script("""
-- -> 1 where the owner of an active record is gone, or one has none
local rows, counted = redis.call('HGETALL', owners), 0
for i = 1, #rows, 2 do
  if redis.call('EXISTS', prefix .. 'lease:' .. rows[i]) == 0 then return 1 end
  counted = counted + tonumber(rows[i + 1])
end
return counted == redis.call('HLEN', active) and 0 or 1
""")
