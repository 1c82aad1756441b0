/** Circles of calls that wait for each other (V1–V4), and the chains they go by (N4). */
import { describe, expect, it } from "vitest";
import type { MutationOptions } from "../../../actors/protocol.ts";
import { living, RunContext, type Holding } from "../../../actors/scope/reentrancy.ts";
import { waitsOf } from "../../../actors/scope/wait-graph.ts";
import { createRuntime, type Runtime } from "../../../src/runtime/runtime.ts";
import { createScope, type Scope } from "../../../src/runtime/scope.ts";
import { tableBridge } from "../../support/table-bridge.ts";
import { gate, rejection, settled } from "../../support/waiting.ts";

type Counter = { n: number };

/** Waits for ever, as far as these tests go: nothing here may be ended by its time. */
const FOREVER: MutationOptions = { timeoutMs: Infinity };

/** Until everything that does not wait for the test has been done. */
async function rested(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await settled();
}

function scopeOf(id: string, persist = tableBridge<Counter>()): Scope<Counter> {
  return createScope<Counter>({ initial: { n: 0 }, identity: { type: "t", id }, persist });
}

function memoryScope(id: string): Scope<Counter> {
  return createScope<Counter>({ initial: { n: 0 }, identity: { type: "t", id } });
}

/** Mutates `scope` by code that waits for `start` and then for what `work` does. */
function during(
  scope: Scope<Counter>,
  start: Promise<unknown>,
  work: () => unknown,
): Promise<boolean> {
  return scope.atomicState(async ({ n }) => {
    await start;
    await work();
    return { n: n + 1 };
  }, FOREVER);
}

const add = (scope: Scope<Counter>): Promise<boolean> => scope.incState({ n: 1 }, FOREVER);

describe.each([
  ["in memory", memoryScope],
  ["with a bridge", scopeOf],
])("a circle of scopes %s", (_, make) => {
  it("of two is refused when it closes, and the other call goes on", async () => {
    const [a, b] = [make("a"), make("b")];
    const [first, second] = [gate(), gate()];
    const one = during(a, first.promise, () => add(b));
    const closing = during(b, second.promise, () => add(a));
    first.open();
    await settled();
    second.open();
    expect(await rejection(closing)).toMatchObject({
      code: "DEADLOCK",
      chain: ["t/a", "t/b", "t/a"],
      scope: a.identity,
    });
    expect(await one).toBe(true);
    expect([a.state.n, b.state.n]).toEqual([1, 1]);
    expect(await Promise.all([add(a), add(b)])).toEqual([true, true]);
  });

  it("of many names all of them, from the scope that was asked for and back", async () => {
    const scopes = ["a", "b", "c", "d", "e"].map((id) => make(id));
    const starts = scopes.map(() => gate());
    const calls = scopes.map((scope, index) =>
      during(scope, starts[index]?.promise ?? settled(), () =>
        add(scopes[(index + 1) % scopes.length] ?? scope),
      ),
    );
    const refused = rejection(calls[4] ?? settled());
    for (const start of starts) {
      start.open();
      await settled();
    }
    expect(await refused).toMatchObject({
      code: "DEADLOCK",
      chain: ["t/a", "t/b", "t/c", "t/d", "t/e", "t/a"],
    });
    expect(await Promise.all(calls.slice(0, 4))).toEqual([true, true, true, true]);
  });

  it("is found through calls within calls", async () => {
    const [a, b, c] = [make("a"), make("b"), make("c")];
    const [start, close] = [gate(), gate()];
    const one = during(a, start.promise, () => during(b, settled(), () => add(c)));
    const closing = during(c, close.promise, () => add(a));
    start.open();
    await rested();
    close.open();
    expect(await rejection(closing)).toMatchObject({
      code: "DEADLOCK",
      chain: ["t/a", "t/b", "t/c", "t/a"],
    });
    expect(await one).toBe(true);
  });

  it("is found when the call that closes it is the inner one of a chain", async () => {
    const [a, b, c] = [make("a"), make("b"), make("c")];
    const [start, close] = [gate(), gate()];
    const one = during(c, start.promise, () => add(a));
    const outer = during(a, close.promise, () => during(b, settled(), () => add(c)));
    start.open();
    await settled();
    close.open();
    expect(await rejection(outer)).toMatchObject({
      code: "DEADLOCK",
      chain: ["t/c", "t/a", "t/b", "t/c"],
      scope: c.identity,
    });
    expect(await one).toBe(true);
  });

  it("counts calls that nobody awaits", async () => {
    const [a, b] = [make("a"), make("b")];
    const [first, second, end] = [gate(), gate(), gate()];
    let left: Promise<boolean> | undefined;
    const one = during(a, first.promise, () => {
      left = add(b);
      return end.promise;
    });
    let refused: Promise<unknown> | undefined;
    const two = during(b, second.promise, () => {
      refused = rejection(add(a));
    });
    first.open();
    await settled();
    second.open();
    expect(await two).toBe(true);
    expect(await refused).toMatchObject({ code: "DEADLOCK" });
    end.open();
    expect([await one, await left]).toEqual([true, true]);
  });
});

describe("what is no circle", () => {
  it("a call from outside every mutator", async () => {
    const [a, b] = [memoryScope("a"), memoryScope("b")];
    const end = gate();
    const one = during(a, settled(), () => add(b));
    const two = during(b, end.promise, () => undefined);
    await settled();
    const outside = [add(a), add(b), a.delete(FOREVER)];
    end.open();
    expect(await Promise.all([one, two, ...outside])).toEqual([true, true, true, true, true]);
  });

  it("a call of a mutator that has ended, or has left", async () => {
    const [a, b] = [memoryScope("a"), memoryScope("b")];
    const [end, go] = [gate(), gate()];
    const two = during(b, go.promise, () => add(a));
    await during(a, settled(), () => void add(b).catch(() => undefined));
    const abort = new AbortController();
    const left = a.atomicState(() => add(b).then(() => undefined), {
      ...FOREVER,
      signal: abort.signal,
    });
    await settled();
    abort.abort(new Error("enough"));
    await rejection(left);
    go.open();
    end.open();
    expect(await two).toBe(true);
  });

  it("a call that left the mailbox it waited in", async () => {
    const [a, b] = [memoryScope("a"), memoryScope("b")];
    const [start, close] = [gate(), gate()];
    const abort = new AbortController();
    const one = during(a, start.promise, async () => {
      await rejection(b.incState({ n: 1 }, { ...FOREVER, signal: abort.signal }));
      await close.promise;
    });
    const two = during(b, close.promise, () => undefined);
    start.open();
    await settled();
    expect(waitsOf(a)).toBe(1);
    abort.abort(new Error("enough"));
    expect(waitsOf(a)).toBe(0);
    const three = b.atomicState(async () => {
      await add(a);
    }, FOREVER);
    close.open();
    expect(await Promise.all([one, two, three])).toEqual([true, true, false]);
  });

  it("a call that was applied and waits for its save beside a slow mutator (V3)", async () => {
    const bridge = tableBridge<Counter>();
    const save = gate();
    bridge.plan = () => save.promise.then(() => undefined);
    const [a, b] = [memoryScope("a"), scopeOf("b", bridge)];
    const applied = gate();
    const one = a.atomicState(async ({ n }) => {
      const call = add(b);
      applied.open();
      await call;
      return { n: n + 1 };
    }, FOREVER);
    await applied.promise;
    const two = during(b, settled(), () => add(a));
    await rested();
    save.open();
    expect(await Promise.all([one, two])).toEqual([true, true]);
  });

  it("keeps nothing of calls that are answered", async () => {
    const [a, b] = [memoryScope("a"), scopeOf("b")];
    await during(a, settled(), () => Promise.all([add(b), during(b, settled(), settled)]));
    expect([waitsOf(a), waitsOf(b)]).toEqual([0, 0]);
  });
});

describe("a round that is run again", () => {
  it("closes a circle with a call that waits behind it", async () => {
    const bridge = tableBridge<Counter>();
    const [a, b] = [memoryScope("a"), scopeOf("b", bridge)];
    const save = gate();
    bridge.plan = async (_save, count) => {
      if (count === 1) {
        await save.promise;
        bridge.write({ n: 10 });
      }
      return undefined;
    };
    const runs: unknown[] = [];
    const again = b.atomicState(async ({ n }, { attempt }) => {
      if (attempt > 1) runs.push(await rejection(add(a)));
      return { n: n + 1 };
    }, FOREVER);
    await settled();
    const one = during(a, settled(), () => add(b));
    await rested();
    save.open();
    expect(await Promise.all([again, one])).toEqual([true, true]);
    expect(runs).toMatchObject([{ code: "DEADLOCK", chain: ["t/a", "t/b", "t/a"] }]);
  });

  it("closes one with a call that is part of it (V3)", async () => {
    const bridge = tableBridge<Counter>();
    const [a, b] = [memoryScope("a"), scopeOf("b", bridge)];
    bridge.plan = (_save, count) => {
      if (count === 1) bridge.write({ n: 10 });
      return undefined;
    };
    const runs: unknown[] = [];
    const again = b.atomicState(({ n }, { attempt }) => {
      const next = { n: n + 1 };
      if (attempt === 1) return next;
      return rejection(add(a)).then((error) => (runs.push(error), next));
    }, FOREVER);
    const one = a.atomicState(() => add(b).then(() => ({ n: 1 })), FOREVER);
    expect(await Promise.all([again, one])).toEqual([true, true]);
    expect(runs).toMatchObject([{ code: "DEADLOCK", chain: ["t/a", "t/b", "t/a"] }]);
    expect(b.state.n).toBe(12);
  });
});

async function open(runtime: Runtime, ...ids: string[]): Promise<Scope<Counter>[]> {
  const scopes = await Promise.all(ids.map((id) => runtime.open<Counter>("user", id)));
  await Promise.all(scopes.map((scope) => scope.setState({ n: 0 })));
  return scopes;
}

describe("transactions", () => {
  it("close circles with mutators, whichever comes last", async () => {
    await using runtime = createRuntime();
    const [a, b] = await open(runtime, "a", "b");
    if (a === undefined || b === undefined) throw new Error("two scopes");
    const [start, close] = [gate(), gate()];
    // It holds a and waits for b, whose mutator asks for a.
    const mutator = during(b, close.promise, () => add(a));
    const both = runtime.transaction([a, b], (x, y) => ((x.n += 10), void (y.n += 10)), FOREVER);
    await settled();
    close.open();
    expect(await rejection(mutator)).toMatchObject({
      code: "DEADLOCK",
      chain: ["user/a", "user/b", "user/a"],
    });
    expect(await both).toBe(true);
    // The mutator asks for a and waits; the transaction gets a and asks for b.
    const slow = during(a, start.promise, () => undefined);
    const late = runtime.transaction([a, b], () => undefined, FOREVER);
    const waiting = during(b, settled(), () => add(a));
    await rested();
    start.open();
    expect(await slow).toBe(true);
    expect(await rejection(late)).toMatchObject({
      code: "DEADLOCK",
      chain: ["user/b", "user/a", "user/b"],
    });
    expect(await waiting).toBe(true);
  });

  it("close circles with each other through calls of their recipes", async () => {
    await using runtime = createRuntime();
    await using other = createRuntime();
    const [a, b, c] = await open(runtime, "a", "b", "c");
    const [d] = await open(other, "a");
    if (a === undefined || b === undefined || c === undefined || d === undefined)
      throw new Error("four scopes");
    const [start, close] = [gate(), gate()];
    const one = runtime.transaction(
      [a, b],
      async (x) => {
        await start.promise;
        await other.transaction([d], async (y) => {
          await add(c);
          y.n = 5;
        });
        x.n = 5;
      },
      FOREVER,
    );
    const two = runtime.transaction(
      [c],
      async () => {
        await close.promise;
        await add(b); // Held together with a.
      },
      FOREVER,
    );
    start.open();
    await rested();
    close.open();
    expect(await rejection(two)).toMatchObject({ code: "DEADLOCK" });
    expect(await one).toBe(true);
    expect([a.state.n, b.state.n, c.state.n, d.state.n]).toEqual([5, 0, 1, 5]);
  });

  it("do not wait for each other in the order of keys", async () => {
    await using runtime = createRuntime();
    const [a, b] = await open(runtime, "a", "b");
    if (a === undefined || b === undefined) throw new Error("two scopes");
    const calls = Array.from({ length: 20 }, (_, index) =>
      runtime.transaction(
        index % 2 === 0 ? [a, b] : [b, a],
        async (x, y) => {
          await settled();
          x.n += 1;
          y.n += 1;
        },
        FOREVER,
      ),
    );
    expect(await Promise.all(calls)).toEqual(calls.map(() => true));
    expect([a.state.n, b.state.n]).toEqual([20, 20]);
  });
});

/** How many holdings a chain has, dead or alive. */
function lengthOf(chain: Holding | undefined): number {
  let length = 0;
  for (let each = chain; each !== undefined; each = each.outer) length += 1;
  return length;
}

describe("the chain of holdings (N4)", () => {
  it("does not grow with a loop that is restarted from inside a mutator", async () => {
    const lengths: number[] = [];
    const [a, b] = [memoryScope("a"), memoryScope("b")];
    let last: Promise<unknown> = Promise.resolve();
    const loop = (left: number): Promise<unknown> =>
      (left % 2 === 0 ? a : b).atomicState(({ n }, turn) => {
        // A turn is what knows the chain it runs on.
        lengths.push(lengthOf((turn as RunContext).chain));
        if (left > 0) last = settled().then(() => loop(left - 1));
        return { n: n + 1 };
      }, FOREVER);
    await loop(200);
    for (let seen; seen !== last;) {
      seen = last;
      await seen;
    }
    expect(lengths).toHaveLength(201);
    expect(Math.max(...lengths)).toBeLessThanOrEqual(2);
    expect(a.state.n + b.state.n).toBe(201);
  });

  it("unlinks the dead between the living", () => {
    const [outer, middle, inner] = [new RunContext(1), new RunContext(1), new RunContext(1)];
    const identity = { type: "t", id: "x" };
    outer.run({ identity }, () =>
      middle.run({ identity }, () => {
        middle.end();
        inner.run({ identity }, () => undefined);
      }),
    );
    expect(lengthOf(inner.chain)).toBe(2);
    expect(living(inner.chain)).toBe(inner.chain);
    inner.end();
    expect(living(inner.chain)).toBe(outer.chain);
  });
});
