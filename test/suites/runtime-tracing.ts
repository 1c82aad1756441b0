/** What subscribers of the tracing channels receive, on any store. */
import { AsyncLocalStorage } from "node:async_hooks";
import { tracingChannel } from "node:diagnostics_channel";
import { describe, expect, it, onTestFinished } from "vitest";
import { StoreUnavailableError } from "../../actors/errors.ts";
import type { OperationTrace } from "../../actors/operation-trace.ts";
import { defineSequencer } from "../../src/runtime/sequencer/define.ts";
import { add, steer, World, type Counter, type RuntimeStores } from "./runtime-world.ts";
import { endedOf, eventsOf, traced } from "../support/tracing.ts";
import { gate, rejection, settled } from "../support/waiting.ts";

/** The fields of each message that do not depend on time. */
function facts(messages: readonly OperationTrace[]): unknown[] {
  return messages.map(({ operation, attempt, batchSize, bytes, code }) => [
    operation,
    attempt,
    batchSize,
    bytes,
    code,
  ]);
}

/** Claims about the channels of mutations, saves and loads. */
export function tracingCases(stores: RuntimeStores): void {
  describe("tracing channels", () => {
    it("pass one message through start, end, asyncStart and asyncEnd of each mutation", async () => {
      const scope = await new World(stores).runtime().open<Counter>("user", "a1");
      const events = eventsOf("mutation", "a1");
      await scope.patchState({ text: "a secret" });
      const names = events.map(({ event }) => event);
      expect(names).toEqual(["start", "end", "asyncStart", "asyncEnd"]);
      const [start] = events;
      expect(events.every(({ message }) => message === start?.message)).toBe(true);
      expect(Object.keys(start?.message ?? {}).toSorted()).toEqual([
        "attempt",
        "batchSize",
        "bytes",
        "code",
        "operation",
        "runMs",
        "scope",
        "store",
        "waitMs",
      ]);
      expect(start?.message).toMatchObject({ scope: { type: "user", id: "a1" }, code: "ok" });
      expect(JSON.stringify(events)).not.toContain("secret");
    });

    it("report each mutation with its operation and how it ended", async () => {
      const runtime = new World(stores).runtime();
      for (const type of ["user", "temp"] as const) {
        const id = `a2-${type}`;
        const scope = await runtime.open<Counter>(type, id);
        const ended = endedOf("mutation", id);
        await scope.patchState({ n: 1 });
        await scope.patchState({ n: 1 }); // Changes nothing.
        await scope.incState({ n: 1 });
        await scope.pushState("list", 1);
        await scope.atomicState(add);
        await rejection(scope.atomicState(() => Promise.reject(new RangeError("no"))));
        const unknown = Object.assign(new Error("no"), { code: "E_MINE" });
        await rejection(scope.atomicState(() => Promise.reject(unknown)));
        await rejection(scope.pushState("n" as never, 1)); // It is no list.
        await rejection(scope.patchState({ n: 9 }, { signal: AbortSignal.abort() }));
        await scope.atomicState(() => rejection(scope.patchState({ n: 9 })).then(() => undefined));
        await scope.delete();
        await scope.refresh(); // No mutation.
        expect(ended.map(({ operation, code }) => `${operation} ${code}`)).toEqual([
          "patch ok",
          "patch ok",
          "increment ok",
          "push ok",
          "atomic ok",
          "atomic RangeError",
          "atomic E_MINE",
          "push STATE_TYPE",
          "patch AbortError",
          "patch REENTRANT_MUTATION",
          "atomic ok",
          "delete ok",
        ]);
      }
    });

    it("tell how long a call waited, and how long its code ran", async () => {
      const scope = await new World(stores).runtime().open<Counter>("user", "a3");
      const ended = endedOf("mutation", "a3");
      const mutator = gate();
      const began = performance.now();
      const calls = [scope.atomicState(() => mutator.promise), scope.atomicState(add)];
      const timedOut = rejection(
        scope.atomicState(add, { timeoutMs: 1 }),
        "SCOPE_MUTATION_TIMEOUT",
      );
      await timedOut;
      mutator.open();
      await Promise.all(calls);
      const tookMs = performance.now() - began;
      const [late, first, second] = ended;
      expect(late).toMatchObject({ code: "SCOPE_MUTATION_TIMEOUT", runMs: 0 });
      expect(late?.waitMs).toBeGreaterThan(0);
      expect(first?.runMs).toBeGreaterThan(second?.runMs ?? Infinity);
      expect(second?.waitMs).toBeGreaterThan(first?.waitMs ?? Infinity);
      for (const { waitMs, runMs } of ended) expect(waitMs + runMs).toBeLessThanOrEqual(tookMs);
    });

    it("report each attempt to save, with the size of the batch and of the state", async () => {
      const store = steer(new World(stores).store());
      const runtime = new World(stores).runtime({ store, watch: false });
      const scope = await runtime.open<Counter>("user", "a4");
      const [mutations, saves] = [endedOf("mutation", "a4"), endedOf("save", "a4")];
      await Promise.all([scope.incState({ n: 1 }), scope.incState({ n: 1 })]);
      expect(facts(saves)).toEqual([["commit", 1, 2, 7, "ok"]]);
      expect(mutations.map(({ batchSize }) => batchSize)).toEqual([2, 2]);
      expect(saves[0]?.calls).toEqual(mutations);
      const names = [...mutations, ...saves].map((each) => each.store);
      expect(names).toEqual([store.name, store.name, store.name]);
      store.before = () => Promise.reject(new StoreUnavailableError("away"));
      await rejection(scope.incState({ n: 1 }), "STORE_UNAVAILABLE");
      await rejection(scope.delete(), "STORE_UNAVAILABLE");
      store.before = () => undefined;
      await scope.delete();
      await scope.delete(); // There is nothing to save.
      expect(facts(saves).slice(1)).toEqual([
        ["commit", 1, 1, 7, "STORE_UNAVAILABLE"],
        ["delete", 1, 1, undefined, "STORE_UNAVAILABLE"],
        ["delete", 1, 1, undefined, "ok"],
      ]);
      expect(saves.at(-1)?.calls?.map(({ operation }) => operation)).toEqual(["delete"]);
      expect(saves.every(({ runMs }) => runMs > 0)).toBe(true);
    });

    it("report a save that met another version, and the mutator that ran again", async () => {
      const cas = { maxRetries: 1, baseDelayMs: 0, escalate: false };
      const [one, other] = new World(stores).pair({ watch: false, cas });
      const mine = await one.open<Counter>("user", "a5");
      await (await other.open<Counter>("user", "a5")).incState({ n: 1 });
      const [mutations, saves] = [endedOf("mutation", "a5"), endedOf("save", "a5")];
      await mine.atomicState(add);
      expect(mine.state.n).toBe(2);
      expect(facts(saves)).toEqual([
        ["commit", 1, 1, 7, "CONCURRENT_MODIFICATION"],
        ["commit", 2, 1, 7, "ok"],
      ]);
      expect(facts(mutations)).toEqual([["atomic", 2, 1, undefined, "ok"]]);
    });

    it("report the background saves of a checkpoint scope, and those of a transaction", async () => {
      const world = new World(stores);
      const runtime = world.runtime();
      const draft = await runtime.open<Counter>("draft", "a6");
      const saves = endedOf("save", "a6");
      await Promise.all([draft.incState({ n: 1 }), draft.incState({ n: 1 })]);
      await draft.flush();
      await draft.delete();
      await draft.flush();
      expect(facts(saves)).toEqual([
        ["checkpoint", 1, 2, 7, "ok"],
        ["delete", 1, 1, undefined, "ok"],
      ]);
      if (!world.store().supports.transactions) return;
      const [one, two] = [
        await runtime.open<Counter>("user", "a7"),
        await runtime.open<Counter>("user", "a8"),
      ];
      const together = endedOf("save", "a7");
      await runtime.transaction([one, two], (mine, theirs) => void (mine.n = theirs.n = 1));
      expect(facts(together)).toEqual([["transaction", 1, 2, 14, "ok"]]);
    });

    it("report loads, and those that the store failed", async () => {
      const world = new World(stores);
      const written = await world.runtime().open<Counter>("user", "a9");
      await written.incState({ n: 1 });
      const store = steer(world.store());
      const loads = endedOf("load", "a9");
      const runtime = world.runtime({ store });
      store.before = () => Promise.reject(new StoreUnavailableError("away"));
      await rejection(runtime.open("user", "a9"), "STORE_UNAVAILABLE");
      store.before = () => undefined;
      const scope = await runtime.open<Counter>("user", "a9");
      await scope.refresh();
      expect(facts(loads)).toEqual([
        ["load", 1, 1, undefined, "STORE_UNAVAILABLE"],
        ["load", 1, 1, 7, "ok"],
        ["refresh", 1, 1, 7, "ok"],
      ]);
    });

    it("report an exclusive section with its wait, its scopes and its end", async () => {
      const runtime = new World(stores).runtime();
      const scope = await runtime.open<Counter>("user", "c1");
      const [sections, mutations] = [endedOf("exclusive", "c1"), endedOf("mutation", "c1")];
      const events = eventsOf("exclusive", "c1");
      const spans = new AsyncLocalStorage<unknown>();
      const { start } = tracingChannel("holdfast.exclusive");
      start.bindStore(spans);
      onTestFinished(() => void start.unbindStore(spans));
      const mutator = gate();
      const before = scope.atomicState(() => mutator.promise);
      let seen: unknown;
      const section = scope.exclusive(async (held) => {
        await settled(1);
        seen = spans.getStore();
        await held.incState({ n: 1 });
      });
      const late = rejection(
        scope.exclusive(() => 0, { timeoutMs: 1 }),
        "SCOPE_MUTATION_TIMEOUT",
      );
      await late;
      mutator.open();
      await Promise.all([before, section]);
      await rejection(scope.exclusive(() => Promise.reject(new RangeError("no"))));
      await settled();
      expect(facts(sections)).toEqual([
        ["exclusive", 1, 1, undefined, "SCOPE_MUTATION_TIMEOUT"],
        ["exclusive", 1, 1, undefined, "ok"],
        ["exclusive", 1, 1, undefined, "RangeError"],
      ]);
      const [timedOut, ok] = sections;
      expect(timedOut?.runMs).toBe(0);
      expect(timedOut?.waitMs).toBeGreaterThan(0);
      expect(ok?.waitMs).toBeGreaterThan(0);
      expect(ok?.runMs).toBeGreaterThan(0);
      expect(seen).toBe(ok);
      expect(events.map(({ event }) => event).filter((event) => event === "start").length).toBe(3);
      expect(mutations.map(({ operation }) => operation)).toEqual(["atomic", "increment"]);
    });

    it("report the section of a transaction with the end of its recipe, and run it there", async () => {
      const world = new World(stores);
      if (!world.store().supports.transactions) return;
      const runtime = world.runtime();
      const scope = await runtime.open<Counter>("user", "c9");
      const sections = endedOf("exclusive", "c9");
      const spans = new AsyncLocalStorage<unknown>();
      const { start } = tracingChannel("holdfast.exclusive");
      start.bindStore(spans);
      onTestFinished(() => void start.unbindStore(spans));
      let seen: unknown;
      await runtime.transaction([scope], (draft) => {
        seen = spans.getStore();
        draft.n = 1;
      });
      const failing = (): never => {
        throw new RangeError("no");
      };
      await rejection(runtime.transaction([scope], failing));
      await settled();
      expect(facts(sections)).toEqual([
        ["exclusive", 1, 1, undefined, "ok"],
        ["exclusive", 1, 1, undefined, "RangeError"],
      ]);
      expect(seen).toBe(sections[0]);
    });

    it("report each try of a step, and each execution of a run", async () => {
      const runtime = new World(stores).runtime();
      const [steps, runs, loads] = [
        endedOf("step", "run-c2"),
        endedOf("run", "run-c2"),
        endedOf("load", "run-c2"),
      ];
      const spans = new AsyncLocalStorage<unknown>();
      const { start } = tracingChannel("holdfast.step");
      start.bindStore(spans);
      onTestFinished(() => void start.unbindStore(spans));
      const seen: unknown[] = [];
      const sequencer = defineSequencer({
        name: "traced",
        steps: [
          {
            name: "flaky",
            retry: { attempts: 2, baseDelayMs: 0 },
            run: async (context) => {
              await settled(1);
              seen.push(spans.getStore());
              if (context.attempt === 1) throw new RangeError("a secret");
            },
          },
          { name: "asks", run: async (context) => context.suspend("why") },
          { name: "fails", run: () => Promise.reject(new TypeError("a secret")) },
        ],
      });
      const run = runtime.run(sequencer, { runId: "run-c2", input: { text: "a secret" } });
      expect(await run.result).toMatchObject({ status: "suspended" });
      await rejection(runtime.resume(sequencer, "run-c2", "a secret"));
      await settled();
      expect(facts(steps)).toEqual([
        ["flaky", 1, 1, undefined, "RangeError"],
        ["flaky", 2, 1, undefined, "ok"],
        ["asks", 1, 1, undefined, "ok"],
        ["asks", 1, 1, undefined, "ok"],
        ["fails", 1, 1, undefined, "TypeError"],
      ]);
      expect(seen).toEqual(steps.slice(0, 2));
      expect(facts(runs)).toEqual([
        ["traced", 1, 1, undefined, "ok"],
        ["traced", 1, 1, undefined, "TypeError"],
      ]);
      expect(runs.map(({ status }) => status)).toEqual(["suspended", undefined]);
      expect(runs[0]?.scope).toEqual({ type: "sequencer", id: "run-c2" });
      expect(loads.length).toBeGreaterThan(0);
      expect(JSON.stringify([steps, runs, loads])).not.toContain("secret");
    });

    it("bind stores that the mutator sees, also after waiting and when it runs again", async () => {
      const cas = { maxRetries: 1, baseDelayMs: 0, escalate: false };
      const [one, other] = new World(stores).pair({ watch: false, cas });
      const mine = await one.open<Counter>("user", "b1");
      await (await other.open<Counter>("user", "b1")).incState({ n: 1 });
      const spans = new AsyncLocalStorage<{ readonly operation: string; ended?: boolean }>();
      const { start } = tracingChannel("holdfast.mutation");
      const open = new Map<object, { readonly operation: string; ended?: boolean }>();
      start.bindStore(spans, (message) => {
        const { operation } = message as OperationTrace; // A channel of holdfast has these.
        const span = { operation };
        open.set(message, span);
        return span;
      });
      onTestFinished(() => void start.unbindStore(spans));
      traced("mutation", ({ event, message }) => {
        const span = open.get(message);
        if (event === "asyncEnd" && span !== undefined) span.ended = true;
      });
      const seen: unknown[] = [];
      const first = mine.atomicState(async (state) => {
        await settled(1);
        seen.push(spans.getStore());
        return add(state);
      });
      const second = mine.update(() => void seen.push(spans.getStore()));
      await Promise.all([first, second]);
      const [a, b, again] = seen;
      expect(seen.length).toBeGreaterThan(2); // The conflict has made the first run again.
      expect(a).toEqual({ operation: "atomic", ended: true });
      expect([b, again]).toContainEqual({ operation: "update", ended: true });
      expect(new Set(seen).size).toBe(2);
      expect(spans.getStore()).toBeUndefined();
    });

    it("are not disturbed by a subscriber that throws, freezes, writes or rejects", async () => {
      const world = new World(stores);
      const runtime = world.runtime();
      const scope = await runtime.open<Counter>("user", "b2");
      const audit = await runtime.open<{ lines?: string[] }>("temp", "b3");
      const written: Promise<unknown>[] = [];
      traced("mutation", ({ event, message }) => {
        written.push(audit.pushState("lines", `${event} ${message.operation}`));
        Object.freeze(message);
        throw new Error(`subscriber of ${event}`);
      });
      traced("save", () => Promise.reject(new Error("asynchronous")));
      const spans = new AsyncLocalStorage<unknown>();
      const { start } = tracingChannel("holdfast.save");
      start.bindStore(spans, () => {
        throw new Error("transform");
      });
      onTestFinished(() => void start.unbindStore(spans));
      const ended = endedOf("save", "b2");
      await Promise.all([scope.incState({ n: 1 }), scope.atomicState(add)]);
      expect(scope.state).toEqual({ n: 2 });
      expect(facts(ended)).toEqual([["commit", 1, 2, 7, "ok"]]);
      await Promise.all(written);
      expect(audit.state.lines?.toSorted()).toEqual(
        ["start", "end", "asyncStart", "asyncEnd"]
          .flatMap((event) => [`${event} atomic`, `${event} increment`])
          .toSorted(),
      );
      const errors = world.logger.lines.map(({ fields }) => String(fields?.["error"]));
      expect(errors).toEqual(
        expect.arrayContaining([
          "Error: subscriber of start",
          "Error: subscriber of asyncEnd",
          "Error: asynchronous",
          "Error: transform",
        ]),
      );
    });
  });
}
