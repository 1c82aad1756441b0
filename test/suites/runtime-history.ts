/** The history of a scope: what it keeps, and reading it. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { MutationOptions, StateChange } from "../../actors/protocol.ts";
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

  it("has the meta of each call, of whatever kind, and so has the event", async () => {
    const behind = defineKind<Doc>({ history: 1_000, durability: "checkpoint" });
    const runtime = new World(stores).runtime({ kinds: { ...KINDS, behind } });
    const both = [await open(runtime, "doc"), await open(runtime, "behind")];
    const events: StateChange[] = [];
    runtime.subscribe((change) => events.push(change));
    let calls = 0;
    const check = async (
      scopes: typeof both,
      change: (options: MutationOptions) => Promise<unknown>,
    ) => {
      const meta = { call: (calls += 1) };
      await change({ meta });
      expect(events.splice(0).map((event) => event.meta)).toEqual(scopes.map(() => meta));
      for (const scope of scopes)
        for (const { version, ...entry } of await historyOf(scope, { limit: 1 }))
          expect([version, entry.meta]).toEqual([scope.version, meta]);
    };
    const raise = (drafts: readonly Doc[]): void => {
      for (const draft of drafts) draft.n = (draft.n ?? 0) + 1;
    };
    if (runtime.supports("doc").transactions) {
      await check(both, (options) => runtime.transaction(both, (a, b) => raise([a, b]), options));
      await check(both, (options) => runtime.transact(both, raise, options));
      await check(both, (options) => runtime.transact(both, raise, { ...options, once: "key" }));
    }
    for (const scope of both) {
      await check([scope], (options) => scope.patchState({ n: 7 }, options));
      await check([scope], (options) => scope.atomicState(() => ({ n: 8 }), options));
      await check([scope], (options) => scope.transact((draft) => raise([draft]), options));
      await check([scope], (options) => runtime.transact([scope], raise, options));
      await check([scope], (options) =>
        scope.exclusive((held) => held.incState({ n: 1 }, options)),
      );
      await check([scope], (options) => scope.undo(options));
      await check([scope], (options) => scope.redo(options));
      await check([scope], (options) => scope.rewind(1, options));
      await check([scope], (options) => scope.delete(options));
      await scope.incState({ n: 1 });
      events.length = 0;
      await check([scope], (options) => scope.exclusive((held) => held.delete(options)));
    }
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
