import { expect, it } from "vitest";
import { createTurns, leasedTurn } from "../../../../src/stores/shared/exclusive-lease.ts";
import { rejection } from "../../../support/waiting.ts";
import { handle } from "../../../../src/testing/suite-case.ts";
import { simulatedClock } from "../../../../src/testing/clock.ts";

const renew = async (): Promise<boolean> => true;

it("gives places in the order of arrival", async () => {
  const turns = createTurns(simulatedClock());
  const gate = handle();
  const order: number[] = [];
  const all = [1, 2, 3].map((number) =>
    turns.run("k", 100, async () => {
      await gate.promise;
      order.push(number);
    }),
  );
  gate.resolve();
  await Promise.all(all);
  expect(order).toEqual([1, 2, 3]);
});

it("rejects a wait that takes too long, without running its turn", async () => {
  const clock = simulatedClock();
  const turns = createTurns(clock);
  const gate = handle();
  const first = turns.run("k", 1000, () => gate.promise);
  const second = turns.run("k", 50, () => Promise.reject(new Error("must not run")));
  const outcome = expect(second).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  await clock.advance(60);
  await outcome;
  gate.resolve();
  await first;
  expect(clock.pending).toBe(0);
});

it("hands a late owner's place on, and the late owner cannot free it", async () => {
  const clock = simulatedClock();
  const turns = createTurns(clock);
  const late = handle();
  const next = handle();
  const first = turns.run("k", 100, () => late.promise);
  await clock.advance(50);
  const second = turns.run("k", 100, () => next.promise);
  expect(turns.isStale("k")).toBe(false);
  await clock.advance(60);
  // The second holds the place now: what is committed is in time.
  expect(turns.isStale("k")).toBe(false);
  late.resolve();
  await first;
  const third = turns.run("k", 100, async () => "third");
  await clock.advance(10);
  next.resolve();
  await second;
  expect(await third).toBe("third");
  expect(clock.pending).toBe(0);
});

it("marks commits of a late owner as stale while nobody else has come", async () => {
  const clock = simulatedClock();
  const turns = createTurns(clock);
  const gate = handle();
  const first = turns.run("k", 100, () => gate.promise);
  await clock.advance(100);
  expect(turns.isStale("k")).toBe(true);
  expect(turns.isStale("other")).toBe(false);
  gate.resolve();
  await first;
  expect(turns.isStale("k")).toBe(false);
});

it("does not renew a lease after its turn: the store may be closed", async () => {
  const times = { renewed: 0 };
  const counted = async (): Promise<boolean> => (times.renewed += 1) > 0;
  const clock = simulatedClock();
  const shared = { key: "k", ttlMs: 100, clock, take: renew, release: renew };
  const lease = await leasedTurn({ ...shared, renew: counted }, async (given) => {
    expect(await given.renew()).toBe(true);
    return given;
  });
  expect(await lease.renew()).toBe(false);
  expect(times.renewed).toBe(1);
});

it("gives a lease back after its turn, and after a try to take it that failed", async () => {
  const log: string[] = [];
  const lease = (answer: () => boolean) => ({
    key: "k",
    ttlMs: 100,
    clock: simulatedClock(),
    take: async () => answer(),
    renew,
    release: async () => {
      log.push("released");
      throw new Error("the server is away");
    },
  });
  const turn = async (): Promise<string> => {
    log.push("turn");
    return "done";
  };
  expect(
    await leasedTurn(
      lease(() => true),
      turn,
    ),
  ).toBe("done");
  const failing = (): never => {
    throw new Error("no answer in time");
  };
  await expect(leasedTurn(lease(failing), turn)).rejects.toThrow("no answer in time");
  expect(log).toEqual(["turn", "released", "released"]);
});

it("asks for a lease for its time at most, the time it queued included", async () => {
  const clock = simulatedClock();
  const since = clock.now() - 60;
  let asked = 0;
  const take = async (): Promise<boolean> => {
    asked += 1;
    return false;
  };
  const lease = { key: "k", ttlMs: 100, clock, since, take, renew, release: async () => undefined };
  const work = leasedTurn(lease, () => Promise.reject(new Error("must not run")));
  const outcome = expect(work).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  await clock.advance(60);
  await outcome;
  expect([asked > 1, clock.pending]).toEqual([true, 0]);
});

it.each([3_600_000, -3_600_000])("goes by no time of day: set by %i ms", async (byMs) => {
  const clock = simulatedClock(10_000_000);
  const turns = createTurns(clock);
  const late = handle();
  const first = turns.run("k", 100, () => late.promise);
  clock.setTime(clock.now() + byMs);
  expect(turns.isStale("k")).toBe(false);
  const second = turns.run("k", 1_000, async () => "second");
  await clock.advance(99);
  expect(turns.isStale("k")).toBe(false);
  await clock.advance(2);
  expect(await second).toBe("second");
  late.resolve();
  await first;
});

it.each([3_600_000, -3_600_000])("a lease is waited for as long, set by %i ms", async (byMs) => {
  const clock = simulatedClock(10_000_000);
  let asked = 0;
  const take = async (): Promise<boolean> => {
    asked += 1;
    if (asked === 1) clock.setTime(clock.now() + byMs);
    return asked > 3;
  };
  const release = async (): Promise<void> => undefined;
  const taken = leasedTurn(
    { key: "k", ttlMs: 100, clock, take, renew, release },
    async () => asked,
  );
  await clock.advance(100);
  expect(await taken).toBe(4);
  const never = leasedTurn(
    { key: "k", ttlMs: 100, clock, take: async () => false, renew, release },
    async () => "not run",
  );
  const refused = expect(never).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  clock.setTime(clock.now() - byMs);
  await clock.advance(120);
  await refused;
});

it("keeps a key as long as its lease is renewed, and not longer", async () => {
  const clock = simulatedClock();
  const turns = createTurns(clock);
  const gate = handle();
  const kept: boolean[] = [];
  const first = turns.run("k", 100, async (lease) => {
    for (let step = 0; step < 3; step += 1) {
      await clock.advance(90);
      kept.push(await lease.renew());
    }
    await clock.advance(100);
    kept.push(await lease.renew());
    await gate.promise;
    kept.push(await lease.renew());
  });
  const second = turns.run("k", 100, async () => [...kept], { waitMs: Infinity });
  expect(await second).toEqual([true, true, true]);
  gate.resolve();
  await first;
  expect(kept).toEqual([true, true, true, false, false]);
  expect(clock.pending).toBe(0);
});

it("does not renew a lease that has ended, also when the key is free", async () => {
  const clock = simulatedClock();
  const turns = createTurns(clock);
  const renewed = await turns.run("k", 100, async (lease) => {
    await clock.advance(100);
    return [await lease.renew(), turns.isStale("k")];
  });
  expect(renewed).toEqual([false, true]);
});

it("ends a wait by its signal, in a queue and between attempts", async () => {
  const clock = simulatedClock();
  const turns = createTurns(clock);
  const gate = handle();
  const first = turns.run("k", 100, () => gate.promise);
  const abort = new AbortController();
  const wait = { waitMs: Infinity, signal: abort.signal };
  const never = (): Promise<never> => Promise.reject(new Error("must not run"));
  const queued = rejection(turns.run("k", 100, never, wait));
  const take = async (): Promise<boolean> => false;
  const release = async (): Promise<void> => undefined;
  const polling = rejection(
    leasedTurn({ key: "k", ttlMs: 100, clock, take, renew, release, ...wait }, never),
  );
  await clock.advance(50);
  abort.abort("changed my mind");
  await clock.advance(20);
  expect([await queued, await polling]).toEqual(["changed my mind", "changed my mind"]);
  expect(await rejection(turns.run("k", 100, never, wait))).toBe("changed my mind");
  gate.resolve();
  await first;
  expect(clock.pending).toBe(0);
});
