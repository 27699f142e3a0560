/**
 * What runs atomically in the engine, with its own clock.
 *
 * - `members`: by node, the engine's time of its last complete heartbeat, and that of its last one.
 * - `epoch`: identifies the engine's memory. A new one means that everything was lost.
 * - `held`: by name, the holder's token and the time at which the entry expires.
 * - `processes`: by node, a name of its process.
 */
import { createHash } from "node:crypto";

const now = `
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
`;

/**
 * Keys: members, epoch, held, pausedUntil, processes. Arguments: node, time of its last complete heartbeat, number of this one, a new
 * epoch, 1 if there was no store before, lifetime of members and of leases in milliseconds, the node's channel, a name of its process. The node is
 * registered before it is told what is held, so that later holders ask it.
 */
const beat = `${now}
local fresh = ARGV[5] == '1'
local function pause()
  local till = now + tonumber(ARGV[7])
  if till > tonumber(redis.call('GET', KEYS[4]) or 0) then redis.call('SET', KEYS[4], string.format('%.0f', till)) end
end
if redis.call('EXISTS', KEYS[2]) == 0 then
  redis.call('HSET', KEYS[2], 'id', ARGV[4], 'created', fresh and 0 or string.format('%.0f', now))
  if not fresh then pause() end
end
local isNew = redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. string.format('%.0f', now))
if isNew then redis.call('HSET', KEYS[5], ARGV[1], ARGV[9]) end
local entries = redis.call('HGETALL', KEYS[1])
local members = {}
for i = 1, #entries, 2 do
  local touched, last = string.match(entries[i + 1], '^(%d+) (%d+)$')
  if now - tonumber(last) > tonumber(ARGV[6]) then
    redis.call('HDEL', KEYS[1], entries[i])
    redis.call('HDEL', KEYS[5], entries[i])
    pause()
  else
    members[#members + 1] = entries[i]
    members[#members + 1] = touched
  end
end
redis.call('PUBLISH', ARGV[8], ARGV[3])
local epoch = redis.call('HMGET', KEYS[2], 'id', 'created')
return { string.format('%.0f', now), epoch[1], epoch[2], redis.call('GET', KEYS[4]) or '0', isNew and 1 or 0, members,
  isNew and redis.call('HGETALL', KEYS[3]) or {} }
`;

/** A clean stop. Keys: members, pausedUntil, processes. Arguments: node, lifetime of leases in milliseconds. */
const leave = `${now}
redis.call('HDEL', KEYS[3], ARGV[1])
if redis.call('HDEL', KEYS[1], ARGV[1]) == 1 and tonumber(ARGV[2]) > 0 then
  local till = now + tonumber(ARGV[2])
  if till > tonumber(redis.call('GET', KEYS[2]) or 0) then redis.call('SET', KEYS[2], string.format('%.0f', till)) end
end
`;

/** For a node whose process has ended. Keys: those of `leave`, held. Arguments: those of `leave`. */
const bury = `${leave}
local held = redis.call('HGETALL', KEYS[4])
for i = 1, #held, 2 do
  if string.sub(held[i + 1], 1, #ARGV[1] + 1) == ARGV[1] .. '/' then redis.call('HDEL', KEYS[4], held[i]) end
end
`;

/**
 * Keys: held, epoch, members. Arguments: name, token, lifetime, the caller's epoch. Returns the holder's token, and the
 * members. Fails if the engine has another epoch, so that nobody counts on members that an emptied engine does not know.
 */
const acquire = `${now}
if redis.call('HGET', KEYS[2], 'id') ~= ARGV[4] then return redis.error_reply('EPOCH changed') end
local held = redis.call('HGET', KEYS[1], ARGV[1])
if held then
  local token, till = string.match(held, '^(%S+) (%d+)$')
  if tonumber(till) > now and token ~= ARGV[2] then return { token, {} } end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. string.format('%.0f', now + tonumber(ARGV[3])))
return { ARGV[2], redis.call('HKEYS', KEYS[3]) }
`;

/** Keys: held. Arguments: lifetime, then name and token of each entry. Returns the names of those that were lost. */
const renew = `${now}
local lost = {}
for i = 2, #ARGV, 2 do
  local held = redis.call('HGET', KEYS[1], ARGV[i])
  if held and string.match(held, '^(%S+) ') == ARGV[i + 1] then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1] .. ' ' .. string.format('%.0f', now + tonumber(ARGV[1])))
  else
    lost[#lost + 1] = ARGV[i]
  end
end
return lost
`;

/** Keys: held. Arguments: name, token. */
const release = `
local held = redis.call('HGET', KEYS[1], ARGV[1])
if held and string.match(held, '^(%S+) ') == ARGV[2] then redis.call('HDEL', KEYS[1], ARGV[1]) end
`;

/** Keys: held, epoch. Arguments: names. Returns the epoch, and the token of each name, empty for one that nobody holds. */
const holders = `${now}
local tokens = {}
for i = 1, #ARGV do
  local held = redis.call('HGET', KEYS[1], ARGV[i])
  local token, till = string.match(held or '', '^(%S+) (%d+)$')
  tokens[i] = token and tonumber(till) > now and token or ''
end
return { redis.call('HGET', KEYS[2], 'id') or '', tokens }
`;

/**
 * Keys: a value, epoch. Arguments: the expected value, the new one, milliseconds, the caller's epoch. An empty value is an
 * absent key. Returns the value. Fails if the engine has another epoch: then it has lost values, and is no judge.
 */
const swap = `
if (redis.call('HGET', KEYS[2], 'id') or '') ~= ARGV[4] then return redis.error_reply('EPOCH changed') end
local value = redis.call('GET', KEYS[1]) or ''
if value ~= ARGV[1] then return value end
if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return ARGV[2]
`;

const named = (source: string) => ({ source, sha: createHash("sha1").update(source).digest("hex") });

export const script = {
  beat: named(beat),
  leave: named(leave),
  bury: named(bury),
  acquire: named(acquire),
  renew: named(renew),
  release: named(release),
  holders: named(holders),
  swap: named(swap),
} as const;
