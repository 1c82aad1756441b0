/**
 * Scripts for operations that plain commands cannot do in one step.
 *
 * Lists are searched for a value whose content is equal in any order of keys. The server cannot
 * compare JSON, so the script receives the texts that equal the value and those that do not. When
 * it meets another text of the same length (the order of keys changes no length), it returns that
 * text and changes nothing. The next run then receives that text too.
 */

/**
 * Sets a text if it equals the text that was read. ARGV: did exist, expected, next, session end.
 */
export const SWAP = `
local current = redis.call('GET', KEYS[1])
if current ~= (ARGV[1] == '1' and ARGV[2]) then return '0' end
redis.call('SET', KEYS[1], ARGV[3], 'KEEPTTL')
if ARGV[4] ~= '0' then redis.call('PEXPIREAT', KEYS[1], ARGV[4], 'LT') end
return '1'`;

/**
 * Expires a key of a session; the session's end does not count as the key's own. ARGV: end,
 * seconds, rule.
 */
export const EXPIRE_IN_SESSION = `
if redis.call('PEXPIRETIME', KEYS[1]) == tonumber(ARGV[1]) then redis.call('PERSIST', KEYS[1]) end
local done = redis.pcall('EXPIRE', KEYS[1], unpack(ARGV, 2))
redis.call('PEXPIREAT', KEYS[1], ARGV[1], 'LT')
return type(done) == 'table' and done or tostring(done)`;

/** The time to live of a key of a session, without the session's end. ARGV: end. */
export const TTL_IN_SESSION = `
if redis.call('PEXPIRETIME', KEYS[1]) == tonumber(ARGV[1]) then return '-1' end
return tostring(redis.call('TTL', KEYS[1]))`;

/** ARGV: command, number of equal texts, those texts, the texts that differ. */
const COMPARE = `
local same, other, length = {}, {}, #ARGV[4]
local count = tonumber(ARGV[3])
for i = 4, 3 + count do same[ARGV[i]] = true end
for i = 4 + count, #ARGV do other[ARGV[i]] = true end
local items = redis.call('LRANGE', KEYS[1], 0, -1)
local function unknown(item) return #item == length and not same[item] and not other[item] end
`;

/**
 * Removes. ARGV: limit, mark, count, texts. Items to remove are first replaced by the mark, which
 * is not JSON.
 */
export const REMOVE_SAME: string = `${COMPARE}
for _, item in ipairs(items) do if unknown(item) then return {'?', item} end end
local limit, removed = tonumber(ARGV[1]), 0
local first, last, step = 1, #items, 1
if limit < 0 then first, last, step, limit = #items, 1, -1, -limit end
for i = first, last, step do
  if same[items[i]] and (limit == 0 or removed < limit) then
    redis.call('LSET', KEYS[1], i - 1, ARGV[2])
    removed = removed + 1
  end
end
if removed > 0 then redis.call('LREM', KEYS[1], 0, ARGV[2]) end
return {'!', tostring(removed)}`;

/** Inserts. ARGV: side, value, count, texts. */
export const INSERT_SAME: string = `${COMPARE}
if #items == 0 then return {'!', '0'} end
for _, item in ipairs(items) do
  if unknown(item) then return {'?', item} end
  if same[item] then
    return {'!', tostring(redis.call('LINSERT', KEYS[1], ARGV[1], item, ARGV[2]))}
  end
end
return {'!', '-1'}`;
