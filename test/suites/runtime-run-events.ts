/**
 * Events of runs, here and in other processes (W1 to W3 of src/runtime/sequencer/run-watch.ts), and
 * runs in `runtime.subscribe`.
 */
import { describe, expect, it } from "vitest";
import {
  defineSequencer,
  type RunEvent,
  type Sequencer,
  type StateChange,
  type StepContext,
} from "../../src/index.ts";
import { World, type RuntimeStores } from "./runtime-world.ts";
import { gate, rejection, until } from "../support/waiting.ts";

type Events = AsyncIterable<RunEvent>;

/** All events until the last. */
async function all(events: Events): Promise<RunEvent[]> {
  const seen: RunEvent[] = [];
  for await (const event of events) seen.push(event);
  return seen;
}

/** An event in a few words. */
function brief(event: RunEvent): string {
  const step = "step" in event ? ` ${event.step}` : "";
  return `${event.type}${step}${event.type === "retried" ? ` ${event.attempt}` : ""}`;
}

async function brieves(events: Events): Promise<string[]> {
  return (await all(events)).map(brief);
}

function asking(done: () => unknown = () => "done") {
  return defineSequencer({ name: "ask" })
    .step("a", () => 1)
    .step(
      "b",
      (ctx) => {
        if (ctx.attempt === 1 && ctx.runId !== "calm") throw new RangeError("busy");
        return ctx.suspend({ reason: "why?", data: 5 });
      },
      { retry: { attempts: 2, baseDelayMs: 1 } },
    )
    .step("c", done);
}

const WHOLE = [
  "started",
  "step a",
  "retried b 2",
  "suspended b",
  "resumed b",
  "step b",
  "step c",
  "completed",
];

/** Registers what holds of the events of runs. */
export function runEventCases(stores: RuntimeStores): void {
  describe("the events of a run", () => {
    it("tell its whole course, here and in another runtime", async () => {
      const [runtime, other] = new World(stores).pair();
      const sequence = asking();
      const run = runtime.run(sequence, { runId: "r" });
      const here = all(run.events());
      await run.result;
      const watched = other.watchRun("r");
      const there = [await watched.next()];
      await runtime.resume(sequence, "r", "so");
      const events = await here;
      expect(events.map(brief)).toEqual(WHOLE);
      const about = { runId: "r", sequencer: "ask", timestamp: expect.any(Number) };
      const error = { name: "RangeError", message: "busy", step: "b", attempt: 1 };
      const suspension = { id: expect.any(String), reason: "why?", data: 5 };
      expect(events).toEqual([
        { ...about, type: "started" },
        { ...about, type: "step", step: "a", stepIndex: 0, output: 1 },
        { ...about, type: "retried", step: "b", attempt: 2, error },
        { ...about, type: "suspended", step: "b", suspension },
        {
          ...about,
          type: "resumed",
          step: "b",
          suspension: { id: events[3]?.type === "suspended" && events[3].suspension.id },
        },
        { ...about, type: "step", step: "b", stepIndex: 1, output: "so" },
        { ...about, type: "step", step: "c", stepIndex: 2, output: "done" },
        { ...about, type: "completed", output: "done" },
      ]);
      // What was over when the watch began and left no trace in the record is not told.
      const later = await brieves(watched);
      expect(there).toMatchObject([{ done: false, value: { type: "started" } }]);
      expect(["started", ...later]).toEqual(WHOLE.filter((each) => !each.startsWith("retried")));
      expect(await brieves(runtime.watchRun("r"))).toEqual(["completed"]);
      expect(await brieves(other.watchRun("r"))).toEqual(["completed"]);
      const known = runtime.run(sequence, { runId: "r" });
      expect(await brieves(known.events())).toEqual(
        WHOLE.filter((each) => !/retried|suspended/.test(each)),
      );
    });

    it("go on in another process that takes it over, and tell its failure", async () => {
      const world = new World(stores);
      const [runtime, other] = world.pair();
      const hung = gate();
      const sequence = (b: (ctx: StepContext) => unknown) =>
        defineSequencer({ name: "s" })
          .step("a", () => 1)
          .step("b", b);
      const run = runtime.run(
        sequence((ctx) => ctx.runOnce("k", () => hung.promise)),
        { runId: "r" },
      );
      const cut = rejection(run.result);
      const here = run.events();
      const seen = [await here.next(), await here.next()];
      expect(seen.map(({ value }) => value?.type)).toEqual(["started", "step"]);
      const watched = other.watchRun("r");
      expect(await watched.next()).toMatchObject({ value: { type: "started" } });
      await runtime.close();
      await cut;
      // Its runtime has ended; so have the events.
      expect(await brieves(here)).toEqual([]);
      const failing = sequence(() => Promise.reject(new RangeError("broken")));
      await rejection(other.resume(failing, "r"));
      // The process that fails it may have stored both before the watch read it.
      expect(await brieves(watched)).toEqual(["step a", "resumed b", "failed b"]);
      expect(await all(other.watchRun("r"))).toMatchObject([
        { type: "failed", step: "b", error: { name: "RangeError", message: "broken" } },
      ]);
    });

    it("let the reader of a suspension resume it at once", async () => {
      const runtime = new World(stores).runtime();
      const sequence = asking();
      const outcomes: unknown[] = [];
      const run = runtime.run(sequence, { runId: "r" });
      for await (const event of run.events()) {
        if (event.type !== "suspended") continue;
        const { id: suspension } = event.suspension;
        outcomes.push(await runtime.resume(sequence, "r", "so", { suspension }));
      }
      expect(outcomes).toMatchObject([{ status: "completed", output: "done" }]);
    });

    it("end by the reader, its signal, a cancellation, and a run that never was", async () => {
      const runtime = new World(stores).runtime();
      const sequence = asking();
      const run = runtime.run(sequence, { runId: "r" });
      const abort = new AbortController();
      const [aborted, returned, cancelled] = [
        run.events({ signal: abort.signal }),
        run.events(),
        run.events(),
      ];
      const whole = brieves(cancelled);
      await run.result;
      expect(await returned.next()).toMatchObject({ value: { type: "started" } });
      await returned.return?.();
      expect(await returned.next()).toEqual({ done: true, value: undefined });
      const waiting = brieves(aborted);
      abort.abort();
      expect((await waiting).length).toBeLessThanOrEqual(WHOLE.length);
      await runtime.cancel("r");
      expect(await whole).toEqual([...WHOLE.slice(0, 4), "cancelled b"]);
      expect(await brieves(runtime.watchRun("r"))).toEqual(["cancelled b"]);
      await rejection(all(runtime.watchRun("none")), "RUN_NOT_FOUND");
      expect(() => runtime.watchRun("r", { sgnal: 1 } as never)).toThrow(/no option "sgnal"/);
      const bad = runtime.run({ name: "bad" } as Sequencer, { runId: "bad" });
      expect(await all(bad.events())).toEqual([]);
      await expect(bad.result).rejects.toBeInstanceOf(TypeError);
    });
  });

  describe("the runs of a runtime", () => {
    it("are heard by its subscribers, here and in another one", async () => {
      const [runtime, other] = new World(stores).pair();
      const here: StateChange[] = [];
      const there: StateChange[] = [];
      const last = (changes: readonly StateChange[]): unknown => changes.at(-1)?.patches[0]?.value;
      const unsubscribe = runtime.subscribe((change) => here.push(change));
      other.subscribe((change) => there.push(change));
      await other.open("user", "a"); // The watch of its store has begun.
      const sequence = defineSequencer({ name: "s", state: { n: 0 } })
        .step("a", (ctx) => ctx.runOnce("k", () => 1))
        .step("b", (ctx) => ctx.incState({ n: 1 }));
      const outcome = await runtime.run(sequence, { runId: "r" }).result;
      const scope = { type: "sequencer", id: "r" };
      for (const { operation, origin, ...change } of here) {
        expect({ operation, origin }).toEqual({ operation: "update", origin: "local" });
        expect(change).toMatchObject({ type: "state_change", scope });
      }
      const versions = here.map(({ version }) => version);
      expect(versions).toEqual([...new Set(versions)].toSorted((a, b) => a - b));
      expect(outcome).toMatchObject({ state: { n: 1 } });
      const [checkpoint] = await runtime.checkpoints("r");
      expect(last(here)).toEqual(checkpoint);
      expect(checkpoint).toMatchObject({ status: "completed", outputs: [1, true] });
      if (runtime.supports("sequencer").watch) {
        await until(() => there.at(-1)?.version === checkpoint?.version);
        expect(there.at(-1)).toMatchObject({ scope, operation: "refresh", origin: "remote" });
        expect(last(there)).toEqual(checkpoint);
      }
      const { length } = here;
      unsubscribe();
      await runtime.run(sequence, { runId: "later" }).result;
      expect(here).toHaveLength(length);
    });
  });
}
