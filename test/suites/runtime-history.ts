/** The history of a scope: what it keeps, and reading it. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { defineKind, type KindOptions } from "../../src/runtime/kinds.ts";
import { simulatedClock } from "../../src/testing/clock.ts";
import { act, count, type Doc, historyOf, KINDS, open, versionsOf } from "../support/history.ts";
import { rejection } from "../support/waiting.ts";
import { World, type RuntimeStores } from "./runtime-world.ts";

function pastCases(stores: RuntimeStores): void {
  it("gives every state at its version and time, whoever wrote, together or alone", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(act, fc.nat({ max: 1 }), fc.boolean()), { maxLength: 40 }),
        async (steps) => {
          const world = new World(stores);
          const runtimes = world.pair({ kinds: KINDS });
          const scopes = await Promise.all(runtimes.map((each) => open(each, "doc")));
          const seen = new Map<number, unknown>([[0, {}]]);
          for (const [step, at, isAlone] of steps) {
            const scope = scopes[at];
            if (scope === undefined) continue;
            const calls = isAlone ? [step(scope)] : [step(scope), scope.incState({ n: 1 })];
            await Promise.allSettled(calls);
            await scope.read();
            seen.set(scope.version, scope.state);
          }
          const [reader] = scopes;
          if (reader === undefined) return;
          await reader.read();
          const { version } = reader;
          for (const [at, state] of seen) {
            const found = await reader.at(at);
            expect(found.version).toBe(at);
            expect(found.state).toStrictEqual(state);
          }
          const versions = await versionsOf(reader);
          expect(versions).toEqual(Array.from({ length: version }, (_, at) => version - at));
          for (const runtime of runtimes) await runtime.close();
        },
      ),
      { numRuns: 15 },
    );
  });

  it("has one entry for each version, also of one save, with what its event has", async () => {
    const scope = await open(new World(stores).runtime({ kinds: KINDS }), "doc");
    const events: unknown[] = [];
    scope.subscribe(({ version, operation, patches, inversePatches, meta }) =>
      events.push({ version, operation, patches, inversePatches, ...(meta && { meta }) }),
    );
    const meta = { by: "ann" };
    await Promise.all([
      scope.incState({ n: 1 }, { meta }),
      scope.patchState({ n: 1 }),
      scope.pushState("list", 1),
      scope.setState({ text: "x" }),
    ]);
    const entries = await historyOf(scope);
    expect(entries.toReversed().map(({ timestamp, ...entry }) => timestamp > 0 && entry)).toEqual(
      events,
    );
    expect(await versionsOf(scope, { before: 3 })).toEqual([2, 1]);
    expect(await versionsOf(scope, { after: 1, limit: 1 })).toEqual([3]);
  });

  it("keeps exactly the last changes, and says which state is the oldest", async () => {
    const scope = await open(new World(stores).runtime({ kinds: KINDS }), "few");
    await count(scope, 10);
    expect(await versionsOf(scope)).toEqual([10, 9, 8]);
    expect(await scope.at(8)).toMatchObject({ version: 8, state: { n: 8 } });
    expect(await rejection(scope.at(7))).toMatchObject({ code: "HISTORY_GONE", oldest: 8 });
    const day = new Date(86_400_000);
    expect(await rejection(scope.at(day))).toMatchObject({ code: "HISTORY_GONE", oldest: 8 });
    expect(await scope.undo()).toBe(true);
    expect(await scope.undo()).toBe(true);
    expect(scope.state).toEqual({ n: 8 });
  });

  it("finds the last change of a millisecond", async () => {
    const clock = simulatedClock(1_000_000);
    const scope = await open(new World(stores, clock).runtime({ kinds: KINDS }), "doc");
    await count(scope, 2);
    await clock.advance(5);
    await scope.incState({ n: 1 });
    await clock.advance(5);
    expect(await scope.at(new Date(999_999))).toMatchObject({ version: 0, state: {} });
    expect(await scope.at(new Date(1_000_000))).toMatchObject({ version: 2, timestamp: 1_000_000 });
    expect(await scope.at(new Date(1_000_004))).toMatchObject({ version: 2 });
    expect(await scope.at(new Date(1_000_005))).toMatchObject({ version: 3 });
    for (const bad of [new Date(1_000_011), new Date(Number.NaN), new Date(-1), 4, -1, 0.5])
      expect(await rejection(scope.at(bad))).toBeInstanceOf(RangeError);
    expect(await rejection(scope.rewind(4))).toBeInstanceOf(RangeError);
  });

  it("reads many states of a long history from the states in it", async () => {
    const scope = await open(new World(stores).runtime({ kinds: KINDS }), "doc");
    await Promise.all(Array.from({ length: 700 }, () => scope.incState({ n: 1 })));
    for (const version of [1, 127, 128, 129, 256, 383, 384, 500, 699, 700])
      expect((await scope.at(version)).state).toEqual({ n: version });
  });

  it("without a history reads only the present state", async () => {
    const scope = await open(new World(stores).runtime({ kinds: KINDS }), "plain");
    await count(scope, 2);
    expect(await scope.at(2)).toMatchObject({ version: 2, state: { n: 2 } });
    expect(await rejection(scope.at(1))).toMatchObject({ code: "HISTORY_GONE", oldest: 2 });
    expect(await historyOf(scope)).toEqual([]);
    expect([await scope.undo(), await scope.redo(), await scope.rewind(2)]).toEqual(
      Array.from({ length: 3 }, () => false),
    );
  });

  it("ends with a delete, and begins anew after it", async () => {
    const scope = await open(new World(stores).runtime({ kinds: KINDS }), "doc");
    await count(scope, 3);
    await scope.delete();
    expect(await historyOf(scope)).toEqual([]);
    expect(await rejection(scope.at(2))).toMatchObject({ code: "HISTORY_GONE" });
    expect(await scope.undo()).toBe(false);
    await scope.incState({ n: 1 });
    expect(await versionsOf(scope)).toEqual([5]);
    expect(await rejection(scope.at(2))).toMatchObject({ code: "HISTORY_GONE", oldest: 5 });
  });

  it("of a fork begins at the fork, whose state may be any of the past", async () => {
    const runtime = new World(stores).runtime({ kinds: KINDS });
    const scope = await open(runtime, "doc");
    await count(scope, 3);
    const fork = await runtime.fork(scope, "fork", { at: 2 });
    expect(fork.state).toEqual({ n: 2 });
    expect(await versionsOf(fork)).toEqual([1]);
    expect((await runtime.fork(scope, "new", { at: 0 })).state).toEqual({});
    expect(await fork.undo()).toBe(true);
    expect(fork.state).toEqual({});
    expect(await rejection(runtime.fork(scope, "late", { at: 9 }))).toBeInstanceOf(RangeError);
  });

  it("takes part in transactions and exclusive sections", async () => {
    const runtime = new World(stores).runtime({ kinds: KINDS });
    const [one, two] = [await open(runtime, "doc", "one"), await open(runtime, "doc", "two")];
    if (runtime.supports("doc").transactions)
      await runtime.transaction([one, two], (a: Doc, b: Doc) => {
        a.n = 1;
        b.n = 2;
      });
    else await Promise.all([one.setState({ n: 1 }), two.setState({ n: 2 })]);
    await one.exclusive(async (held) => {
      await held.incState({ n: 1 });
      await held.incState({ n: 1 });
      expect(await held.undo()).toBe(true);
      expect((await held.at(1)).state).toEqual({ n: 1 });
    });
    expect(one.state).toEqual({ n: 2 });
    expect(await versionsOf(one)).toEqual([4, 3, 2, 1]);
    expect((await two.at(1)).state).toEqual({ n: 2 });
  });
}

const BAD: readonly KindOptions["history"][] = [
  -1,
  1.5,
  Number.NaN,
  { versions: 0 },
  { days: -1 },
  { bytes: 0.5 },
];

/** Claims about histories. */
export function historyCases(stores: RuntimeStores): void {
  describe("a history", () => {
    pastCases(stores);

    it("is refused with bad limits, and where it cannot be kept", () => {
      for (const history of BAD) expect(() => defineKind({ history })).toThrow(RangeError);
      const unknown = { version: 3 } as unknown as KindOptions["history"];
      expect(() => defineKind({ history: unknown })).toThrow(TypeError);
      const kinds = { live: defineKind({ durability: "volatile", history: 3 }) };
      expect(() => new World(stores).runtime({ kinds })).toThrow(TypeError);
      const world = new World(stores);
      const { supports, ...store } = world.store();
      const less = { ...store, supports: { ...supports, history: false } };
      expect(() => world.runtime({ store: less, kinds: KINDS })).toThrow(TypeError);
    });
  });
}
