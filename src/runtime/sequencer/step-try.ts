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
import type { CurrentStep, RunPort, TryPort } from "./run-port.ts";
import { StepEffects } from "./step-effects.ts";

/** Where the output of a step is in the record. */
const STORED = { depth: 2 };

/** How a try ended that did not fail. */
export type TryEnd =
  | { readonly kind: "done"; readonly output: unknown }
  | { readonly kind: "suspended"; readonly question: Question }
  | { readonly kind: "refused"; readonly error: unknown };

/** Tries a step once; rejects with what its code threw, or with what else made the try fail. */
export function tryStep(port: RunPort, current: CurrentStep): Promise<TryEnd> {
  return new Promise((resolve, reject) => {
    new StepTry(port, current, resolve, reject).begin();
  });
}

/** One try of one step; see the head of this file. Parts are made at their first use. */
class StepTry implements TryPort {
  readonly index: number;
  readonly name: string;
  readonly attempt: number;
  readonly #port: RunPort;
  readonly #current: CurrentStep;
  readonly #resolve: (end: TryEnd) => void;
  readonly #reject: (error: unknown) => void;
  #effects: StepEffects | null = null;
  /** What cancels the timers of the try, and when its sleeps under way end. */
  #timers: Map<() => void, number> | null = null;
  #suspensions = 0;
  #sleeps = 0;
  #ended = false;
  /** The code threw: the try fails, whatever that code still asks. */
  #hasThrown = false;
  #abort: AbortController | null = null;
  #aborted: { readonly reason: unknown } | null = null;

  constructor(
    port: RunPort,
    current: CurrentStep,
    resolve: (end: TryEnd) => void,
    reject: (error: unknown) => void,
  ) {
    this.#port = port;
    this.#current = current;
    this.#resolve = resolve;
    this.#reject = reject;
    this.index = current.index;
    this.name = current.step.name;
    this.attempt = port.record.tries + 1;
  }

  /** Runs the code of the step; called once. */
  begin(): void {
    this.#port.onLost((reason) => this.#fail(reason));
    this.#limit();
    try {
      const output = this.#port.step(this.#current.step, this);
      if (!isThenable(output)) return this.#done(output);
      Promise.resolve(output).then(
        (value: unknown) => this.#done(value),
        (error: unknown) => void this.#threw(error),
      );
    } catch (error) {
      void this.#threw(error);
    }
  }

  get ended(): boolean {
    return this.#ended;
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#aborted !== null) this.#abort.abort(this.#aborted.reason);
    return this.#abort.signal;
  }

  runOnce<T>(key: string, work: () => T | Promise<T>): Promise<T> {
    return this.#used.runOnce(key, work);
  }

  transact(
    scopes: readonly unknown[],
    recipe: unknown,
    options: TransactOptions | undefined,
  ): Promise<unknown> {
    if (this.#isInside) return this.#misplaced("transact");
    return this.#used.transact(scopes, recipe, options);
  }

  suspend(asked: unknown): Promise<unknown> {
    if (this.#isInside) return this.#misplaced("suspend");
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
    const { name: step } = this;
    if (timedOut.includes(index)) return quiet(new SuspensionTimeoutError({ runId, step }));
    const isNew = answering !== null && index === answers.length - 1;
    if (!isNew || question.schema === undefined) return Promise.resolve(answers[index]);
    return this.#accept(question.schema, answers[index]);
  }

  sleep(time: unknown): Promise<void> {
    if (this.#ended) return never();
    const { sleeps } = this.#port.record;
    const isNumbered = !this.#isInside; // J3
    const stored = isNumbered ? sleeps[this.#sleeps] : undefined;
    if (isNumbered) this.#sleeps += 1;
    if (stored !== undefined) return this.#sleepUntil(stored);
    try {
      const until = wakeTime(time, this.#port.now());
      if (isNumbered) this.#port.write({ sleeps: Object.freeze([...sleeps, until]), starts: 0 });
      return this.#sleepUntil(until);
    } catch (error) {
      return this.#misused(error);
    }
  }

  get #used(): StepEffects {
    return (this.#effects ??= new StepEffects(this.#port, this));
  }

  /** True in the work of a `runOnce` of this try. */
  get #isInside(): boolean {
    return this.#effects?.inside === true;
  }

  /** The code of the step returned. */
  #done(value: unknown): void {
    try {
      this.#end({ kind: "done", output: copyIn(value, `output of step ${this.index}`, STORED) });
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The code of the step threw (J2). */
  #threw(error: unknown): Promise<void> {
    this.#stop(error);
    this.#hasThrown = true;
    return this.#settle(() => this.#fail(error));
  }

  /** Ends the try by `end` when no effect is under way (J2). */
  async #settle(end: () => void): Promise<void> {
    await Promise.resolve(); // For calls that are made beside this one.
    await this.#effects?.settled();
    end();
  }

  #end(end: TryEnd): void {
    if (this.#ended || this.#hasThrown) return;
    this.#close();
    this.#resolve(end);
  }

  #fail(error: unknown): void {
    if (this.#ended) return;
    this.#close();
    this.#stop(error);
    this.#reject(error);
  }

  #close(): void {
    this.#ended = true;
    if (this.#timers !== null) for (const cancel of this.#timers.keys()) cancel();
  }

  /** Begins the time limit. */
  #limit(): void {
    const { timeoutMs } = this.#current.rules;
    if (timeoutMs === Infinity) return;
    const { name: step } = this;
    const { runId } = this.#port.record;
    const over = (): void => this.#fail(new StepTimeoutError({ runId, step, timeoutMs }));
    this.#timed.set(this.#port.alarm(this.#port.now() + timeoutMs, over), Infinity);
  }

  get #timed(): Map<() => void, number> {
    return (this.#timers ??= new Map());
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
        this.#timed.delete(cancel);
        resolve();
      });
      this.#timed.set(cancel, until);
    });
    await this.#rest();
    await over;
    await (this.#ended ? never() : this.#rest());
  }

  /** Says when the first of the sleeps under way ends. */
  #rest(): Promise<void> {
    const first = Math.min(...this.#timed.values());
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
