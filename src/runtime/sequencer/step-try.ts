/**
 * One try of one step of a run.
 *
 * A suspended step waits for ever and never continues. Its code does not fail, so no `catch` or
 * `finally` of the caller runs for a suspension. A sleep of a try that has ended never ends either.
 *
 * Invariants
 *  J1  A try has one end: its code returned or threw, asked a question, refused an answer, was out
 *      of time, misused its context, or the run was lost. Nothing that its code does afterwards
 *      changes the record (Q4 of `steps.ts`).
 *  J2  A try whose code threw or asked ends when its effects (`step-effects.ts`) have ended and
 *      are in the record, so that the next try does not run them again.
 *      A suspension inside a `runOnce` would wait for its own end, so it is a misuse.
 *  J3  The n-th suspension and the n-th sleep of a step are the same ones in each of its tries. A
 *      sleep inside a `runOnce`, whose work may be run in one try and not in the next, has no
 *      number: it begins anew with the work.
 */
import { StepTimeoutError, SuspensionTimeoutError } from "../../../actors/errors.ts";
import { isThenable } from "../../../actors/scope/mutation.ts";
import { copyIn } from "../../../actors/state/copy.ts";
import { checkedValue } from "./checked-value.ts";
import { type Question, questionOf, type TransactOptions, wakeTime } from "./context.ts";
import type { RunPort, TryPort } from "./run-port.ts";
import { StepEffects } from "./step-effects.ts";

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
export class StepTry implements TryPort {
  readonly index: number;
  readonly attempt: number;
  readonly #port: RunPort;
  readonly #parts: TryParts;
  readonly #effects: StepEffects;
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
    this.#effects = new StepEffects(port, this);
  }

  get name(): string {
    return this.#parts.name;
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
    return this.#effects.runOnce(key, work);
  }

  transact(
    scopes: readonly unknown[],
    recipe: unknown,
    options: TransactOptions | undefined,
  ): Promise<unknown> {
    if (this.#effects.inside) return this.#misplaced("transact");
    return this.#effects.transact(scopes, recipe, options);
  }

  suspend(asked: unknown): Promise<unknown> {
    if (this.#effects.inside) return this.#misplaced("suspend");
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
    if (this.#effects.inside) return this.#sleepInside(time);
    const { sleeps } = this.#port.record;
    const index = this.#sleeps;
    this.#sleeps += 1;
    const stored = sleeps[index];
    if (stored !== undefined) return this.#sleepUntil(stored);
    try {
      const until = wakeTime(time, this.#port.now());
      this.#port.write({ sleeps: Object.freeze([...sleeps, until]), starts: 0 });
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

  /** Ends the try by `end` when no effect is under way (J2). */
  async #settle(end: () => void): Promise<void> {
    await Promise.resolve(); // For calls that are made beside this one.
    await this.#effects.settled();
    end();
  }

  /** A sleep in the work of a `runOnce` (J3). */
  #sleepInside(time: unknown): Promise<void> {
    try {
      return this.#sleepUntil(wakeTime(time, this.#port.now()));
    } catch (error) {
      return this.#misused(error);
    }
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

  /** Fails the step: its next try may not run the work of a `runOnce` again. */
  #misplaced(call: string): Promise<never> {
    return this.#misused(new TypeError(`${call} was called inside runOnce; call it after that`));
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
