/** Random sequences of calls give the same answers in memory, on our Redis path, and by plain commands. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Redis } from "ioredis";
import * as fc from "fast-check";
import { createVcr, type Vcr } from "../../../../src/dialects/vcr/vcr.ts";
import { VcrStateError } from "../../../../src/dialects/vcr/error.ts";
import { State } from "../../../../src/dialects/vcr/state.ts";
import { findRedis, testClient } from "../../../support/redis.ts";

const redisUrl = (await findRedis()) ?? "";

/** One call: the method with its arguments, and the command that is the same. */
interface Call {
  readonly method: string;
  readonly args: readonly unknown[];
  readonly command: readonly string[];
  readonly reads?: "json" | "jsons";
}

const key = fc.constantFrom("a", "b", "c");
const field = fc.constantFrom("f", "g", "n", "__proto__", "");
const scalar: fc.Arbitrary<unknown> = fc.constantFrom(
  0,
  1,
  -7,
  1.5,
  1e21,
  "x",
  "5",
  "",
  null,
  true,
  { a: 1 },
  { a: 2 },
  [1, 2],
  [2, 1],
);
const whole: fc.Arbitrary<number | bigint | string> = fc.oneof(
  fc.integer({ min: -20, max: 20 }),
  fc.constantFrom<number | bigint | string>(
    9223372036854775807n,
    -9223372036854775808n,
    9223372036854775808n,
    "4611686018427387904",
    1.5,
    1e21,
    "abc",
    "+5",
    "05",
    "",
    "-0",
  ),
);
const place = fc.oneof(fc.integer({ min: -6, max: 6 }), fc.constantFrom<number>(100, -100, 1.5));
const option = fc.constantFrom("NX", "XX", "GT", "LT", "gt", "BAD", undefined);
const pattern = fc.constantFrom(
  "*",
  "f*",
  "?",
  "[fg]",
  "[^f]*",
  "[a-m]",
  "\\f",
  "",
  "*_*",
  "[f",
  "n*",
);
const json = JSON.stringify;
const text = (value: unknown): string => (typeof value === "number" ? json(value) : String(value));

function listCalls(keys: fc.Arbitrary<string>, places: fc.Arbitrary<number>): fc.Arbitrary<Call> {
  return fc.oneof(
    fc.tuple(keys, scalar).map(([k, v]) => call("listAppend", [k, v], ["RPUSH", k, json(v)])),
    fc.tuple(keys, scalar).map(([k, v]) => call("listPrepend", [k, v], ["LPUSH", k, json(v)])),
    fc
      .tuple(keys, places)
      .map(([k, n]) => call("listEndPop", [k, n], ["RPOP", k, text(n)], "jsons")),
    fc
      .tuple(keys, places)
      .map(([k, n]) => call("listStartPop", [k, n], ["LPOP", k, text(n)], "jsons")),
    fc
      .tuple(keys, scalar, places)
      .map(([k, v, n]) => call("listRemove", [k, v, n], ["LREM", k, text(n), json(v)])),
    fc
      .tuple(keys, places, places)
      .map(([k, s, e]) => call("listTrim", [k, s, e], ["LTRIM", k, text(s), text(e)])),
    fc
      .tuple(keys, fc.boolean(), scalar, scalar)
      .map(([k, b, p, v]) =>
        call("listInsert", [k, b, p, v], ["LINSERT", k, b ? "BEFORE" : "AFTER", json(p), json(v)]),
      ),
    fc
      .tuple(keys, places)
      .map(([k, n]) => call("listIndex", [k, n], ["LINDEX", k, text(n)], "json")),
    fc
      .tuple(keys, places, scalar)
      .map(([k, n, v]) => call("listSet", [k, n, v], ["LSET", k, text(n), json(v)])),
    keys.map((k) => call("listLength", [k], ["LLEN", k])),
    fc
      .tuple(keys, places, places)
      .map(([k, s, e]) => call("listRange", [k, s, e], ["LRANGE", k, text(s), text(e)], "jsons")),
  );
}

const calls: fc.Arbitrary<Call> = fc.oneof(
  fc.tuple(key, scalar).map(([k, v]) => call("set", [k, v], ["SET", k, json(v)])),
  key.map((k) => call("get", [k], ["GET", k], "json")),
  key.map((k) => call("delete", [k], ["DEL", k])),
  fc.tuple(key, whole).map(([k, n]) => call("increment", [k, n], ["INCRBY", k, text(n)])),
  fc.tuple(key, whole).map(([k, n]) => call("decrement", [k, n], ["DECRBY", k, text(n)])),
  fc
    .tuple(key, fc.constantFrom(1_000, 2_000, 0, -1, 1.5, 9223372036854775807n), option)
    .map(([k, s, o]) =>
      call("expire", o === undefined ? [k, s] : [k, s, o], [
        "EXPIRE",
        k,
        text(s),
        ...(o === undefined ? [] : [o]),
      ]),
    ),
  key.map((k) => call("ttl", [k], ["TTL", k])),
  key.map((k) => call("exists", [k], ["EXISTS", k])),
  fc
    .tuple(
      key,
      fc.dictionary(field, fc.constantFrom("1", "x", "", "9223372036854775807"), { minKeys: 1 }),
    )
    .map(([k, f]) => call("mapSet", [k, f], ["HSET", k, ...Object.entries(f).flat()])),
  fc.tuple(key, field).map(([k, f]) => call("mapGetValue", [k, f], ["HGET", k, f])),
  fc
    .tuple(key, fc.array(field, { maxLength: 4 }))
    .map(([k, f]) => call("mapGetMultiple", [k, f], ["HMGET", k, ...f])),
  key.map((k) => call("mapGetAll", [k], ["HGETALL", k])),
  key.map((k) => call("mapGetValues", [k], ["HVALS", k])),
  fc
    .tuple(key, fc.array(field, { maxLength: 4 }))
    .map(([k, f]) => call("mapDelete", [k, f], ["HDEL", k, ...f])),
  fc.tuple(key, field).map(([k, f]) => call("mapExists", [k, f], ["HEXISTS", k, f])),
  fc
    .tuple(key, field, whole)
    .map(([k, f, n]) => call("mapIncrement", [k, f, n], ["HINCRBY", k, f, text(n)])),
  key.map((k) => call("mapLength", [k], ["HLEN", k])),
  fc
    .tuple(key, fc.constantFrom("0", "", "-1", "abc", " 0"), pattern)
    .map(([k, c, p]) => call("mapScan", [k, c, p], ["HSCAN", k, c, "MATCH", p])),
  listCalls(key, place),
);

function call(
  method: string,
  args: readonly unknown[],
  command: string[],
  reads?: Call["reads"],
): Call {
  return reads === undefined ? { method, args, command } : { method, args, command, reads };
}

/** What a state answers; a failure by its text. */
async function byState(state: State, { method, args }: Call): Promise<unknown> {
  try {
    const run = Reflect.get(state, method) as (...given: readonly unknown[]) => Promise<unknown>;
    const answer = await run.apply(state, [...args]);
    if (method === "mapGetAll") return answer;
    return method === "ttl" || method === "exists" ? Number(answer) : answer;
  } catch (error) {
    if (error instanceof VcrStateError) return `E: ${error.message}`;
    throw error;
  }
}

/** What the server answers to the command itself. */
async function byCommand(client: Redis, { method, command, reads }: Call): Promise<unknown> {
  const [name = "", ...args] = command;
  try {
    const reply: unknown = await client.call(name, ...args);
    if (method === "mapGetAll") return Object.fromEntries(pairs(reply as string[]));
    if (method === "ttl" || method === "exists") return Number(reply);
    if (reads === "json") return reply === null ? null : JSON.parse(reply as string);
    if (reads === "jsons")
      return ((reply ?? []) as string[]).map((each) => JSON.parse(each) as unknown);
    return typeof reply === "number" ? String(reply) : reply;
  } catch (error) {
    return `E: ${(error as Error).message}`;
  }
}

function pairs(flat: readonly string[]): [string, string][] {
  return flat.flatMap((name, at): [string, string][] =>
    at % 2 === 0 ? [[name, flat[at + 1] ?? ""]] : [],
  );
}

/** Once answered in another order: to insert took two steps, and the list was empty at the second. */
const FOUND: Call[] = [
  { method: "listPrepend", args: ["a", { a: 2 }], command: ["LPUSH", "a", '{"a":2}'] },
  {
    method: "listInsert",
    args: ["a", false, { a: 1 }, 0],
    command: ["LINSERT", "a", "AFTER", '{"a":1}', "0"],
  },
  { method: "listEndPop", args: ["a", 1], command: ["RPOP", "a", "1"], reads: "jsons" },
];

/** Places in a list of some parts, and of nothing. */
const LONG = 2_000;
const longPlace = fc.oneof(
  fc.integer({ min: -LONG, max: LONG }),
  fc.integer({ min: -700, max: 700 }),
  fc.constantFrom(0, 1, -1, 511, 512, 513, LONG - 1, LONG, -LONG, 1.5),
);
const longCalls = fc.array(listCalls(fc.constant("a"), longPlace), { minLength: 1, maxLength: 60 });

const runs = process.env["TEST_SCALE"] === "nightly" ? 5_000 : 500;

describe.runIf(redisUrl !== "")("random calls", () => {
  let plain: ReturnType<typeof testClient>;
  let ours: ReturnType<typeof testClient>;
  let exact: ReturnType<typeof testClient>;
  const vcrs: Vcr[] = [];

  beforeAll(async () => {
    plain = testClient(redisUrl, { stringNumbers: true });
    ours = testClient(redisUrl);
    exact = testClient(redisUrl, { stringNumbers: true });
    vcrs.push(createVcr(), createVcr({ redis: ours.client }));
    vcrs.push(createVcr({ redis: exact.client, equality: "text" }));
  });
  afterAll(async () => {
    for (const vcr of vcrs) await vcr.close();
    for (const { close } of [plain, ours, exact]) await close();
  });

  let run = 0;

  /** Makes the calls in each place, once each key of `before` has that many items there. */
  async function compare(sequence: readonly Call[], before = 0): Promise<void> {
    run += 1;
    const states = vcrs.map((vcr) => new State(vcr.getSessionById(`run-${run}`)));
    const items = Array.from({ length: before }, (_, at) => at % 300);
    if (before > 0) await plain.client.call("RPUSH", `${run}:a`, ...items.map(String));
    for (const state of states) await Promise.all(items.map((item) => state.listAppend("a", item)));
    // Nobody waits for anybody: the order of the calls is the order of their effects.
    const expected = await Promise.all(
      sequence.map((each) => {
        const [name = "", at = "", ...rest] = each.command;
        return byCommand(plain.client, {
          ...each,
          command: [name, `${run}:${at}`, ...rest],
        });
      }),
    );
    for (const state of states) {
      const answers = await Promise.all(sequence.map((each) => byState(state, each)));
      expect(sequence.map((each, at) => ({ call: each, answer: answers[at] }))).toEqual(
        sequence.map((each, at) => ({ call: each, answer: expected[at] })),
      );
    }
  }

  it("are answered alike everywhere", async () => {
    const sequences = fc.array(calls, { minLength: 1, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(sequences, (sequence) => compare(sequence)),
      { numRuns: runs, examples: [[FOUND]] },
    );
  });

  it("are answered alike on long lists", async () => {
    await fc.assert(
      fc.asyncProperty(longCalls, fc.nat(LONG), async (sequence, length) => {
        const all = call("listRange", ["a", 0, -1], ["LRANGE", "a", "0", "-1"], "jsons");
        await compare([...sequence, all], length);
      }),
      { numRuns: runs / 10 },
    );
  });
});
