/** Circles of exclusive sections with mutators, transactions and held calls (V1–V4 of the graph). */
import { describe, expect, it } from "vitest";
import { createRuntime, type Runtime } from "../../../src/runtime/runtime.ts";
import type { HeldScope, Scope } from "../../../src/runtime/scope.ts";
import { type Gate, gate, rejection, settled } from "../../support/waiting.ts";

type Counter = { n?: number };
type Work = () => unknown;
type Start = (scope: Scope<Counter>, code: Work, runtime: Runtime) => Promise<unknown>;

const FOREVER = { timeoutMs: Infinity };

const byMutator: Start = (scope, code) =>
  scope.atomicState(async ({ n = 0 }) => {
    await code();
    return { n: n + 1 };
  }, FOREVER);

const bySection: Start = (scope, code) =>
  scope.exclusive(async (held) => {
    await code();
    await held.incState({ n: 1 });
  }, FOREVER);

const byHeldCall: Start = (scope, code) =>
  scope.exclusive((held) => byMutator(held as Scope<Counter>, code, runtimeOfNone), FOREVER);

const byTransaction: Start = (scope, code, runtime) =>
  runtime.transaction(
    [scope],
    async (draft) => {
      await code();
      draft.n = (draft.n ?? 0) + 1;
    },
    FOREVER,
  );

const runtimeOfNone = createRuntime();

const STARTS = { mutator: byMutator, section: bySection, held: byHeldCall, tx: byTransaction };
const NAMES = ["mutator", "section", "held", "tx"] as const;
const PAIRS = NAMES.flatMap((first) => NAMES.map((second) => [first, second] as const));

async function scopesOf(runtime: Runtime, ids: string): Promise<Scope<Counter>[]> {
  return Promise.all(Array.from(ids, (id) => runtime.open<Counter>("user", id)));
}

const plain = (scope: Scope<Counter> | undefined): Promise<unknown> | undefined =>
  scope?.incState({ n: 1 }, FOREVER);

/** Lets everything go on that does not wait for the test. */
const rested = (): Promise<void> => settled(60);

describe("a circle with an exclusive section", () => {
  it.each(PAIRS)("is refused at the call that closes it: %s × %s", async (first, second) => {
    const runtime = createRuntime();
    const [a, b] = await scopesOf(runtime, "ab");
    if (a === undefined || b === undefined) throw new Error("two were opened");
    const gates: Gate[] = [gate(), gate()];
    const one = STARTS[first](a, () => gates[0]?.promise.then(() => plain(b)), runtime);
    const closing = STARTS[second](b, () => gates[1]?.promise.then(() => plain(a)), runtime);
    const refused = rejection(closing, "DEADLOCK");
    await rested();
    gates[0]?.open();
    await rested();
    gates[1]?.open();
    expect((await refused)["chain"]).toEqual(["user/a", "user/b", "user/a"]);
    await one;
    expect([a.state.n, b.state.n]).toEqual([1, 1]);
    await Promise.all([plain(a), plain(b)]);
    await runtime.close();
  });

  it.each(["exclusive", "transaction"] as const)(
    "is refused when the call that closes it waits for a second scope: %s",
    async (how) => {
      const runtime = createRuntime();
      const [a, b] = await scopesOf(runtime, "ab");
      if (a === undefined || b === undefined) throw new Error("two were opened");
      const start = gate();
      const owner = bySection(b, () => start.promise.then(() => plain(a)), runtime);
      await rested();
      // It has a, the first by its key, and waits for b.
      const both =
        how === "exclusive"
          ? runtime.exclusive([b, a], async ([hb, ha]) => {
              await Promise.all([ha.incState({ n: 10 }), hb.incState({ n: 10 })]);
            })
          : runtime.transaction([b, a], (db, da) => {
              db.n = (db.n ?? 0) + 10;
              da.n = (da.n ?? 0) + 10;
            });
      await rested();
      start.open();
      const error = await rejection(owner, "DEADLOCK");
      expect(error["chain"]).toEqual(["user/a", "user/b", "user/a"]);
      await both;
      expect([a.state.n, b.state.n]).toEqual([10, 10]);
      await runtime.close();
    },
  );

  it("through the held scopes of two sections is refused", async () => {
    const runtime = createRuntime();
    const [a, b] = await scopesOf(runtime, "ab");
    if (a === undefined || b === undefined) throw new Error("two were opened");
    const held: HeldScope<Counter>[] = [];
    const [one, two] = [gate(), gate()];
    const first = a.exclusive((mine) => {
      held[0] = mine;
      return mine.atomicState(async () => {
        await one.promise;
        await held[1]?.incState({ n: 1 }, FOREVER);
      });
    });
    const second = b.exclusive((mine) => {
      held[1] = mine;
      return mine.atomicState(async () => {
        await two.promise;
        await held[0]?.incState({ n: 1 }, FOREVER);
      });
    });
    const refused = rejection(second, "DEADLOCK");
    await rested();
    one.open();
    await rested();
    two.open();
    expect((await refused)["chain"]).toEqual(["user/a", "user/b", "user/a"]);
    // Its own section is over, and the other's call ran in its place or came too late.
    await first.catch(() => undefined);
    await runtime.close();
  });

  it("is refused for calls that are not awaited", async () => {
    const runtime = createRuntime();
    const [a, b] = await scopesOf(runtime, "ab");
    if (a === undefined || b === undefined) throw new Error("two were opened");
    const start = gate();
    const closing = byMutator(b, () => start.promise.then(() => plain(a)), runtime);
    const refused = rejection(closing, "DEADLOCK");
    const end = gate();
    const section = a.exclusive(async (held) => {
      // A section waits for its held calls, and this one waits for b.
      void held.atomicState(async () => void (await plain(b)));
      await end.promise;
    });
    await rested();
    start.open();
    expect((await refused)["chain"]).toEqual(["user/a", "user/b", "user/a"]);
    end.open();
    await section;
    expect(b.state.n).toBe(1);
    await runtime.close();
  });

  it("is none in a diamond of waits", async () => {
    const runtime = createRuntime();
    const [a, b, c, d] = await scopesOf(runtime, "abcd");
    if (a === undefined || d === undefined) throw new Error("four were opened");
    const free = gate();
    const last = bySection(d, () => free.promise, runtime);
    await rested();
    const calls = a.exclusive(async (held) => {
      await Promise.all([
        b && bySection(b, () => plain(d), runtime),
        c && byMutator(c, () => plain(d), runtime),
        held.atomicState(async () => void (await plain(d))),
        runtime.exclusive([d], async ([hd]) => hd.incState({ n: 1 })),
      ]);
    });
    await rested();
    free.open();
    await Promise.all([calls, last]);
    expect([b?.state.n, c?.state.n, d.state.n]).toEqual([1, 1, 5]);
    await runtime.close();
  });

  it("of one section with itself is a re-entrant call", async () => {
    const runtime = createRuntime();
    const [a, b] = await scopesOf(runtime, "ab");
    const inner = a?.exclusive((held) =>
      held.atomicState(async () => void (await held.incState({ n: 1 }))),
    );
    const outer = a?.exclusive(() => plain(a));
    const around = a?.exclusive(
      (held) => b && byMutator(b, () => held.incState({ n: 1 }), runtime),
    );
    await rejection(inner ?? settled(), "REENTRANT_MUTATION");
    await rejection(outer ?? settled(), "REENTRANT_MUTATION");
    await around; // A held call by the mutator of another scope waits for nothing.
    expect([a?.state.n, b?.state.n]).toEqual([1, 1]);
    await runtime.close();
  });
});
