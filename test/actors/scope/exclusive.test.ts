/** The kernel's exclusive sections: revocation beside a save, leases that end, bridges put back. */
import { describe, expect, it } from "vitest";
import { ExclusiveSection } from "../../../actors/scope/exclusive.ts";
import { TimeLimit } from "../../../actors/scope/time-limit.ts";
import type { ExclusiveLease } from "../../../actors/protocol.ts";
import { createScope, type StateScope } from "../../../src/runtime/scope.ts";
import { simulatedClock } from "../../../src/testing/clock.ts";
import { SetMutation } from "../../../src/runtime/state-ops.ts";
import { tableBridge, type TableBridge } from "../../support/table-bridge.ts";
import { gate, rejection, settled } from "../../support/waiting.ts";

type Counter = { n: number };

const clock = simulatedClock();

function scopeOf(persist: TableBridge<Counter> = tableBridge()): StateScope<Counter> {
  const settings = { initial: { n: 0 }, clock, mutationTimeoutMs: Infinity };
  const scope = createScope<Counter>({ ...settings, persist });
  return scope as StateScope<Counter>; // What createScope makes.
}

function sectionOf(...scopes: StateScope<Counter>[]): Promise<ExclusiveSection> {
  const parts = { signal: undefined, clock, timeoutMs: Infinity, scope: undefined };
  const limit = new TimeLimit({ ...parts, phase: "queued" });
  return new ExclusiveSection(scopes).acquireWithin(limit, true);
}

/** A bridge whose lease is renewed by the test. */
function leasedBridge(renew: () => Promise<boolean>, ttlMs = 300): TableBridge<Counter> {
  return Object.assign(tableBridge<Counter>(), {
    exclusive: <T>(work: (lease?: ExclusiveLease) => Promise<T>) => work({ ttlMs, renew }),
  });
}

describe("a revoked section", () => {
  it("K5 releases a scope only after the save of its held calls", async () => {
    const saving = gate();
    const bridge = tableBridge<Counter>();
    bridge.plan = ({ next }) => (next?.n === 1 ? saving.promise.then(() => undefined) : undefined);
    const [a, b] = [scopeOf(bridge), scopeOf()];
    const section = await sectionOf(a, b);
    const held = section.calls[0]?.submit(new SetMutation(a.identity, { n: 1 }));
    await settled();
    const waiting = a.incState({ n: 10 });
    await b.stop();
    await rejection(section.revoked, "SCOPE_STOPPED");
    const late = section.calls[0]?.submit(new SetMutation(a.identity, { n: 5 }));
    await rejection(late ?? settled(), "EXCLUSIVE_LOST");
    const finished = section.finish();
    await settled();
    expect(bridge.saves.map(({ next }) => next)).toEqual([{ n: 1 }]);
    saving.open();
    await Promise.all([held, finished]);
    expect(await waiting).toBe(true);
    expect(bridge.saves.map(({ next }) => next)).toEqual([{ n: 1 }, { n: 11 }]);
    expect([a.state.n, a.version]).toEqual([11, 2]);
  });
});

describe("the lease of a section", () => {
  it("L4 is lost when the store stays silent for its time, and the section ends then", async () => {
    const renewal = gate<boolean>();
    const scope = scopeOf(leasedBridge(() => renewal.promise));
    const lost = scope.exclusive(async (held, { signal }) => {
      expect(await held.incState({ n: 1 })).toBe(true);
      await clock.advance(400);
      expect(signal.aborted).toBe(true);
      await rejection(held.incState({ n: 1 }), "EXCLUSIVE_LOST");
      // A section inside it has the same lease.
      await rejection(
        held.exclusive((inner) => inner.incState({ n: 1 })),
        "EXCLUSIVE_LOST",
      );
      return "over";
    });
    expect(await lost).toBe("over");
    expect(clock.pending).toBe(0);
    renewal.open(true);
    await settled();
    expect(clock.pending).toBe(0);
    expect(await scope.incState({ n: 1 })).toBe(true);
    expect(scope.state.n).toBe(2);
  });

  it("K5 of a section that timed out ends before calls of others run", async () => {
    const reading = gate();
    const bridge = leasedBridge(() => Promise.resolve(false));
    const scope = scopeOf(bridge);
    await scope.incState({ n: 1 });
    bridge.load = () => reading.promise.then(() => bridge.stored);
    const section = rejection(
      scope.exclusive(() => undefined, { timeoutMs: 200 }),
      "SCOPE_MUTATION_TIMEOUT",
    );
    await clock.advance(150); // The lease is lost by now.
    const waiting = scope.incState({ n: 10 });
    await clock.advance(100);
    await section;
    await settled();
    expect(bridge.saves).toHaveLength(1);
    reading.open();
    expect(await waiting).toBe(true);
    expect(await scope.exclusive((held) => held.incState({ n: 100 }))).toBe(true);
    expect([scope.state.n, clock.pending]).toEqual([111, 0]);
  });

  it("aborts the signal of a section inside it, too", async () => {
    const scope = scopeOf(leasedBridge(() => Promise.resolve(false)));
    await scope.exclusive((held) =>
      held.exclusive(async (_, { signal }) => {
        await clock.advance(150);
        expect(signal.aborted).toBe(true);
      }),
    );
    expect(clock.pending).toBe(0);
  });

  it("L3 gives the scope its own bridge back and leaves no timer", async () => {
    const bridge = leasedBridge(() => Promise.resolve(true));
    const scope = scopeOf(bridge);
    const own = scope.bridge;
    await Promise.all(
      [1, 2, 3].map(() =>
        scope.exclusive(async (held) => {
          expect(scope.bridge).not.toBe(own);
          await clock.advance(1_000); // Renewed all the time.
          await held.incState({ n: 1 });
        }),
      ),
    );
    expect(scope.bridge).toBe(own);
    expect([scope.state.n, clock.pending]).toEqual([3, 0]);
  });
});
