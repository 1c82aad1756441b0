/** Fake timers of a test: calls settle while they stand still, and nothing is dead after them. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { createRuntime, defineKind } from "holdfast";
import { fileStore } from "holdfast/file";
import { sqliteStore } from "holdfast/sqlite";
import { afterEach, describe, expect, it, vi } from "vitest";
import { monotonic, systemClock } from "../../../actors/time/clock.ts";
import { createTimerWheel } from "../../../actors/time/timer-wheel.ts";
import { createScope } from "../../../src/runtime/scope.ts";
import { memoryStore } from "../../../src/stores/memory/store.ts";
import { testDirectory } from "../../support/directory.ts";

const dir = testDirectory("fake-timers");
afterEach(() => void vi.useRealTimers());

/** Fakes by vitest's own choice; with what Jest and sinon fake too; and without any time. */
const fakes: readonly [string, Parameters<typeof vi.useFakeTimers>[0]][] = [
  ["by default", undefined],
  [
    "with microtasks",
    {
      toFake: [
        "setTimeout",
        "setInterval",
        "setImmediate",
        "queueMicrotask",
        "Date",
        "performance",
      ],
    },
  ],
  ["but the time", { toFake: ["setTimeout", "clearTimeout", "setImmediate", "clearImmediate"] }],
];

const stores = {
  memory: () => memoryStore(),
  file: () => fileStore({ dir: join(dir, randomUUID()) }),
  sqlite: () => sqliteStore({ path: join(dir, `${randomUUID()}.db`) }),
};
const names = ["memory", "file", "sqlite"] as const;
const kinds = { late: defineKind({ durability: "checkpoint" }), brief: defineKind({ ttlMs: 50 }) };
const hang = () => new Promise<never>(() => undefined);

describe.each(fakes)("while timers are faked %s", (_name, config) => {
  it.each(names)("a change on %s that meets another runtime's is tried again", async (name) => {
    vi.useFakeTimers(config);
    const store = stores[name]();
    const [mine, theirs] = [1, 2].map(() => createRuntime({ store, watch: false }));
    const here = await mine?.open<{ n: number }>("user", "a");
    const there = await theirs?.open<{ n: number }>("user", "a");
    await there?.incState({ n: 1 });
    expect(await here?.incState({ n: 1 })).toBe(true);
    expect(await there?.read()).toEqual({ n: 2 });
    await Promise.all([mine?.close(), theirs?.close()]);
  });

  it.each(names)("a runtime on %s opens, changes, lists and closes", async (name) => {
    vi.useFakeTimers(config);
    const runtime = createRuntime({ store: stores[name](), kinds });
    const ids = ["a", "b", "c"];
    for (const type of ["session", "late", "temp"] as const) {
      const scopes = await Promise.all(ids.map((id) => runtime.open<{ n: number }>(type, id)));
      await Promise.all(scopes.map((scope) => scope.patchState({ n: 1 })));
      await Promise.all(scopes.map((scope) => scope.incState({ n: 1 })));
      await Promise.all(scopes.map((scope) => scope.atomicState(async ({ n }) => ({ n: n + 1 }))));
      await Promise.all(scopes.map((scope) => scope.flush()));
      expect(scopes.map((scope) => scope.state)).toEqual(ids.map(() => ({ n: 3 })));
    }
    await runtime.close();
  });

  it("timeouts of the shared sweep go on after them", async () => {
    const before = createScope({ initial: { n: 0 }, mutationTimeoutMs: 60_000 });
    void before.atomicState(hang).catch(() => undefined);
    vi.useFakeTimers(config);
    const during = createScope({ initial: { n: 0 }, mutationTimeoutMs: 10 });
    const hung = during.atomicState(hang);
    const faked = expect(hung).rejects.toMatchObject({ code: "SCOPE_MUTATION_TIMEOUT" });
    vi.useRealTimers();
    const after = createScope({ initial: { n: 0 }, mutationTimeoutMs: 30 });
    await expect(after.atomicState(hang)).rejects.toMatchObject({ code: "SCOPE_MUTATION_TIMEOUT" });
    await faked;
    void before.stop(); // It waits for its mutator.
  });

  it.each([true, false])("a wheel goes on after them; used before: %s", async (isUsed) => {
    const wheel = createTimerWheel(systemClock, { tickMs: 5 });
    const ran: string[] = [];
    const run = (name: string, delayMs: number): Promise<void> =>
      new Promise((resolve) => {
        wheel.schedule(delayMs, () => {
          ran.push(name);
          resolve();
        });
      });
    const before = isUsed ? run("before", 10) : undefined;
    vi.useFakeTimers(config);
    const during = run("during", 20);
    vi.useRealTimers();
    const after = run("after", 60);
    await Promise.all([before, during, after]);
    expect(ran).toEqual([...(isUsed ? ["before"] : []), "during", "after"]);
    wheel.stop();
  });

  it("a scope that was opened meanwhile ends by its time after them", async () => {
    vi.useFakeTimers(config);
    const runtime = createRuntime({ store: memoryStore(), kinds });
    const scope = await runtime.open<{ n?: number }>("brief", "a");
    await scope.patchState({ n: 1 });
    vi.useRealTimers();
    await scope.patchState({ n: 2 });
    await vi.waitFor(() => expect(scope.state).toEqual({}), { timeout: 10_000 });
    await runtime.close();
  });
});

describe("the time limits are measured by", () => {
  it("goes on where it was when fake timers come and go, and never back", () => {
    const first = monotonic(systemClock);
    vi.useFakeTimers();
    const faked = monotonic(systemClock);
    vi.advanceTimersByTime(500);
    const later = monotonic(systemClock);
    vi.useRealTimers();
    const last = monotonic(systemClock);
    expect(faked).toBe(first);
    expect(later).toBe(first + 500);
    expect(last).toBe(later);
  });
});

it("limits pass by the time that a test makes", async () => {
  vi.useFakeTimers();
  const scope = createScope({ initial: { n: 0 }, mutationTimeoutMs: 1_000 });
  const hung = scope.atomicState(hang);
  const late = expect(hung).rejects.toMatchObject({ code: "SCOPE_MUTATION_TIMEOUT" });
  await vi.advanceTimersByTimeAsync(1_000);
  await late;
});
