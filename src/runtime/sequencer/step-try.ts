/**
 * One try of one step of a run.
 *
 * A suspended step waits for ever and never continues. Its code does not fail, so no `catch` or
 * `finally` of the caller runs for a suspension. So does a sleep of a try that has ended.
 *
 * Invariants
 *  J1  A try has one end: its code returned or threw, asked a question, refused an answer, was out
 *      of time, misused its context, or the run was lost. Nothing that its code does afterwards
 *      changes the record (Q4 of `steps.ts`).
 *  J2  A try whose code threw or asked ends when its `runOnce` calls have ended and their values
 *      are stored, so that the next try does not run them again.
 *      A suspension inside such a call would wait for its own end, so it is a misuse.
 *  J3  The n-th suspension and the n-th sleep of a step are the same ones in each of its tries.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { StepTimeoutError, SuspensionTimeoutError } from "../../../actors/errors.ts";
import { isThenable } from "../../../actors/scope/mutation.ts";
import { copyIn } from "../../../actors/state/copy.ts";
import { checkedValue } from "./checked-value.ts";
import { type Question, questionOf, wakeTime } from "./context.ts";
import type { RunPort, StepTurn } from "./run-port.ts";

/** The try whose `runOnce` work is running. */
const effectOf = new AsyncLocalStorage<StepTry>();

/** How a try ended that did not fail. */
export type TryEnd =
  | { readonly kind: "done"; readonly output: unknown }
  | { readonly kind: "suspended"; readonly question: Question }
  | { readonly kind: "refused"; readonly error: unknown };

/** Which step is tried. */
export interface TryParts {
  readonly index: number;
  readonly name: string;
  /** `Infinity`: no limit. */
  readonly timeoutMs: number;
}

/** One try of one step; see the head of this file. */
export class StepTry implements StepTurn {
  readonly index: number;
  readonly attempt: number;
  readonly #port: RunPort;
  readonly #parts: TryParts;
  readonly #running = new Map<string, Promise<unknown>>();
  /** What cancels the timers of the try, and when its sleeps under way end. */
  readonly #timers = new Map<() => void, number>();
  #suspensions = 0;
  #sleeps = 0;
  #ended = false;
  #end: (end: TryEnd) => void = () => undefined;
  #fail: (error: unknown) => void = () => undefined;
  /** Made when the step first reads the signal. */
  #abort: AbortController | null = null;
  #aborted: { readonly reason: unknown } | null = null;

  constructor(port: RunPort, parts: TryParts) {
    this.#port = port;
    this.#parts = parts;
    this.index = parts.index;
    this.attempt = port.record.tries + 1;
  }

  get ended(): boolean {
    return this.#ended;
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#aborted !== null) this.#abort.abort(this.#aborted.reason);
    return this.#abort.signal;
  }

  async run(): Promise<TryEnd> {
    try {
      return await new Promise<TryEnd>((resolve, reject) => {
        this.#end = resolve;
        this.#fail = reject;
        this.#port.onLost(reject);
        this.#limit();
        this.#begin();
      });
    } catch (error) {
      this.#stop(error);
      throw error;
    } finally {
      this.#ended = true;
      for (const cancel of this.#timers.keys()) cancel();
    }
  }

  runOnce<T>(key: string, work: () => T | Promise<T>): Promise<T> {
    if (typeof key !== "string") return Promise.reject(new TypeError("runOnce needs a key"));
    const kept = this.#kept();
    // A recorded value comes from this key's function; the caller declares its type.
    if (Object.hasOwn(kept, key)) return Promise.resolve(kept[key] as T);
    let running = this.#running.get(key);
    if (running === undefined) {
      running = this.#doOnce(key, work).finally(() => this.#running.delete(key));
      this.#running.set(key, running);
    }
    return running as Promise<T>; // As above.
  }

  suspend(asked: unknown): Promise<unknown> {
    if (effectOf.getStore() === this)
      return this.#misused(new TypeError("suspend was called inside runOnce; call it after that"));
    let question: Question;
    try {
      question = questionOf(asked);
    } catch (error) {
      return this.#misused(error);
    }
    const { runId, answers, timedOut, answering } = this.#port.record;
    const index = this.#suspensions;
    this.#suspensions += 1;
    if (index >= answers.length) {
      void this.#settle(() => this.#end({ kind: "suspended", question }));
      // The step waits here for ever: its next try, after the resume, receives the data.
      return never();
    }
    const { name: step } = this.#parts;
    if (timedOut.includes(index)) return quiet(new SuspensionTimeoutError({ runId, step }));
    const isNew = answering !== null && index === answers.length - 1;
    if (!isNew || question.schema === undefined) return Promise.resolve(answers[index]);
    return this.#accept(question.schema, answers[index]);
  }

  sleep(time: unknown): Promise<void> {
    if (this.#ended) return never();
    const { sleeps } = this.#port.record;
    const index = this.#sleeps;
    this.#sleeps += 1;
    const stored = sleeps[index];
    if (stored !== undefined) return this.#sleepUntil(stored);
    try {
      const until = wakeTime(time, this.#port.now());
      this.#port.write({ sleeps: Object.freeze([...sleeps, until]) });
      return this.#sleepUntil(until);
    } catch (error) {
      return this.#misused(error);
    }
  }

  /** Runs the code of the step. */
  #begin(): void {
    const done = (value: unknown): void => {
      try {
        const output = copyIn(value, `output of step ${this.index}`, { depth: 2 });
        this.#end({ kind: "done", output });
      } catch (error) {
        this.#fail(error);
      }
    };
    try {
      const output = this.#port.step(this.index, this);
      if (isThenable(output)) output.then(done, (error: unknown) => void this.#threw(error));
      else done(output);
    } catch (error) {
      void this.#threw(error);
    }
  }

  /** The code of the step threw (J2). */
  #threw(error: unknown): Promise<void> {
    this.#stop(error);
    this.#end = () => undefined; // It failed, whatever its code still asks.
    return this.#settle(() => this.#fail(error));
  }

  /** Ends the try by `end` when no `runOnce` call is under way (J2). */
  async #settle(end: () => void): Promise<void> {
    await Promise.resolve(); // For calls that are made beside this one.
    while (this.#running.size > 0) await Promise.allSettled(this.#running.values());
    end();
  }

  /** Begins the time limit. */
  #limit(): void {
    const { name: step, timeoutMs } = this.#parts;
    if (timeoutMs === Infinity) return;
    const { runId } = this.#port.record;
    const over = (): void => this.#fail(new StepTimeoutError({ runId, step, timeoutMs }));
    this.#timers.set(this.#port.alarm(this.#port.now() + timeoutMs, over), Infinity);
  }

  #stop(reason: unknown): void {
    this.#aborted ??= { reason };
    this.#abort?.abort(this.#aborted.reason);
  }

  /** Fails the step, also when its code catches the error. */
  #misused(error: unknown): Promise<never> {
    this.#fail(error);
    return quiet(error);
  }

  /** Checks the data of a resume, once. */
  async #accept(schema: NonNullable<Question["schema"]>, data: unknown): Promise<unknown> {
    const { runId, answers } = this.#port.record;
    const scope = { type: "sequencer", id: runId };
    try {
      const value = await checkedValue(schema, data, { what: "data of the resume", scope });
      if (this.#ended) return await never();
      const accepted = Object.freeze([...answers.slice(0, -1), value]);
      this.#port.write({ answers: accepted, answering: null });
      return value;
    } catch (error) {
      this.#end({ kind: "refused", error });
      return never();
    }
  }

  async #sleepUntil(until: number): Promise<void> {
    if (until <= this.#port.now()) return;
    const over = new Promise<void>((resolve) => {
      const cancel = this.#port.alarm(until, () => {
        this.#timers.delete(cancel);
        resolve();
      });
      this.#timers.set(cancel, until);
    });
    await this.#rest();
    await over;
    await (this.#ended ? never() : this.#rest());
  }

  /** Says when the first of the sleeps under way ends. */
  #rest(): Promise<void> {
    const first = Math.min(...this.#timers.values());
    return this.#port.rest(first === Infinity ? null : first);
  }

  async #doOnce<T>(key: string, work: () => T | Promise<T>): Promise<T> {
    await this.#port.flush();
    const value = copyIn(await effectOf.run(this, work), `runOnce ${key}`, { depth: 2 });
    if (this.#ended) throw new Error("this try of the step has ended; its value is not kept");
    this.#port.check();
    const { effects } = this.#port.record;
    const kept = adding(this.#kept(), key, value);
    this.#port.write({ effects: adding(effects, this.#parts.name, kept) });
    await this.#port.flush();
    return value;
  }

  /** The `runOnce` values of this step. */
  #kept(): Readonly<Record<string, unknown>> {
    const { effects } = this.#port.record;
    const { name } = this.#parts;
    return Object.hasOwn(effects, name) ? (effects[name] ?? {}) : {};
  }
}

/** A promise that never settles. */
function never(): Promise<never> {
  return new Promise(() => undefined);
}

/** A rejected promise that need not be awaited. */
function quiet(error: unknown): Promise<never> {
  const rejected = Promise.reject(error);
  rejected.catch(() => undefined);
  return rejected;
}

/** A frozen copy of `record` with one more own field, whatever its name (V3 of `copy.ts`). */
function adding<T>(
  record: Readonly<Record<string, T>>,
  key: string,
  value: T,
): Readonly<Record<string, T>> {
  const next = { ...record };
  Object.defineProperty(next, key, { value, enumerable: true });
  return Object.freeze(next);
}
