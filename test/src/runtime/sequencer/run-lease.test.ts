/** When the lease of another owner is over (E1 to E3 of run-lease.ts, L1 of run.ts). */
import { describe, expect, it } from "vitest";
import type { Clock, Json } from "../../../../actors/protocol.ts";
import { systemClock } from "../../../../actors/time/clock.ts";
import {
  defineSequencer,
  memoryStore,
  step,
  type Sequencer,
  type StateStore,
} from "../../../../src/index.ts";
import { thisProcess } from "../../../../src/stores/shared/process-identity.ts";
import { simulatedClock } from "../../../../src/testing.ts";
import { openStore } from "../../../faults/open-store.ts";
import { testDirectory } from "../../../support/directory.ts";
import { onServer } from "../../../support/places.ts";
import { memoryView, runtimeOn } from "../../../support/sequencer.ts";
import { gate } from "../../../support/waiting.ts";

const LEASE_MS = 900;
const SKEW_MS = 60_000;
const KEY = "holdfast/sequencer/r";
/** No process has this id: Linux gives none above 2 ** 22. */
const NO_PID = 2 ** 22 + 1;

/** Holders whose process id says nothing here. */
const FOREIGN = [
  ["of another boot under the same host name", { boot: "0d0b4f6c-7f0e-4c8f-9b3d-2f6f2f7f8a11" }],
  ["of another pid namespace", { space: "pid:[1]" }],
  ["written by an earlier release", { boot: undefined, space: undefined, instance: undefined }],
  ["of a system that does not say", { boot: "", space: "", start: "" }],
] as const;

const suspending = defineSequencer({
  name: "s",
  leaseMs: LEASE_MS,
  steps: [step("a", (ctx) => ctx.suspend("go")), step("b", () => "done")],
});

/** Leaves the record of a run in `store` that another owner executes. */
async function runOfAnother(
  store: StateStore,
  owner: object,
  lease: { readonly until: number },
): Promise<void> {
  const runtime = runtimeOn({ ...memoryView(store), close: () => Promise.resolve() });
  await runtime.run(suspending, { runId: "r" }).result;
  await runtime.close();
  await change(store, {
    status: "running",
    suspension: null,
    answers: [1],
    lease: {
      owner: { ...thisProcess(), instance: "another", ...owner },
      runtime: "x",
      leaseMs: LEASE_MS,
      ...lease,
    },
  });
}

/** Changes the stored record, as its holder does. */
async function change(store: StateStore, fields: object): Promise<void> {
  const [record] = await store.load([KEY]);
  const version = record?.version ?? 0;
  const state = JSON.parse(JSON.stringify({ ...Object(record?.state), ...fields })) as Json;
  await store.commit([{ key: KEY, expectedVersion: version, version: version + 1, state }]);
}

describe("a lease of an owner of which nothing can be known", () => {
  it.each(FOREIGN)("%s is kept until its time is over, and then watched (E3)", async (_, owner) => {
    const clock = simulatedClock(1_000_000);
    const store = memoryStore({ clock });
    await runOfAnother(store, { pid: NO_PID, ...owner }, { until: clock.now() + LEASE_MS });
    const runtime = runtimeOn(store, { clock });
    const refused = { code: "RUN_LEASED", holder: expect.stringContaining(`process ${NO_PID}`) };
    await expect(runtime.resume(suspending, "r")).rejects.toMatchObject(refused);
    await clock.advance(LEASE_MS);
    expect(await runtime.resume(suspending, "r")).toMatchObject({ output: "done" });
    await runtime.close();
  });

  it("that is renewed while it is watched is refused, whatever the clocks say", async () => {
    const clock = simulatedClock(1_000_000);
    const store = memoryStore({ clock });
    const until = clock.now() - SKEW_MS + 1_000;
    await runOfAnother(store, { space: "pid:[1]" }, { until });
    const runtime = runtimeOn(store, { clock });
    const resumed = runtime.resume(suspending, "r");
    const refused = expect(resumed).rejects.toMatchObject({ code: "RUN_LEASED" });
    await clock.advance(LEASE_MS / 2);
    await change(store, {});
    await clock.advance(LEASE_MS / 2);
    await refused;
    await runtime.close();
  });

  it("is over at once when more has passed than clocks may differ (E1)", async () => {
    const clock = simulatedClock(1_000_000);
    const store = memoryStore({ clock });
    await runOfAnother(store, { space: "pid:[1]" }, { until: clock.now() - SKEW_MS });
    const runtime = runtimeOn(store, { clock });
    expect(await runtime.resume(suspending, "r")).toMatchObject({ output: "done" });
    await runtime.close();
  });

  it("is over for who found it unchanged for its duration, in the far future too (E2)", async () => {
    const clock = simulatedClock(1_000_000);
    const store = memoryStore({ clock });
    await runOfAnother(store, { space: "pid:[1]" }, { until: clock.now() + 3_600_000 });
    const runtime = runtimeOn(store, { clock });
    const refused = { code: "RUN_LEASED" };
    await expect(runtime.resume(suspending, "r")).rejects.toMatchObject(refused);
    await clock.advance(LEASE_MS - 1);
    await change(store, {});
    await expect(runtime.resume(suspending, "r")).rejects.toMatchObject(refused);
    await clock.advance(LEASE_MS - 1);
    await expect(runtime.resume(suspending, "r")).rejects.toMatchObject(refused);
    await clock.advance(1);
    expect(await runtime.resume(suspending, "r")).toMatchObject({ output: "done" });
    await runtime.close();
  });

  it("is left alone by a runtime that closes while it watches", async () => {
    const clock = simulatedClock(1_000_000);
    const store = memoryStore({ clock });
    await runOfAnother(store, { space: "pid:[1]" }, { until: clock.now() });
    const runtime = runtimeOn(store, { clock });
    const stopped = expect(runtime.resume(suspending, "r")).rejects.toMatchObject({
      code: "SCOPE_STOPPED",
    });
    await clock.advance(LEASE_MS / 2);
    await runtime.close();
    await clock.advance(LEASE_MS);
    await stopped;
  });
});

it("a lease of a process that is gone on this boot is over at once (O2)", async () => {
  const store = memoryStore();
  await runOfAnother(store, { pid: NO_PID }, { until: Date.now() + 3_600_000 });
  const runtime = runtimeOn(store);
  expect(await runtime.resume(suspending, "r")).toMatchObject({ output: "done" });
  await runtime.close();
});

/** Time that a process does not notice: no timer fires. */
function frozenClock(): Clock & { passedMs: number } {
  const clock = {
    passedMs: 0,
    now: () => 1_000_000,
    monotonic: () => clock.passedMs,
    setTimeout: () => 0,
    clearTimeout: () => undefined,
  };
  return clock;
}

describe("a holder that stood still for longer than its lease (L1)", () => {
  it.each(["runOnce", "the next step"])("does not begin %s", async (where) => {
    const store = memoryStore();
    const clock = frozenClock();
    const late: Clock = { ...systemClock, now: () => clock.now() + LEASE_MS + SKEW_MS };
    const [one, two] = [runtimeOn(store, { clock }), runtimeOn(store, { clock: late })];
    const first = gate();
    let starts = 0;
    let effects = 0;
    const effect = (): number => (effects += 1);
    const sequence: Sequencer = defineSequencer({
      name: "s",
      leaseMs: LEASE_MS,
      steps: [
        step("a", async (ctx) => {
          starts += 1;
          if (starts === 1) await first.promise;
          return where === "runOnce" ? ctx.runOnce("x", effect) : "A";
        }),
        step("b", () => (where === "runOnce" ? "B" : effect())),
      ],
    });
    const run = one.run(sequence, { runId: "r" });
    const lost = expect(run.result).rejects.toMatchObject({ code: "RUN_LEASED" });
    await expect.poll(() => store.load([KEY])).toMatchObject([{ state: { status: "running" } }]);
    expect(await two.resume(sequence, "r")).toMatchObject({ status: "completed" });
    clock.passedMs = LEASE_MS;
    first.open();
    await lost;
    expect(effects).toBe(1);
    await Promise.allSettled([one.close(), two.close()]);
  });
});

/** The holder's and the reader's clock are so far apart; either may be ahead. */
function skewed(kind: string, place: () => string): void {
  it.each([40_000, -40_000])(`on ${kind}: the reader's clock is %i ms ahead`, async (aheadMs) => {
    const at = place();
    const clock: Clock = { ...systemClock, now: () => systemClock.now() + aheadMs };
    const one = runtimeOn(openStore(kind, at));
    const two = runtimeOn(openStore(kind, at), { clock });
    const open = gate();
    let runs = 0;
    const sequence = defineSequencer({
      name: "s",
      leaseMs: LEASE_MS,
      steps: [
        step("a", async () => {
          runs += 1;
          await open.promise;
          return "A";
        }),
      ],
    });
    const run = one.run(sequence, { runId: "r" });
    await expect.poll(() => two.checkpoints("r")).toHaveLength(1);
    const refused = { code: "RUN_LEASED" };
    await expect(two.resume(sequence, "r")).rejects.toMatchObject(refused);
    await expect(two.run(sequence, { runId: "r" }).result).rejects.toMatchObject(refused);
    open.open();
    expect(await run.result).toMatchObject({ output: "A" });
    expect(await two.resume(sequence, "r")).toMatchObject({ output: "A" });
    expect(runs).toBe(1);
    await Promise.all([one.close(), two.close()]);
  });
}

describe("clocks that are 40 s apart", async () => {
  const root = testDirectory("run-lease");
  let count = 0;
  skewed("sqlite", () => `${root}/${(count += 1)}`);
  await onServer("redis", (places) => skewed("redis", places.fresh));
});

describe("a lease that is being stored when the runtime closes", () => {
  it("is given back before that has ended", async () => {
    const inner = memoryStore();
    const [sent, answered] = [gate(), gate()];
    let isClosed = false;
    const store: StateStore = {
      ...memoryView(inner),
      async commit(...call) {
        if (isClosed) throw new Error("the store is closed");
        const results = await inner.commit(...call);
        sent.open();
        await answered.promise;
        return results;
      },
      close: async () => void (isClosed = true),
    };
    const runtime = runtimeOn(store);
    const run = runtime.run(suspending, { runId: "r" });
    const end = expect(run.result).rejects.toMatchObject({ code: "SCOPE_STOPPED" });
    await sent.promise;
    const closing = runtime.close();
    answered.open();
    await closing;
    await end;
    const [record] = await inner.load([KEY]);
    expect(record?.state).toMatchObject({ status: "running", lease: null });
  });
});
