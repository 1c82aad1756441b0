/**
 * One scope under every order in which its awaits can be answered: fast-check's scheduler decides
 * when each save, load, mutator and timer goes on, and when callers abort and time runs out.
 */
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isHoldfastError } from "../../actors/errors.ts";
import type { Clock, SaveResult } from "../../actors/protocol.ts";
import { createScope, type Scope } from "../../src/runtime/scope.ts";
import { tableBridge, type TableBridge } from "../support/table-bridge.ts";
import { settled } from "../support/waiting.ts";

const SCHEDULES = process.env["TEST_SCALE"] === "nightly" ? 2_000_000 : 10_000;
const MAX_RETRIES = 2;

interface Tally {
  /** One mark per caller: how often each took effect. */
  readonly [caller: string]: number;
}

type Fate = "ok" | "conflict" | "lost" | "throw";

/** What a caller's mutator does. */
type Way = "add" | "nothing" | "refuse";

const REFUSED = new Error("refused by the mutator");

interface Caller {
  readonly way: Way;
  readonly slow: boolean;
  readonly abort: boolean;
  readonly timeoutMs: number;
}

const caller: fc.Arbitrary<Caller> = fc.record({
  way: fc.constantFrom<Way>("add", "add", "nothing", "refuse"),
  slow: fc.boolean(),
  abort: fc.boolean(),
  timeoutMs: fc.constantFrom(Infinity, Infinity, 5),
});
const fate = fc.constantFrom<Fate>("ok", "ok", "conflict", "conflict", "lost", "throw");

/** Timers are tasks of the scheduler; firing the deadline's timer brings the time with it. */
function scheduledClock(scheduler: fc.Scheduler): Clock {
  let now = 0;
  return {
    now: () => now,
    setTimeout(callback, delayMs) {
      const timer = { cleared: false };
      void scheduler.schedule(Promise.resolve(), `timer ${delayMs}`).then(() => {
        if (timer.cleared) return;
        now += delayMs;
        callback();
      });
      return timer;
    },
    clearTimeout(handle) {
      (handle as { cleared: boolean }).cleared = true; // Only this clock makes its handles.
    },
  };
}

const unhandled: unknown[] = [];
const note = (error: unknown): void => void unhandled.push(error);
beforeAll(() => void process.on("unhandledRejection", note));
afterAll(() => void process.off("unhandledRejection", note));

interface Plan {
  readonly callers: readonly Caller[];
  readonly fates: readonly Fate[];
  readonly stops: boolean;
  /** Writes of another process, at any time. */
  readonly writes: number;
}

/** Lets everything happen that can, in the order the scheduler chooses. */
async function exhaust(s: fc.Scheduler): Promise<void> {
  do {
    await s.waitIdle();
    await settled();
  } while (s.count() > 0);
}

interface World {
  readonly bridge: TableBridge<Tally>;
  readonly scope: Scope<Tally>;
  /** How many changes another writer made. */
  others: number;
}

function createWorld(s: fc.Scheduler, fates: readonly Fate[]): World {
  const bridge = tableBridge<Tally>();
  const save = bridge.save.bind(bridge);
  const load = bridge.load?.bind(bridge);
  let sent = 0;
  bridge.load = () => s.schedule(Promise.resolve(), "load").then(() => load?.());
  bridge.save = async (next, expected, commit): Promise<SaveResult<Tally>> => {
    const what = fates[sent++] ?? "ok";
    await s.schedule(Promise.resolve(), `save ${what}`);
    if (what === "throw") throw new TypeError("store is down");
    if (what === "conflict") bridge.write({ ...bridge.stored?.state, other: (world.others += 1) });
    const result = await save(next, expected, commit);
    if (what === "lost") return new Promise<never>(() => undefined);
    await s.schedule(Promise.resolve(), "answer");
    return result;
  };
  const scope = createScope<Tally>({
    initial: {},
    persist: bridge,
    answers: "verified",
    mutationTimeoutMs: 50,
    cas: { maxRetries: MAX_RETRIES, baseDelayMs: 1 },
    clock: scheduledClock(s),
  });
  const world = { bridge, scope, others: 0 };
  return world;
}

/** Calls once, aborts perhaps, and notes how it ended. */
async function act(
  s: fc.Scheduler,
  { scope, bridge }: World,
  { way, slow, abort, timeoutMs, name }: Caller & { readonly name: string },
): Promise<unknown> {
  const { signal, ...controller } = controls();
  let seen = 0;
  const work = (state: Tally): Tally => {
    seen = state["other"] ?? 0;
    if (way === "refuse") throw REFUSED;
    return way === "nothing" ? {} : { [name]: (state[name] ?? 0) + 1 };
  };
  const slowly = async (state: Tally): Promise<Tally> => {
    await s.schedule(Promise.resolve(), `mutator ${name}`);
    return work(state);
  };
  const options = timeoutMs === Infinity ? { signal } : { signal, timeoutMs };
  if (abort) void s.schedule(Promise.resolve(), `abort ${name}`).then(controller.abort);
  await s.schedule(Promise.resolve(), `call ${name}`);
  const stored = bridge.stored?.state?.["other"] ?? 0;
  const call = scope.atomicState(slow ? slowly : work, options);
  const end = await call.catch((error: unknown) => error);
  // What writes nothing rests on a state at least as new as the call.
  if (end === false || end === REFUSED) expect(seen, name).toBeGreaterThanOrEqual(stored);
  return end;
}

function controls(): { readonly signal: AbortSignal; readonly abort: () => void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort("aborted") };
}

function checkEffect(name: string, end: unknown, times: number): void {
  if (end === true) expect(times, name).toBe(1);
  else if (isHoldfastError(end, "COMMIT_UNKNOWN")) expect(times, name).toBeLessThanOrEqual(1);
  else expect(times, `${name}: ${String(end)}`).toBe(0);
}

async function explore(s: fc.Scheduler, { callers, fates, stops, writes }: Plan): Promise<void> {
  const world = createWorld(s, fates);
  const { bridge, scope } = world;
  const locals: number[] = [];
  scope.subscribe(({ origin, version }) => {
    if (origin === "local") locals.push(version);
  });
  const ends = new Map<string, unknown>();
  callers.forEach((each, index) => {
    const name = `c${index}`;
    void act(s, world, { ...each, name }).then((end) => ends.set(name, end));
  });
  for (let each = 0; each < writes; each += 1)
    void s.schedule(Promise.resolve(), "write").then(() => {
      bridge.write({ ...bridge.stored?.state, other: (world.others += 1) });
    });
  if (stops) void s.schedule(Promise.resolve(), "stop").then(() => void scope.stop());
  await exhaust(s);

  expect([...ends.keys()].toSorted()).toEqual(callers.map((_, index) => `c${index}`));
  const stored = bridge.stored?.state ?? {};
  for (const [name, end] of ends) checkEffect(name, end, stored[name] ?? 0);
  expect(stored["other"] ?? 0).toBe(world.others);
  expect(locals).toEqual([...new Set(locals)].toSorted((a, b) => a - b));
  if (stops) return;
  bridge.load = () => Promise.resolve(bridge.stored);
  // Nothing is left to wait for: a scope that is not wedged answers without any timer.
  expect(await Promise.race([scope.refresh().then(() => "read"), settled()])).toBe("read");
  expect(scope.state).toEqual(stored);
  expect(scope.version).toBe(bridge.stored?.version ?? 0);
}

describe("a scope under all schedules", { timeout: 3_600_000 }, () => {
  it(`loses no update, applies none twice, answers everybody (${SCHEDULES} schedules)`, async () => {
    const plan = fc.record({
      callers: fc.array(caller, { minLength: 1, maxLength: 4 }),
      fates: fc.array(fate, { maxLength: 4 }),
      stops: fc.integer({ min: 0, max: 9 }).map((draw) => draw === 0),
      writes: fc.integer({ min: 0, max: 2 }),
    });
    await fc.assert(fc.asyncProperty(fc.scheduler(), plan, explore), { numRuns: SCHEDULES });
    await settled();
    expect(unhandled).toEqual([]);
  });

  it("sends at most maxRetries + 1 saves per round, whatever leaves meanwhile", async () => {
    const property = fc.asyncProperty(
      fc.scheduler(),
      fc.array(caller, { minLength: 1, maxLength: 4 }),
      async (s, callers) => {
        const bridge = tableBridge<Tally>();
        bridge.plan = async () => {
          await s.schedule(Promise.resolve(), "save");
          bridge.write({ other: bridge.saves.length });
          return undefined;
        };
        const scope = createScope<Tally>({
          initial: {},
          persist: bridge,
          mutationTimeoutMs: 0,
          cas: { maxRetries: MAX_RETRIES, baseDelayMs: 1 },
          clock: scheduledClock(s),
        });
        const controller = new AbortController();
        const calls = callers.map(({ abort }, index) =>
          scope
            .incState({ [`c${index}`]: 1 }, abort ? { signal: controller.signal } : {})
            .catch((error: unknown) => error),
        );
        void s.schedule(Promise.resolve(), "abort").then(() => controller.abort("aborted"));
        await exhaust(s);
        await Promise.all(calls);
        expect(bridge.saves.length).toBeLessThanOrEqual(MAX_RETRIES + 1);
      },
    );
    await fc.assert(property, { numRuns: SCHEDULES / 10 });
  });
});
