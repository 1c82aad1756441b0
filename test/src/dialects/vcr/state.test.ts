/** The behaviour table of `State`, on every place keys can be kept. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { VcrStateError } from "../../../../src/dialects/vcr/error.ts";
import { EXPIRE_OPTION } from "../../../../src/dialects/vcr/enum.ts";
import { State } from "../../../../src/dialects/vcr/state.ts";
import { places, type Opened } from "./kept.ts";

/** The code of a failing call; fails itself when the call does not. */
async function code(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    expect(error).toBeInstanceOf(VcrStateError);
    return (error as VcrStateError).code;
  }
  throw new Error("the call was expected to fail");
}

const MAX = 9223372036854775807n;
const MIN = -9223372036854775808n;

describe.each(places())("State on $name", ({ open }) => {
  let opened: Opened;
  let state: State;

  beforeEach(async () => {
    opened = await open();
    state = new State(opened.vcr.getSessionById("conv-1"));
  });
  afterEach(() => opened.close());

  describe("texts", () => {
    it("keeps JSON values and gives a new object each time", async () => {
      expect(await state.get("missing")).toBeNull();
      for (const value of [
        { a: 1 },
        "",
        0,
        false,
        null,
        "5",
        [1, [2]],
        -1.5e-7,
        "ü\u0000😀\ud800",
      ]) {
        expect(await state.set("k", value)).toBe("OK");
        expect(await state.get("k")).toEqual(value);
      }
      await state.set("k", { a: [1] });
      const first = await state.get<{ a: number[] }>("k");
      first?.a.push(2);
      expect(await state.get("k")).toEqual({ a: [1] });
    });

    it("copies a value when the call is made", async () => {
      const value = { n: 1 };
      const call = state.set("k", value);
      value.n = 2;
      await call;
      expect(await state.get("k")).toEqual({ n: 1 });
    });

    it("stores a Date as its text and leaves an undefined property out", async () => {
      await state.set("k", { at: new Date(0), no: undefined });
      expect(await state.get("k")).toStrictEqual({ at: "1970-01-01T00:00:00.000Z" });
    });

    it("keeps prototype names as keys of values and of maps", async () => {
      const value = JSON.parse('{"__proto__":{"a":1},"constructor":2}') as object;
      await state.set("__proto__", value);
      expect(JSON.stringify(await state.get("__proto__"))).toBe(JSON.stringify(value));
      expect(await state.get("constructor")).toBeNull();
      await state.mapSet("toString", JSON.parse('{"__proto__":"x","a":"1"}') as object as never);
      const all = await state.mapGetAll("toString");
      expect(Object.keys(all)).toEqual(["__proto__", "a"]);
      expect(await state.mapGetValue("toString", "hasOwnProperty")).toBeNull();
      expect((await state.keys()).toSorted()).toEqual(["__proto__", "toString"]);
    });

    it.each([
      ["undefined", undefined],
      ["a function", () => 1],
      ["NaN", Number.NaN],
      ["infinity in an object", { a: Infinity }],
      ["a bigint", 10n],
      ["a map", new Map([[1, 2]])],
      ["a set", { s: new Set([1]) }],
      ["bytes", new Uint8Array(2)],
      ["undefined in an array", [undefined]],
      ["an invalid Date", new Date(Number.NaN)],
      ["a symbol", Symbol("s")],
    ])("refuses %s and keeps what is there", async (_name, value) => {
      await state.set("k", 1);
      expect(await code(state.set("k", value))).toBe("NOT_SERIALIZABLE");
      expect(await code(state.listAppend("l", value))).toBe("NOT_SERIALIZABLE");
      expect(await state.get("k")).toBe(1);
      expect(await state.listLength("l")).toBe("0");
    });

    it("refuses a cycle", async () => {
      const cycle: { self?: unknown } = {};
      cycle.self = cycle;
      expect(await code(state.set("k", cycle))).toBe("NOT_SERIALIZABLE");
    });

    it("names the method and the key in its errors", async () => {
      await state.listAppend("l", 1);
      const error = await state.get("l").catch((reason: unknown) => reason);
      expect(error).toMatchObject({
        name: "VcrStateError",
        code: "WRONGTYPE",
        op: "get",
        key: "l",
        message: "WRONGTYPE Operation against a key holding the wrong kind of value",
      });
    });

    it("refuses bad keys", async () => {
      expect(await code(state.set(5 as never, 1))).toBe("BAD_KEY");
      expect(await code(state.get(undefined as never))).toBe("BAD_KEY");
      expect(await code(state.get("\ud800"))).toBe("BAD_KEY");
      expect(await code(state.get("x".repeat(5_000)))).toBe("BAD_KEY");
      await state.set("", 1);
      expect(await state.get("")).toBe(1);
    });

    it("deletes keys of any type", async () => {
      await state.set("a", 1);
      await state.mapSet("m", { a: "1" });
      await state.listAppend("l", 1);
      expect(await state.delete("a")).toBe("1");
      expect(await state.delete("a")).toBe("0");
      expect(await state.delete("m")).toBe("1");
      expect(await state.delete("l")).toBe("1");
      expect(await state.keys()).toEqual([]);
    });
  });

  describe("numbers", () => {
    it("counts in texts", async () => {
      await state.set("c", 0);
      expect(await state.increment("c", 5)).toBe("5");
      expect(await state.decrement("c", 2)).toBe("3");
      expect(await state.increment("c", 0)).toBe("3");
      expect(await state.increment("fresh", 3)).toBe("3");
      expect(await state.decrement("fresh2", 3)).toBe("-3");
      expect(await state.increment("c", -10)).toBe("-7");
      expect(await state.get("c")).toBe(-7);
    });

    it("is exact up to 64 bits and refuses more", async () => {
      expect(await state.increment("c", MAX - 1n)).toBe("9223372036854775806");
      expect(await state.increment("c", "1")).toBe("9223372036854775807");
      expect(await code(state.increment("c", 1))).toBe("OVERFLOW");
      expect(await state.increment("c", 0)).toBe("9223372036854775807");
      expect(await state.decrement("low", MAX)).toBe("-9223372036854775807");
      expect(await state.decrement("low", 1)).toBe("-9223372036854775808");
      expect(await code(state.decrement("low", 1))).toBe("OVERFLOW");
      expect(await code(state.decrement("x", MIN))).toBe("OVERFLOW");
      expect(await code(state.increment("x", MAX + 1n))).toBe("NOT_INTEGER");
      expect(await state.mapIncrement("m", "f", MAX)).toBe("9223372036854775807");
      expect(await code(state.mapIncrement("m", "f", 1))).toBe("OVERFLOW");
    });

    it.each([
      1.5,
      1e21,
      Number.NaN,
      Infinity,
      "",
      "abc",
      "+5",
      "05",
      " 5",
      "-0",
      undefined,
      {},
      null,
    ])("refuses to add %s", async (value) => {
      await state.set("c", 1);
      await state.mapSet("m", { f: "1" });
      expect(await code(state.increment("c", value as number))).toBe("NOT_INTEGER");
      expect(await code(state.decrement("c", value as number))).toBe("NOT_INTEGER");
      expect(await code(state.mapIncrement("m", "f", value as number))).toBe("NOT_INTEGER");
      expect(await state.get("c")).toBe(1);
    });

    it.each(["5", 1.5, null, true, [1], {}])("refuses to add to %j", async (value) => {
      await state.set("s", value);
      expect(await code(state.increment("s", 1))).toBe("NOT_INTEGER");
      expect(await state.get("s")).toEqual(value);
    });

    it("counts a thousand calls at once", async () => {
      await Promise.all(Array.from({ length: 1_000 }, () => state.increment("c", 1)));
      expect(await state.get("c")).toBe(1_000);
    });
  });

  describe("time to live", () => {
    /** The seconds that are left, up to the next hundred: on a busy machine some have passed. */
    const left = async (key: string): Promise<number> => {
      const seconds = await state.ttl(key);
      return seconds < 0 ? seconds : Math.ceil(seconds / 100) * 100;
    };

    it("follows the four options", async () => {
      expect(await state.expire("k", 10)).toBe("0");
      expect(await state.ttl("k")).toBe(-2);
      await state.set("k", 1);
      expect(await state.ttl("k")).toBe(-1);
      const cases = [
        [1_000, "XX", "0", -1],
        [1_000, "GT", "0", -1],
        [10_000, "NX", "1", 10_000],
        [20_000, "NX", "0", 10_000],
        [20_000, "XX", "1", 20_000],
        [10_000, "GT", "0", 20_000],
        [20_100, "GT", "1", 20_100],
        [30_000, "LT", "0", 20_100],
        [5_000, "LT", "1", 5_000],
        [6_000, "nx", "0", 5_000],
      ] as const;
      for (const [seconds, option, answer, ends] of cases) {
        expect([option, await state.expire("k", seconds, option)]).toEqual([option, answer]);
        expect([option, await left("k")]).toEqual([option, ends]);
      }
    });

    it("takes no end for the latest, and ends a key at once for 0 and less", async () => {
      await state.set("k", 1);
      expect(await state.expire("k", -1, EXPIRE_OPTION.GT)).toBe("0");
      expect(await state.exists("k")).toBe(true);
      expect(await state.expire("k", -1, EXPIRE_OPTION.LT)).toBe("1");
      expect(await state.exists("k")).toBe(false);
      await state.set("k", 1);
      expect(await state.expire("k", 0)).toBe("1");
      expect(await state.get("k")).toBeNull();
      expect(await state.keys()).toEqual([]);
    });

    it("refuses bad times and options", async () => {
      await state.set("k", 1);
      expect(await code(state.expire("k", 1.5))).toBe("NOT_INTEGER");
      expect(await code(state.expire("k", "abc"))).toBe("NOT_INTEGER");
      expect(await code(state.expire("k", MAX))).toBe("BAD_EXPIRE");
      expect(await code(state.expire("k", 5, "BAD" as never))).toBe("SYNTAX");
      expect(await code(state.set("k", 1, { ttl: 0 }))).toBe("BAD_EXPIRE");
      expect(await code(state.set("k", 1, { ttl: Number.NaN }))).toBe("BAD_EXPIRE");
      expect(await code(state.set("k", 1, { ttl: 5, keepTtl: true }))).toBe("SYNTAX");
      expect(await state.ttl("k")).toBe(-1);
    });

    it("is kept by changes, dropped by set, set and kept by its options", async () => {
      await state.set("c", 1, { ttl: 5_000 });
      await state.increment("c", 1);
      expect(await left("c")).toBe(5_000);
      await state.update<number>("c", (n = 0) => n + 1);
      expect(await left("c")).toBe(5_000);
      await state.set("c", 9, { keepTtl: true });
      expect(await left("c")).toBe(5_000);
      await state.set("c", 9);
      expect(await state.ttl("c")).toBe(-1);
      await state.listAppend("l", 1);
      await state.expire("l", 4_000);
      await state.listAppend("l", 2);
      expect(await left("l")).toBe(4_000);
      await state.mapSet("m", { a: "1" });
      await state.expire("m", 30);
      await state.mapDelete("m", ["a"]);
      expect(await state.ttl("m")).toBe(-2);
    });

    it("ends keys", async () => {
      await state.set("k", 1, { ttl: 0.05 });
      await state.mapSet("m", { a: "1" });
      await expect.poll(() => state.get("k")).toBeNull();
      expect(await state.expire("k", 5)).toBe("0");
      expect(await state.increment("k", 1)).toBe("1");
      expect(await state.ttl("k")).toBe(-1);
      expect(await state.keys()).toEqual(["k", "m"]);
    });
  });

  describe("maps", () => {
    it("counts new fields and keeps their order", async () => {
      expect(await state.mapSet("m", { 10: "x", 2: "y", name: "Bob" })).toBe("3");
      expect(await state.mapSet("m", { name: "Alice", age: 3, ok: true })).toBe("2");
      expect(await state.mapGetAll("m")).toEqual({
        2: "y",
        10: "x",
        name: "Alice",
        age: "3",
        ok: "true",
      });
      await state.mapDelete("m", ["2"]);
      await state.mapSet("m", { 2: "z" });
      expect((await state.mapScan("m", "0"))[1].slice(-2)).toEqual(["2", "z"]);
      expect(await state.mapGetValues("m")).toEqual(["x", "Alice", "3", "true", "z"]);
      expect(await state.mapLength("m")).toBe("5");
    });

    it("reads fields, missing ones as null", async () => {
      await state.mapSet("m", { a: "", "": "e" });
      expect(await state.mapGetValue("m", "a")).toBe("");
      expect(await state.mapGetValue("m", "")).toBe("e");
      expect(await state.mapGetValue("m", "x")).toBeNull();
      expect(await state.mapGetMultiple("m", ["", "x", ""])).toEqual(["e", null, "e"]);
      expect(await state.mapGetMultiple("none", ["a", "b"])).toEqual([null, null]);
      expect(await state.mapExists("m", "a")).toBe("1");
      expect(await state.mapExists("m", "x")).toBe("0");
      expect(await state.mapExists("none", "x")).toBe("0");
      expect(await state.mapGetAll("none")).toEqual({});
      expect(await state.mapGetValues("none")).toEqual([]);
      expect(await state.mapLength("none")).toBe("0");
      expect(await state.mapScan("none", "0")).toEqual(["0", []]);
    });

    it("deletes fields, and the key with the last", async () => {
      await state.mapSet("m", { a: "1", b: "2" });
      expect(await state.mapDelete("m", ["a", "x", "a"])).toBe("1");
      expect(await state.mapDelete("m", ["b"])).toBe("1");
      expect(await state.delete("m")).toBe("0");
    });

    it("counts in fields", async () => {
      await state.mapSet("m", { n: "0", bad: "abc", quoted: '"5"', real: "1.5" });
      expect(await state.mapIncrement("m", "n", 1)).toBe("1");
      expect(await state.mapIncrement("m", "fresh", -2)).toBe("-2");
      for (const field of ["bad", "quoted", "real"])
        expect(await code(state.mapIncrement("m", field, 1))).toBe("HASH_NOT_INTEGER");
    });

    it("refuses what it cannot hold, and empty lists of fields", async () => {
      for (const value of [undefined, null, {}, [], Number.NaN, () => 1, "\ud800"])
        expect(await code(state.mapSet("m", { ok: "1", bad: value }))).toBe("NOT_SERIALIZABLE");
      expect(await code(state.mapSet("m", {}))).toBe("ARITY");
      expect(await code(state.mapSet("m", null as never))).toBe("NOT_SERIALIZABLE");
      expect(await code(state.mapGetMultiple("m", []))).toBe("ARITY");
      expect(await code(state.mapDelete("m", []))).toBe("ARITY");
      expect(await code(state.mapDelete("m", "a" as never))).toBe("BAD_KEY");
      expect(await code(state.mapGetValue("m", 1 as never))).toBe("BAD_KEY");
      expect(await state.exists("m")).toBe(false);
    });

    it("scans with patterns", async () => {
      await state.mapSet("m", { name: "1", age: "2", email: "3" });
      const names = async (pattern: string) =>
        (await state.mapScan("m", "0", pattern, 10))[1].filter((_text, at) => at % 2 === 0);
      expect(await names("name*")).toEqual(["name"]);
      expect(await names("n?me")).toEqual(["name"]);
      expect(await names("[ab]*")).toEqual(["age"]);
      expect(await names("[^n]*")).toEqual(["age", "email"]);
      expect(await names("[a-b]ge")).toEqual(["age"]);
      expect(await names(String.raw`nam\e`)).toEqual(["name"]);
      expect(await names("NAME")).toEqual([]);
      expect(await names("")).toEqual([]);
      expect(await names("*[")).toEqual([]);
    });

    it("scans small maps in one page and large ones in several, each field once", async () => {
      const small = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`f${n}`, "v"]));
      await state.mapSet("small", small);
      const [end, items] = await state.mapScan("small", "0", undefined, 10);
      expect([end, items.length]).toEqual(["0", 200]);
      const large = Object.fromEntries(Array.from({ length: 600 }, (_, n) => [`f${n}`, "v"]));
      await state.mapSet("large", large);
      const seen: string[] = [];
      let cursor = "0";
      let pages = 0;
      do {
        const [next, page] = await state.mapScan("large", cursor, undefined, 100);
        seen.push(...page.filter((_text, at) => at % 2 === 0));
        cursor = next;
        pages += 1;
      } while (cursor !== "0");
      expect(pages).toBeGreaterThan(4);
      expect(new Set(seen).size).toBe(600);
      const [more, none] = await state.mapScan("large", "0", "nothing*", 10);
      expect(none).toEqual([]);
      expect(more).not.toBe("0");
    });

    it("refuses bad cursors and counts", async () => {
      await state.mapSet("m", { a: "1" });
      for (const cursor of ["abc", " 1", "1x", "99999999999999999999999", "-"])
        expect(await code(state.mapScan("m", cursor))).toBe("BAD_CURSOR");
      for (const cursor of ["", "-1", "+0"])
        expect(await state.mapScan("m", cursor)).toEqual(["0", ["a", "1"]]);
      for (const count of [0, -1])
        await expect(state.mapScan("m", "0", "*", count)).rejects.toThrow(
          "mapScan: count must be greater than 0",
        );
      expect(await code(state.mapScan("m", "0", "*", 1.5))).toBe("NOT_INTEGER");
    });

    it("are not texts or lists", async () => {
      await state.set("s", 1);
      const calls = [
        state.mapSet("s", { a: "1" }),
        state.mapGetValue("s", "a"),
        state.mapGetMultiple("s", ["a"]),
        state.mapGetAll("s"),
        state.mapGetValues("s"),
        state.mapDelete("s", ["a"]),
        state.mapExists("s", "a"),
        state.mapIncrement("s", "a", 1),
        state.mapLength("s"),
        state.mapScan("s", "0"),
      ];
      for (const call of calls) expect(await code(call)).toBe("WRONGTYPE");
      await state.mapSet("m", { a: "1" });
      expect(await code(state.increment("m", 1))).toBe("WRONGTYPE");
      expect(await code(state.update("m", () => 1))).toBe("WRONGTYPE");
      expect(await state.set("m", 2)).toBe("OK");
      expect(await state.get("m")).toBe(2);
    });
  });

  describe("lists", () => {
    const fill = async (values: readonly unknown[]): Promise<void> => {
      await state.delete("l");
      for (const value of values) await state.listAppend("l", value);
    };
    const all = (): Promise<unknown[]> => state.listRange("l");

    it("grow at both ends", async () => {
      expect(await state.listAppend("l", "a")).toBe("1");
      expect(await state.listAppend("l", { b: [1] })).toBe("2");
      expect(await state.listPrepend("l", null)).toBe("3");
      expect(await all()).toEqual([null, "a", { b: [1] }]);
      expect(await state.listLength("l")).toBe("3");
    });

    it("give ranges and single places", async () => {
      await fill([1, 2, 3, 4, 5, 6, 7]);
      expect(await state.listRange("l", -3, -1)).toEqual([5, 6, 7]);
      expect(await state.listRange("l", -100, 100)).toEqual([1, 2, 3, 4, 5, 6, 7]);
      for (const [start, end] of [
        [100, 200],
        [5, 2],
        [-1, -3],
        [0, -100],
      ] as const)
        expect(await state.listRange("l", start, end)).toEqual([]);
      expect(await state.listRange("none")).toEqual([]);
      expect(await code(state.listRange("l", 1.5, 2))).toBe("NOT_INTEGER");
      const at = (place: number) => state.listIndex("l", place);
      expect([await at(0), await at(-1), await at(100), await at(-100)]).toEqual([
        1,
        7,
        null,
        null,
      ]);
      expect(await state.listIndex("none", 0)).toBeNull();
    });

    it("are set in place", async () => {
      await fill([1, 2]);
      expect(await state.listSet("l", 0, "x")).toBe("OK");
      expect(await state.listSet("l", -1, "y")).toBe("OK");
      expect(await all()).toEqual(["x", "y"]);
      expect(await code(state.listSet("l", 2, 1))).toBe("OUT_OF_RANGE");
      expect(await code(state.listSet("l", -3, 1))).toBe("OUT_OF_RANGE");
      expect(await code(state.listSet("none", 0, 1))).toBe("NO_SUCH_KEY");
    });

    it("give values away", async () => {
      await fill(["a", "b", "c", "D"]);
      expect(await state.listEndPop("l")).toEqual(["D"]);
      expect(await state.listEndPop("l", 2)).toEqual(["c", "b"]);
      expect(await state.listStartPop("l", 0)).toEqual([]);
      expect(await state.listStartPop("l", 5)).toEqual(["a"]);
      expect(await state.exists("l")).toBe(false);
      expect(await state.listStartPop("l")).toEqual([]);
      for (const count of [-1, 1.5, "abc"])
        expect(await code(state.listEndPop("l", count as number))).toBe("NEGATIVE_COUNT");
    });

    it("lose values", async () => {
      await fill(["a", "b", "a", "c", "a", "b", "a"]);
      expect(await state.listRemove("l", "a", 2)).toBe("2");
      expect(await all()).toEqual(["b", "c", "a", "b", "a"]);
      expect(await state.listRemove("l", "a", -1)).toBe("1");
      expect(await all()).toEqual(["b", "c", "a", "b"]);
      expect(await state.listRemove("l", "x")).toBe("0");
      expect(await state.listRemove("none", "x")).toBe("0");
      expect(await state.listRemove("l", "b")).toBe("2");
      expect(await code(state.listRemove("l", "a", 1.5))).toBe("NOT_INTEGER");
      expect(await code(state.listRemove("l", { a: 1 }, 1.5))).toBe("NOT_INTEGER");
      await state.listRemove("l", "a");
      await state.listRemove("l", "c");
      expect(await state.exists("l")).toBe(false);
    });

    it("find values by what they say, whatever the order of keys", async () => {
      await fill([{ a: 1, b: 2 }, { b: 2, a: 1 }, { a: 2, b: 1 }, [1, 2], [2, 1], { a: 1, b: 2 }]);
      expect(await state.listInsert("l", false, { b: 1, a: 2 }, "new")).toBe("7");
      expect(await state.listRemove("l", { b: 2, a: 1 }, -2)).toBe("2");
      expect(await all()).toEqual([{ a: 1, b: 2 }, { a: 2, b: 1 }, "new", [1, 2], [2, 1]]);
      expect(await state.listRemove("l", { b: 2, a: 1 })).toBe("1");
      expect(await state.listInsert("l", true, { b: 2, a: 1 }, 0)).toBe("-1");
      expect(await state.listRemove("none", { a: 1 })).toBe("0");
      expect(await state.listInsert("none", true, { a: 1 }, 1)).toBe("0");
    });

    it("are trimmed", async () => {
      await fill([0, 1, 2, 3, 4]);
      expect(await state.listTrim("l", 1, -2)).toBe("OK");
      expect(await all()).toEqual([1, 2, 3]);
      await state.listTrim("l", -100, -1);
      expect(await all()).toEqual([1, 2, 3]);
      expect(await state.listTrim("l", 5, 10)).toBe("OK");
      expect(await state.exists("l")).toBe(false);
      expect(await state.listTrim("l", 0, 1)).toBe("OK");
      expect(await state.exists("l")).toBe(false);
    });

    it("take values in between", async () => {
      await fill(["a", "b", "a"]);
      expect(await state.listInsert("l", true, "a", "X")).toBe("4");
      expect(await state.listInsert("l", false, "a", "Y")).toBe("5");
      expect(await all()).toEqual(["X", "a", "Y", "b", "a"]);
      expect(await state.listInsert("l", true, "none", "Z")).toBe("-1");
      expect(await state.listInsert("none", true, "a", "Z")).toBe("0");
    });

    it("are not texts or maps", async () => {
      await state.set("s", 1);
      const calls = [
        state.listAppend("s", 1),
        state.listPrepend("s", 1),
        state.listEndPop("s"),
        state.listStartPop("s"),
        state.listRemove("s", 1),
        state.listRemove("s", { a: 1 }),
        state.listTrim("s", 0, 1),
        state.listInsert("s", true, 1, 1),
        state.listInsert("s", true, [1], 1),
        state.listIndex("s", 0),
        state.listSet("s", 0, 1),
        state.listLength("s"),
        state.listRange("s"),
      ];
      for (const call of calls) expect(await code(call)).toBe("WRONGTYPE");
    });
  });
});
