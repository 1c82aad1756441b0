/**
 * The scripts of the index of a store's keys, and of `due`: when its keys are checked.
 *
 * Invariant
 *  L6  A key in the index is also in `due`, with the time at which it is checked again. A record is
 *      made only in the time that its index entry allows. A key is removed from the index only
 *      after that time, and only if it was not added again.
 */
import { type RedisScript, script } from "./scripts.ts";

const TIME = `
local t = redis.call('TIME')
local at = t[1] * 1000 + math.floor(t[2] / 1000)
`;

/** KEYS: index, due. ARGV: ms until a check, members to add. Returns when that is. */
export const INDEX: RedisScript = script(`${TIME}
local due = string.format('%.0f', at + ARGV[1])
for i = 2, #ARGV do
  redis.call('ZADD', KEYS[1], 0, ARGV[i])
  redis.call('ZADD', KEYS[2], due, ARGV[i])
end
return due
`);

/**
 * KEYS: due. ARGV: ms, how many. Returns members that were due that long ago, with their times. If
 * these are fewer than `how many`, it adds in how many ms the next one is returned.
 */
export const DUE: RedisScript = script(`${TIME}
local to = string.format('%.0f', at - ARGV[1])
local found = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', to, 'WITHSCORES', 'LIMIT', 0, ARGV[2])
if #found < 2 * tonumber(ARGV[2]) then
  local next = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. to, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  if next[2] then found[#found + 1] = string.format('%.0f', next[2] - to) end
end
return found
`);

/** KEYS: head. Returns in how many ms it expires: -1 never, -2 there is none. */
export const LEFT: RedisScript = script(`
return redis.call('PTTL', KEYS[1])
`);

/** KEYS: due. ARGV: members; returns their times, "" = none. */
export const SEEN: RedisScript = script(`
local times = {}
for at, member in ipairs(ARGV) do times[at] = redis.call('ZSCORE', KEYS[1], member) or '' end
return times
`);

/**
 * KEYS: index, due. ARGV: of each member its name, its time in `due` ("" = none), and the result of
 * LEFT. A member that was added again since is not changed.
 */
export const SETTLE: RedisScript = script(`${TIME}
for i = 1, #ARGV, 3 do
  local member, seen, left = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])
  if (redis.call('ZSCORE', KEYS[2], member) or '') == seen then
    if left >= 0 then redis.call('ZADD', KEYS[2], string.format('%.0f', at + left + 1), member)
    else redis.call('ZREM', KEYS[2], member) end
    if left == -2 then redis.call('ZREM', KEYS[1], member) end
  end
end
return 1
`);

/** KEYS: index. ARGV: from, to, count; returns members in the order of their bytes. */
export const PAGE: RedisScript = script(`
return redis.call('ZRANGEBYLEX', KEYS[1], ARGV[1], ARGV[2], 'LIMIT', 0, ARGV[3])
`);

/** The same from the end: KEYS: index. ARGV: to, from, count; in descending order. */
export const LAST_PAGE: RedisScript = script(`
return redis.call('ZREVRANGEBYLEX', KEYS[1], ARGV[1], ARGV[2], 'LIMIT', 0, ARGV[3])
`);
