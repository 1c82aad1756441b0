/**
 * Random programs of calls within calls: a call is refused exactly when it closes a circle by a
 * model that knows which code runs and which calls it has not had answered; and every call is
 * answered, though nothing here ever runs out of time.
 */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isHoldfastError } from "../../actors/errors.ts";
import { waitsOf } from "../../actors/scope/wait-graph.ts";
import { createRuntime } from "../../src/runtime/runtime.ts";
import { createScope, type Scope } from "../../src/runtime/scope.ts";
import { tableBridge } from "../support/table-bridge.ts";
import { settled } from "../support/waiting.ts";

const RUNS = process.env["TEST_SCALE"] === "nightly" ? 5_000 : 300;
/** Turns of the loop after which a program that still waits will wait for ever. */
const PATIENCE = 2_000;
const FOREVER = { timeoutMs: Infinity };

interface Counter {
  n: number;
}

/** One step of a mutator: it waits a moment, or calls. */
type Step = { readonly kind: "pause" } | Call;
interface Call {
  readonly kind: "call";
  readonly scope: number;
  /** More scopes make it a transaction. */
  readonly more: readonly number[];
  readonly awaited: boolean;
  /** Its mutator is a plain function. */
  readonly plain: boolean;
  readonly steps: readonly Step[];
}

const SCOPES = 4;

const scopes = fc.nat({ max: SCOPES - 1 });

function programs(more: fc.Arbitrary<number[]>): fc.Arbitrary<Call[]> {
  const { call } = fc.letrec<{ step: Step; call: Call }>((tie) => ({
    step: fc.oneof(
      { maxDepth: 4, depthIdentifier: "calls" },
      fc.constant({ kind: "pause" as const }),
      tie("call"),
    ),
    call: fc.record({
      kind: fc.constant("call" as const),
      scope: scopes,
      more,
      awaited: fc.boolean(),
      plain: fc.boolean(),
      steps: fc.array(tie("step"), { maxLength: 4, depthIdentifier: "calls" }),
    }),
  }));
  return fc.array(call, { minLength: 2, maxLength: 6 });
}

/** A mutator as the model sees it. */
interface Body {
  readonly scope: number;
  readonly outer: Body | undefined;
  /** Its calls; each has its own body once that has begun. */
  readonly calls: { readonly target: number; state: "waiting" | "over" | Body }[];
}

/** Who holds which scope, and would a call close a circle. */
class Model {
  readonly #holders = new Map<number, Body>();

  begin(body: Body): void {
    expect(this.#holders.has(body.scope)).toBe(false);
    this.#holders.set(body.scope, body);
  }

  /** What it left unanswered its caller may still wait for. */
  end(body: Body): void {
    this.#holders.delete(body.scope);
    let outer = body.outer;
    while (outer !== undefined && !this.isRunning(outer)) ({ outer } = outer);
    outer?.calls.push(...body.calls);
  }

  isRunning(body: Body): boolean {
    return this.#holders.get(body.scope) === body;
  }

  /** What a call of `body` on `target` must come to. */
  verdict(body: Body | undefined, target: number): string | undefined {
    const around = new Set<Body>();
    for (let each = body; each !== undefined; each = each.outer)
      if (this.isRunning(each)) around.add(each);
    const holder = this.#holders.get(target);
    if (holder === undefined) return undefined;
    if (around.has(holder)) return "REENTRANT_MUTATION";
    return this.#reaches(holder, around, new Set()) ? "DEADLOCK" : undefined;
  }

  #reaches(from: Body, goals: ReadonlySet<Body>, seen: Set<Body>): boolean {
    if (goals.has(from)) return true;
    if (seen.has(from)) return false;
    seen.add(from);
    return from.calls.some(({ target, state }) => {
      if (state === "over") return false;
      const next = state === "waiting" ? this.#holders.get(target) : state;
      return next !== undefined && this.isRunning(next) && this.#reaches(next, goals, seen);
    });
  }
}

/** Runs a program on scopes and the model side by side. */
class Machine {
  readonly calls: Promise<unknown>[] = [];
  readonly codes: string[] = [];
  readonly #scopes: readonly Scope<Counter>[];
  readonly #model = new Model();

  constructor(scopes_: readonly Scope<Counter>[]) {
    this.#scopes = scopes_;
  }

  call(call: Call, outer: Body | undefined): Promise<unknown> {
    const expected = this.#model.verdict(outer, call.scope);
    const entry: Body["calls"][number] = { target: call.scope, state: "waiting" };
    if (expected === undefined) outer?.calls.push(entry);
    const done = this.#submit(call, outer, entry).then(
      () => expect(expected).toBe(undefined),
      (error: unknown) => {
        if (!isHoldfastError(error)) throw error;
        this.codes.push(error.code);
        expect(error.code).toBe(expected);
      },
    );
    this.calls.push(done);
    return done;
  }

  #submit(call: Call, outer: Body | undefined, entry: Body["calls"][number]): Promise<unknown> {
    const scope = this.#scopes[call.scope];
    if (scope === undefined) throw new Error("no such scope");
    const begin = (): Body => {
      const body: Body = { scope: call.scope, outer, calls: [] };
      entry.state = body;
      this.#model.begin(body);
      return body;
    };
    const end = (body: Body): void => {
      this.#model.end(body);
      entry.state = "over";
    };
    if (call.plain)
      return scope.atomicState(({ n }) => {
        const body = begin();
        for (const step of call.steps) if (step.kind === "call") void this.call(step, body);
        end(body);
        return { n: n + 1 };
      }, FOREVER);
    return scope.atomicState(({ n }) => {
      const body = begin();
      const work = this.#steps(call.steps, body).then(() => ({ n: n + 1 }));
      // Just before the scope sees the end of it.
      void work.then(() => end(body));
      return work;
    }, FOREVER);
  }

  async #steps(steps: readonly Step[], body: Body): Promise<void> {
    for (const step of steps) {
      if (step.kind === "pause") {
        await settled();
        continue;
      }
      const made = this.call(step, body);
      if (step.awaited) await made;
    }
  }
}

/** Fails when the promises are not settled after a while of nothing but themselves. */
async function allSettled(calls: readonly Promise<unknown>[]): Promise<void> {
  const progress = { isOver: false };
  let known = -1;
  const all = (async () => {
    while (known !== calls.length) {
      known = calls.length; // Calls make more calls.
      await Promise.all(calls);
    }
  })();
  const patience = async (): Promise<void> => {
    for (let turn = 0; turn < PATIENCE && !progress.isOver; turn++) await settled();
    if (!progress.isOver) throw new Error("a call is never answered");
  };
  const over = all.finally(() => void (progress.isOver = true));
  await Promise.all([over, patience()]);
}

function standing(mixed: boolean): Scope<Counter>[] {
  return Array.from({ length: SCOPES }, (_, index) =>
    createScope<Counter>({
      initial: { n: 0 },
      identity: { type: "t", id: String(index) },
      ...(mixed && index % 2 === 0 ? { persist: tableBridge<Counter>() } : {}),
    }),
  );
}

describe("random programs of calls within calls", () => {
  it.each([
    ["in memory", false],
    ["with bridges", true],
  ])("%s: refused is what closes a circle, all else is answered", async (_, mixed) => {
    let deadlocks = 0;
    const property = fc.asyncProperty(programs(fc.constant([])), async (program) => {
      const places = standing(mixed);
      const machine = new Machine(places);
      for (const call of program) void machine.call(call, undefined);
      await allSettled(machine.calls);
      deadlocks += machine.codes.filter((code) => code === "DEADLOCK").length;
      const ran = machine.calls.length - machine.codes.length;
      expect(places.reduce((sum, { state }) => sum + state.n, 0)).toBe(ran);
      expect(places.map((scope) => waitsOf(scope))).toEqual(places.map(() => 0));
    });
    await fc.assert(property, { numRuns: RUNS });
    expect(deadlocks).toBeGreaterThan(0);
  });

  it("with transactions and callers who leave: everything is answered", async () => {
    const codes = new Set<string>();
    const more = fc.uniqueArray(scopes, { maxLength: 2 });
    const property = fc.asyncProperty(programs(more), fc.nat(), async (program, seed) => {
      await using runtime = createRuntime();
      const places = await Promise.all(
        Array.from({ length: SCOPES }, (_, index) => runtime.open<Counter>("user", `${index}`)),
      );
      const calls: Promise<unknown>[] = [];
      const made = (call: Call): Promise<unknown> => {
        const scope = places[call.scope];
        if (scope === undefined) throw new Error("no such scope");
        const abort = (calls.length + seed) % 5 === 0 ? new AbortController() : undefined;
        const options = abort === undefined ? FOREVER : { ...FOREVER, signal: abort.signal };
        const walk = async (): Promise<void> => {
          for (const step of call.steps) {
            const inner = step.kind === "pause" ? settled() : made(step);
            if (step.kind === "pause" || step.awaited) await inner;
          }
        };
        const work = (): Promise<void> => {
          const walked = walk();
          calls.push(walked); // It goes on when its caller has left.
          return walked;
        };
        const all = [call.scope, ...call.more].flatMap((index) => places[index] ?? []);
        const end =
          call.more.length > 0
            ? runtime.transaction(all, work, options)
            : scope.atomicState(work, options);
        if (abort !== undefined) void settled().then(() => abort.abort(new Error("enough")));
        const done = end.catch((error: unknown) => {
          if (isHoldfastError(error)) codes.add(error.code);
          else expect(error).toMatchObject({ message: "enough" });
        });
        calls.push(done);
        return done;
      };
      for (const call of program) void made(call);
      await allSettled(calls);
      // What waited for a scope that nobody wanted any more has had its turn, too.
      await Promise.all(places.map((scope) => scope.incState({ n: 1 })));
      expect(places.map((scope) => waitsOf(scope))).toEqual(places.map(() => 0));
    });
    await fc.assert(property, { numRuns: RUNS });
    expect([...codes].toSorted()).toEqual(["DEADLOCK", "REENTRANT_MUTATION"]);
  });
});
