/**
 * What runs atomically in the engine, with its own clock.
 *
 * - `members`: by node, the engine's time of its last complete heartbeat, and that of its last one.
 * - `epoch`: identifies the engine's memory. A new one means that everything was lost. It also names the run of the engine's
 *   process: a process that was started again, perhaps with an old snapshot of its memory, counts as one that lost everything.
 * - `held`: by name, the holder's token and the time at which the entry expires.
 * - `processes`: by node, a name of its process.
 * - `waiting NAME`: the node that waits for an entry of `held`, and gets it next.
 */
import { createHash } from "node:crypto";

const now = `
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
`;

/** `epochOf(key)` returns the epoch's ID, empty if there is none of this run. */
const epochOf = `
local function run() return string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or '' end
local function epochOf(key)
  local epoch = redis.call('HMGET', key, 'id', 'run')
  return epoch[1] and epoch[2] == run() and epoch[1] or ''
end
`;

/** `pause(key, milliseconds)` makes everything count as leased for that time. */
const pause = `
local function pause(key, milliseconds)
  local till = now + tonumber(milliseconds)
  if till > tonumber(redis.call('GET', key) or 0) then redis.call('SET', key, string.format('%.0f', till)) end
end
`;

/**
 * Keys: members, epoch, held, pausedUntil, processes. Arguments: node, time of its last complete heartbeat, number of this
 * one, a new epoch, 1 if there was no store before, lifetime of members and of leases in milliseconds, the node's channel, a
 * name of its process. The node is registered before it is told what is held, so that later holders ask it. Returns, last,
 * the members that have sent no heartbeat for their lifetime, each with its entry, and whether the epoch is settled.
 */
const beat = `${now}${epochOf}${pause}
local fresh = ARGV[5] == '1'
if epochOf(KEYS[2]) == '' then
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[5])
  redis.call('HSET', KEYS[2], 'id', ARGV[4], 'run', run(), 'created', fresh and 0 or string.format('%.0f', now),
    'settled', fresh and 1 or 0)
  if not fresh then pause(KEYS[4], ARGV[7]) end
end
local isNew = redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. string.format('%.0f', now))
if isNew then redis.call('HSET', KEYS[5], ARGV[1], ARGV[9]) end
local entries = redis.call('HGETALL', KEYS[1])
local members, expired = {}, {}
for i = 1, #entries, 2 do
  local touched, last = string.match(entries[i + 1], '^(%d+) (%d+)$')
  members[#members + 1] = entries[i]
  members[#members + 1] = touched
  if now - tonumber(last) > tonumber(ARGV[6]) then
    expired[#expired + 1] = entries[i]
    expired[#expired + 1] = entries[i + 1]
  end
end
redis.call('PUBLISH', ARGV[8], ARGV[3])
local epoch = redis.call('HMGET', KEYS[2], 'id', 'created', 'settled')
return { string.format('%.0f', now), epoch[1], epoch[2], redis.call('GET', KEYS[4]) or '0', isNew and 1 or 0, members,
  isNew and redis.call('HGETALL', KEYS[3]) or {}, expired, tonumber(epoch[3]) }
`;

/**
 * Removes a member, with which its leases end, if it has sent no heartbeat since it was found to have none for long. Keys:
 * members, pausedUntil, processes. Arguments: node, its entry then, lifetime of leases in milliseconds.
 */
const forget = `${now}${pause}
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('HDEL', KEYS[3], ARGV[1])
  pause(KEYS[2], ARGV[3])
end
`;

/**
 * Settles an epoch: all nodes of earlier ones are registered, or have ended. Registers those that go on without the engine,
 * as members that were in touch long ago. Keys: members, epoch. Arguments: the caller's epoch, nodes.
 */
const settle = `${now}${epochOf}
if epochOf(KEYS[2]) ~= ARGV[1] then return end
for i = 2, #ARGV do redis.call('HSETNX', KEYS[1], ARGV[i], '1 ' .. string.format('%.0f', now)) end
redis.call('HSET', KEYS[2], 'settled', 1)
`;

/** A clean stop. Keys: members, pausedUntil, processes. Arguments: node, lifetime of leases in milliseconds. */
const leave = `${now}${pause}
redis.call('HDEL', KEYS[3], ARGV[1])
if redis.call('HDEL', KEYS[1], ARGV[1]) == 1 and tonumber(ARGV[2]) > 0 then pause(KEYS[2], ARGV[2]) end
`;

/** For a node whose process has ended. Keys: those of `leave`, held. Arguments: those of `leave`. */
const bury = `${leave}
local held = redis.call('HGETALL', KEYS[4])
for i = 1, #held, 2 do
  if string.sub(held[i + 1], 1, #ARGV[1] + 1) == ARGV[1] .. '/' then redis.call('HDEL', KEYS[4], held[i]) end
end
`;

/**
 * Keys: held, epoch, members, who waits for the name. Arguments: name, token, lifetime, the caller's epoch, the caller's node
 * if it waits, and for how many milliseconds it keeps its place. The first node that waits gets the entry next: otherwise a
 * node that takes it again and again would leave others no moment. Returns the holder's token, or the beginning of that of the
 * node whose turn it is, and the members. Fails if the engine has another epoch, so that nobody counts on members that an
 * emptied engine does not know.
 */
const acquire = `${now}${epochOf}
if epochOf(KEYS[2]) ~= ARGV[4] then return redis.error_reply('EPOCH changed') end
local waits = ARGV[5] ~= ''
local first = waits and redis.call('GET', KEYS[4]) or false
local held = redis.call('HGET', KEYS[1], ARGV[1])
if held then
  local token, till = string.match(held, '^(%S+) (%d+)$')
  if tonumber(till) > now and token ~= ARGV[2] then
    if waits and (not first or first == ARGV[5]) then redis.call('SET', KEYS[4], ARGV[5], 'PX', ARGV[6]) end
    return { token, {} }
  end
end
if first then
  if first ~= ARGV[5] then return { first .. '/', {} } end
  redis.call('DEL', KEYS[4])
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
const holders = `${now}${epochOf}
local tokens = {}
for i = 1, #ARGV do
  local held = redis.call('HGET', KEYS[1], ARGV[i])
  local token, till = string.match(held or '', '^(%S+) (%d+)$')
  tokens[i] = token and tonumber(till) > now and token or ''
end
return { epochOf(KEYS[2]), tokens }
`;

/**
 * Keys: a value, epoch. Arguments: the expected value, the new one, milliseconds, the caller's epoch. An empty value is an
 * absent key. Returns the value. Fails if the engine has another epoch: then it has lost values, and is no judge.
 */
const swap = `${epochOf}
if epochOf(KEYS[2]) ~= ARGV[4] then return redis.error_reply('EPOCH changed') end
local value = redis.call('GET', KEYS[1]) or ''
if value ~= ARGV[1] then return value end
if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return ARGV[2]
`;

const named = (source: string) => ({ source, sha: createHash("sha1").update(source).digest("hex") });

export const script = {
  beat: named(beat),
  forget: named(forget),
  settle: named(settle),
  leave: named(leave),
  bury: named(bury),
  acquire: named(acquire),
  renew: named(renew),
  release: named(release),
  holders: named(holders),
  swap: named(swap),
} as const;
