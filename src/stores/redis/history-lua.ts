/**
 * The parts of the scripts that keep and read the history of a record: a list of rows, oldest
 * first.
 *
 * A row is a line with its version, time, `seq`, `start` and size (`shared/history-rows.ts`), then
 * a line with its entry, and one with its state when it has one. JSON has no line ends.
 *
 * Invariants
 *  H1  Rows are added by the script that writes their state, or not at all; what could refuse them
 *      is looked at before the first write.
 *  H2  A commit reads no more than the newest row, and of the oldest rows those that it removes
 *      and one more.
 */
import { PRUNED_SPARE } from "../shared/history-rows.ts";

/** `rowAt` returns a row of KEYS[`key`]: `false` when there is none, `nil` for something else. */
const ROWS = `
local function rowAt(key, index)
  local text = redis.call('LRANGE', KEYS[key], index, index)[1]
  if not text then return false end
  local version, at, seq, start, size = string.match(text, '^(%S+) (%S+) (%S+) (%S+) (%S+)\\n')
  local row = {version = tonumber(version), at = tonumber(at), seq = tonumber(seq),
    start = tonumber(start), size = tonumber(size)}
  return row.version and row.at and row.seq and row.start and row.size and row or nil
end
local function boundsOf(newest, versions, since, bytes)
  return {at = tonumber(since) or 0, seq = versions == '' and 0 or newest.seq - versions + 1,
    start = bytes == '' and 0 or newest.start + newest.size - bytes}
end
local function isWithin(row, bounds)
  return row.seq >= bounds.seq and row.at >= bounds.at and row.start >= bounds.start
end
`;

/** `firstWhere` returns the index of the first row that passes, as all after it do. */
const FINDING = `
local function firstWhere(passes)
  local low, high = 0, redis.call('LLEN', KEYS[2])
  while low < high do
    local middle = math.floor((low + high) / 2)
    local row = rowAt(2, middle)
    if not row then return nil end
    if passes(row) then high = middle else low = middle + 1 end
  end
  return low
end
`;

/**
 * For a commit. ARGV from `keep` on: limits of versions, time and bytes ("" = none); from `rows`
 * on: the rows, with version, time and size in their first line.
 */
export const KEEPING: string = `${ROWS}
local function addRow(key, last, text)
  local version, at, size, rest = string.match(text, '^(%S+) (%S+) (%S+)(\\n.*)$')
  local row = {at = math.max(last.at, at), seq = last.seq + 1, start = last.start + last.size,
    size = tonumber(size)}
  local place = {version, string.format('%.17g', row.at), digits(row.seq), digits(row.start), size}
  redis.call('RPUSH', KEYS[key], table.concat(place, ' ') .. rest)
  return row
end
local function keepRows(key, last, keep, rows)
  for i = rows, #ARGV do last = addRow(key, last, ARGV[i]) end
  local bounds = boundsOf(last, ARGV[keep], ARGV[keep + 1], ARGV[keep + 2])
  local count, most = 0, #ARGV - rows + 1 + ${PRUNED_SPARE}
  while count < most do
    local row = rowAt(key, count)
    if not row or isWithin(row, bounds) then break end
    count = count + 1
  end
  if count > 0 then redis.call('LTRIM', KEYS[key], count, -1) end
end
`;

/**
 * For a read. KEYS[2]: the rows. ARGV: only below this version, only above this one, at most so
 * many ("" = no limit), `up` or `down`, limits of versions, time and bytes.
 */
export const READING: string = `${ROWS}${FINDING}
local function selected()
  local newest = rowAt(2, -1)
  if newest == false then return {} end
  if not newest then return nil end
  local bounds = boundsOf(newest, ARGV[5], ARGV[6], ARGV[7])
  local before, after = tonumber(ARGV[1]) or math.huge, tonumber(ARGV[2]) or 0
  local from = firstWhere(function(row) return row.version > after and isWithin(row, bounds) end)
  local to = firstWhere(function(row) return row.version >= before end)
  if not from or not to then return nil end
  local limit = tonumber(ARGV[3]) or math.huge
  if ARGV[4] == 'up' then to = math.min(to, from + limit) else from = math.max(from, to - limit) end
  if from >= to then return {} end
  return redis.call('LRANGE', KEYS[2], from, to - 1)
end
`;

/** For `pruneHistory`. KEYS[2]: the rows. ARGV: limits of versions, time and bytes. */
export const PRUNING: string = `${ROWS}${FINDING}
local function pruned()
  local newest = rowAt(2, -1)
  if not newest then return newest == false and 0 or nil end
  local bounds = boundsOf(newest, ARGV[1], ARGV[2], ARGV[3])
  local count = firstWhere(function(row) return isWithin(row, bounds) end)
  if count and count > 0 then redis.call('LTRIM', KEYS[2], count, -1) end
  return count
end
`;
