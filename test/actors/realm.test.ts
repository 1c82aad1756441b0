/** Values and errors of another realm, in the library's checks and through its stores. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { runInNewContext, runInThisContext } from "node:vm";
import { createRuntime } from "holdfast";
import { fileStore } from "holdfast/file";
import { sqliteStore } from "holdfast/sqlite";
import { describe, expect, it } from "vitest";
import { createTimerWheel } from "../../actors/time/timer-wheel.ts";
import { applyPatches } from "../../actors/state/patches.ts";
import { isAggregateError, isError, isMisuse, isTypeError } from "../../actors/realm.ts";
import { bytesToText, sqliteCode } from "../../src/stores/sqlite/driver.ts";
import { systemCode } from "../../src/stores/file/disk.ts";
import { memoryStore } from "../../src/stores/memory/store.ts";
import { simulatedClock } from "../../src/testing/clock.ts";
import { testDirectory } from "../support/directory.ts";

const dir = testDirectory("realm");

/** One of each kind of value that a state may hold. */
function values(): Record<string, unknown> {
  return {
    record: { a: 1, inner: { b: [] } },
    bare: Object.assign(Object.create(null), { c: 1 }),
    list: [1, [2], { d: 3 }],
    map: new Map<unknown, unknown>([
      ["k", { e: 1 }],
      ["m", new Map([[1, 2]])],
    ]),
    set: new Set(["x", "y"]),
    date: new Date(5),
    bytes: new Uint8Array([1, 2, 3]),
    big: 12n,
  };
}

/** What the text of an expression gives in a realm of its own. */
function foreign(expression: string): unknown {
  return runInNewContext(`(${expression})`);
}

function foreignValues(): Record<string, unknown> {
  return foreign(`(${String(values)})()`) as Record<string, unknown>; // By its own source.
}

const ownError: unknown = Object.create(Error.prototype);
const refusing = new Proxy(
  {},
  {
    getPrototypeOf: () => {
      throw new Error("no");
    },
  },
);

describe("errors", () => {
  it.each([
    ["of this realm", new Error("a")],
    ["of a class", new (class Mine extends Error {})("a")],
    ["by its prototype only", ownError],
    ["of another realm", foreign("new Error('a')")],
    ["of a class of another realm", foreign("new (class Mine extends RangeError {})('a')")],
    ["by its prototype only, of another realm", foreign("Object.create(TypeError.prototype)")],
    ["of the web", new DOMException("a")],
  ])("are one when %s", (_name, error) => {
    expect(isError(error)).toBe(true);
  });

  it.each([undefined, null, "Error", 1, {}, { name: "Error", message: "" }, [], refusing])(
    "are none: %#",
    (value) => {
      for (const check of [isError, isMisuse, isTypeError, isAggregateError])
        expect(check(value)).toBe(false);
    },
  );

  it("are of their class in any realm", () => {
    for (const make of [foreign, (text: string) => runInThisContext(`(${text})`)]) {
      expect(isTypeError(make("new TypeError('a')"))).toBe(true);
      expect(isMisuse(make("new TypeError('a')"))).toBe(true);
      expect(isMisuse(make("new RangeError('a')"))).toBe(true);
      expect(isMisuse(make("new SyntaxError('a')"))).toBe(false);
      expect(isAggregateError(make("new AggregateError([])"))).toBe(true);
      expect(isAggregateError(make("new Error('a')"))).toBe(false);
    }
  });

  it("have their codes in any realm", () => {
    expect(systemCode(foreign("Object.assign(new Error(), { code: 'ENOENT' })"))).toBe("ENOENT");
    expect(sqliteCode(foreign("Object.assign(new Error(), { errcode: 5 })"))).toBe(5);
  });
});

describe("values", () => {
  const texts = ["new Uint8Array([104, 105])", "new Uint8Array([104, 105]).buffer"];
  it.each(texts)("are read as text from %s of another realm", (text) => {
    expect(bytesToText(foreign(text))).toBe("hi");
  });

  it("are patched in collections of another realm", () => {
    const state = foreign("{ map: new Map([['a', { b: 1 }]]), set: new Set([1]) }") as object;
    const next = applyPatches(state, [
      { op: "replace", path: ["map", "a", "b"], value: 2 },
      { op: "add", path: ["set", 1], value: 2 },
    ]);
    expect(next).toEqual({ map: new Map([["a", { b: 2 }]]), set: new Set([1, 2]) });
  });

  it("are promises whose rejections are logged, of another realm too", async () => {
    const clock = simulatedClock();
    const errors: unknown[] = [];
    const logger = { ...console, error: (_text: string, more: unknown) => errors.push(more) };
    const wheel = createTimerWheel(clock, { logger });
    const fail = foreign("async () => { throw 'late' }") as () => Promise<void>;
    wheel.schedule(1, fail);
    await clock.advance(1_000);
    expect(errors).toEqual([{ error: "late" }]);
  });

  const stores = [
    ["memory", memoryStore()],
    ["file", fileStore({ dir: join(dir, "store") })],
    ["sqlite", sqliteStore({ path: join(dir, "store.db") })],
  ] as const;

  it.each(stores)("of another realm are stored and read back by %s", async (_name, store) => {
    const ids = [randomUUID(), randomUUID(), randomUUID()] as const;
    const writer = createRuntime({ store });
    const [whole, patched, drafted] = await Promise.all(
      ids.map((id) => writer.open("session", id)),
    );
    await whole?.setState(foreignValues());
    await patched?.patchState(foreignValues());
    await drafted?.update((draft) => {
      Object.assign(draft, foreignValues());
    });
    await drafted?.update((draft) => {
      const { map, set } = foreignValues();
      draft["map"] = map;
      draft["set"] = set;
    });
    const reader = createRuntime({ store });
    for (const id of ids) {
      const scope = await reader.open("session", id);
      expect(scope.state).toEqual(values());
      const { version } = scope;
      await scope.patchState(foreignValues());
      expect(scope.version).toBe(version);
    }
    await Promise.all([reader.close(), writer.close()]);
  });
});
