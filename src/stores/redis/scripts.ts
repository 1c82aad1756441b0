/**
 * The scripts that run inside Redis. A script is atomic: no other command runs between its reads
 * and its writes.
 *
 * The head of a record is a hash: `f` format, `v` version, `m` how the state is kept (`i` in the
 * head, `a` apart as base and log, `d` none), `x` when it expires (server time, ms; "" = never),
 * `s` the state if it is in the head, `w` version of the base, `b` bytes of the base, `l` bytes and
 * `n` count of the log, `o:<owner>` when that owner last wrote and its last operations. Its history
 * is a list beside it (`history-lua.ts`).
 *
 * Invariants
 *  L1  A write happens only at the version it expects and with the token of the present lease, ""
 *      when there is none: an owner that lost its lease has a token that no lease has any more.
 *  L2  An operation takes effect once: its owner's last four are stored with the record, for at
 *      least as long as a call is retried.
 *  L3  All refusals come before the first write, because a script is not rolled back. The exception
 *      is a command that the user may not run: that reply leaves the outcome unknown.
 *  L4  The head stays until its tombstone expires, so a version does not decrease before; Redis
 *      removes it then. The text of a state expires after its head counts as expired, and not after
 *      the head itself.
 *  L5  Versions are compared and stored as text; they never become numbers of Lua.
 */
import { createHash } from "node:crypto";
import { LOG_COUNT_MAX } from "../shared/large-records.ts";
import { KEEPING, PRUNING, READING } from "./history-lua.ts";

/** A script and its name in the server's cache. */
export interface RedisScript {
  readonly text: string;
  readonly sha: string;
}

/** The format of a record this code reads and writes. */
export const FORMAT = "1";
/** Where ARGV of a commit says until when its record may be made; an index. */
export const UNTIL_AT = 12;
/** The number of writers remembered per record; more only while their calls may be retried. */
const OWNERS_MAX = 4;
/** The fields of a head without those of its owners. */
const HEAD_FIELDS = 9;
/** Text outlives its head's expiry by this: the head decides, also if a clock is set back. */
const GRACE_MS = 60_000;

/** The longest time passed to Redis, over 30,000 years: it refuses times over 64 bits. */
const LONGEST_MS = 1e15;

/** A time in milliseconds in the form Redis accepts: whole, at least 1. */
export function redisMs(ms: number): string {
  return String(Math.ceil(Math.min(ms, LONGEST_MS)));
}

/** A script of this text. */
export function script(text: string): RedisScript {
  return { text, sha: createHash("sha1").update(text).digest("hex") };
}

const HEAD = "'f','v','m','x','w','b','l','n'";

/**
 * KEYS: head, base, log. `found` returns the record, as reader.ts reads it; `stateless` does that
 * only when there is no state.
 */
const COMMON = `
local function now()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
local function digits(n) return string.format('%.0f', n) end
local function left(h, at)
  if h[4] == '' then return '' end
  local x = tonumber(h[4] or '')
  if not x then return nil end
  if x <= at then return false end
  return digits(x - at)
end
local function stateless(h, at)
  if not h[1] then
    if redis.call('EXISTS', KEYS[1]) == 1 then return {'foreign', KEYS[1]} end
    return {'none'}
  end
  if h[1] ~= '${FORMAT}' then return {'newer', h[1]} end
  local ms = left(h, at)
  if ms == nil then return {'foreign', KEYS[1]} end
  if ms == false or h[3] == 'd' then return {'dead', h[2]} end
end
local function found(h, at)
  local no, ms = stateless(h, at), left(h, at)
  if no then return no end
  if h[3] == 'i' then return {'inline', h[2], ms, redis.call('HGET', KEYS[1], 's')} end
  return {'apart', h[2], ms, h[5], redis.call('GET', KEYS[2]), redis.call('LRANGE', KEYS[3], 0, -1)}
end
`;

/** KEYS: head, base, log. Returns the record. */
export const READ: RedisScript = script(`${COMMON}
return found(redis.call('HMGET', KEYS[1], ${HEAD}), now())
`);

/**
 * KEYS: head, base, log. ARGV: expected version. Returns `same`, or the record. Only a server that
 * may write now knows what is committed: one that became a replica, or was cut off from its
 * replicas, replies with the error a write would get. The write in this script changes nothing.
 */
export const CHECK: RedisScript = script(`${COMMON}
local h = redis.call('HMGET', KEYS[1], ${HEAD})
local asked = redis.pcall('HDEL', KEYS[1], '')
local no = type(asked) == 'table' and asked.err or ''
for _, code in ipairs({'READONLY', 'NOREPLICAS'}) do
  if string.find(no, code, 1, true) then return redis.error_reply(code .. ' no checks here') end
end
if h[1] == '${FORMAT}' and h[2] == ARGV[1] then return {'same'} end
return found(h, now())
`);

/**
 * KEYS: head, base, log, lease, history. ARGV: how, text, expected, version, ttl, owner, operation,
 * token, channel, notice, how long operations are remembered, how long the tombstone is kept ("" =
 * forever), until when the record may be made ("" = it exists); with a history also `f` when its
 * rows go first, and what `keepRows` reads. `how` is the form of the new state, or `p` for patches
 * to append. Returns `done`, `late`, `whole` (cannot append, send the state), or
 * `denied` with the reply to PUBLISH, before anything is written. Otherwise it returns the record,
 * inside `forgotten` when the owner has done four newer operations: then it is unknown whether this
 * one was done before them.
 */
export const COMMIT: RedisScript = script(`${COMMON}${KEEPING}
local how, text, expected, version, ttl = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local own = 'o:' .. ARGV[6]
local at = now()
local h = redis.call('HMGET', KEYS[1], ${HEAD}, own)
local mine = h[9] or ''
if h[1] == '${FORMAT}' and string.find(mine .. ' ', ' ' .. ARGV[7] .. ' ', 1, true) then
  redis.call('HSET', KEYS[1], own, mine) -- Written again, so that a WAIT after it waits for it.
  return {'done'}
end
local lease = redis.call('GET', KEYS[4]) or ''
if (h[1] and h[1] ~= '${FORMAT}') or (h[2] or '0') ~= expected or lease ~= ARGV[8] then
  local oldest = string.match(mine, '^%d+ (%d+) %d+ %d+ %d+$')
  if oldest and tonumber(oldest) > tonumber(ARGV[7]) then return {'forgotten', found(h, at)} end
  return found(h, at)
end
if not h[1] then
  if ARGV[13] ~= '' and at > tonumber(ARGV[13]) then return {'late'} end
  for i = 1, 3 do
    if redis.call('EXISTS', KEYS[i]) == 1 then return {'foreign', KEYS[i]} end
  end
end
local drops = how == 'd' or ARGV[14] == 'f' or not h[1] or h[3] == 'd' or left(h, at) == false
local last = (#ARGV > 17 or not h[1]) and rowAt(5, -1)
if last == nil then return {'foreign', KEYS[5]} end
if drops or not last then last = {at = 0, seq = 0, start = 0, size = 0} end
local size = (tonumber(h[7]) or 0) + #text
local count = (tonumber(h[8]) or 0) + 1
if how == 'p' and (h[3] ~= 'a' or not left(h, at) or count > ${LOG_COUNT_MAX}
    or size >= (tonumber(h[6]) or 0)) then
  return {'whole'}
end
local x = ttl == '' and '' or digits(at + ttl)
local notified = redis.pcall('PUBLISH', ARGV[9], ARGV[10])
if type(notified) == 'table' and notified.err then return {'denied', notified.err} end
local ids = string.match(mine, ' %d+ %d+ %d+$') or string.match(mine, ' .*$') or ''
local ops = digits(at) .. ids .. ' ' .. ARGV[7]
if how == 'p' then
  redis.call('RPUSH', KEYS[3], text)
  redis.call('HSET', KEYS[1], 'v', version, 'x', x, 'l', size, 'n', count, own, ops)
elseif how == 'i' and h[3] == 'i' then
  redis.call('HSET', KEYS[1], 'v', version, 'x', x, 's', text, own, ops)
else
  if h[3] == 'a' then redis.call('DEL', KEYS[2], KEYS[3]) end
  if how == 'a' then redis.call('SET', KEYS[2], text) end
  redis.call('HSET', KEYS[1], 'f', '${FORMAT}', 'v', version, 'm', how, 'x', x,
    's', how == 'i' and text or '', 'w', version, 'b', #text, 'l', 0, 'n', 0, own, ops)
end
if drops then redis.call('DEL', KEYS[5]) end
if #ARGV > 17 then keepRows(5, last, 15, 18) end
local forget = nil
if ARGV[12] ~= '' and how == 'd' then forget = at + ARGV[12]
elseif ARGV[12] ~= '' and x ~= '' then forget = x + ARGV[12] end
if forget then redis.call('PEXPIREAT', KEYS[1], digits(forget))
elseif h[1] and (h[3] == 'd' or h[4] ~= '') then redis.call('PERSIST', KEYS[1]) end
local to = x ~= '' and digits(math.min(x + ${GRACE_MS}, forget or math.huge))
for _, i in ipairs({2, 3, 5}) do
  if to then redis.call('PEXPIREAT', KEYS[i], to)
  elseif h[4] and h[4] ~= '' then redis.call('PERSIST', KEYS[i]) end
end
if not h[9] and redis.call('HLEN', KEYS[1]) > ${HEAD_FIELDS + OWNERS_MAX} then
  for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
    if string.sub(field, 1, 2) == 'o:' then
      local last = string.match(redis.call('HGET', KEYS[1], field), '^%d+')
      if (tonumber(last) or 0) < at - ARGV[11] then redis.call('HDEL', KEYS[1], field) end
    end
  end
end
return {'done'}
`);

/** KEYS: head, history. ARGV: as READING has it. Returns `rows` and these, or what is no record. */
export const HISTORY: RedisScript = script(`${COMMON}${READING}
local no = stateless(redis.call('HMGET', KEYS[1], ${HEAD}), now())
if no then return no end
local rows = selected()
return rows and {'rows', rows} or {'foreign', KEYS[2]}
`);

/** KEYS: head, history. ARGV: as PRUNING has it. Returns `rows` and how many went. */
export const PRUNE: RedisScript = script(`${PRUNING}
local count = pruned()
return count and {'rows', count} or {'foreign', KEYS[2]}
`);

/** KEYS: head. Returns 1 for a record that is no tombstone, or that only a load can judge. */
export const LIVING: RedisScript = script(`${COMMON}
local h = redis.pcall('HMGET', KEYS[1], 'f', 'v', 'm', 'x')
if h.err then return 1 end
if not h[1] then return redis.call('EXISTS', KEYS[1]) end
if h[3] == 'd' or left(h, now()) == false then return 0 end
return 1
`);

/** KEYS: lease. ARGV: token, ms. Returns 1 when this token has the lease, now or before. */
export const TAKE: RedisScript = script(`
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
`);

/** KEYS: lease. ARGV: token, ms. Extends the lease of this token; returns 0 when it has none. */
export const RENEW: RedisScript = script(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
`);

/** KEYS: lease. ARGV: token. Releases the lease if this token has it. */
export const RELEASE: RedisScript = script(`
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
`);

/**
 * KEYS: head, and all others of the record. ARGV: channel, start of the notice, end of the notice.
 * Removes a record, also a damaged one; returns 1 when there was something.
 */
export const ERASE: RedisScript = script(`
local version = redis.pcall('HGET', KEYS[1], 'v')
if type(version) == 'table' then version = nil end
if redis.call('EXISTS', unpack(KEYS)) == 0 then return 0 end
local next = string.format('%.0f', (tonumber(version or '') or 0) + 1)
redis.call('PUBLISH', ARGV[1], ARGV[2] .. next .. ARGV[3])
redis.call('DEL', unpack(KEYS))
return 1
`);
