/**
 * One run of the code of a call, synchronous or not, in its caller's async context.
 *
 *     start ──synchronous──────────────────────────▶ over
 *       └──promise──▶ settles ──────────────────────▶ over       lose, drop: from anywhere
 *                        └──kept by `pause`──resume──▶ over
 *
 * Invariants
 *  X1  A run is over exactly once, with a value, a throw, or because its call was cancelled; a
 *      dropped run reports no end.
 *  X2  What the code does after that has no effect, and its rejection is handled.
 *  X3  A run that is paused is not over before `resume`.
 */
import type { ScopeCore } from "./scope-core.ts";
import type { Call } from "./mailbox.ts";
import { isThenable } from "./mutation.ts";
import { RunContext, type Held } from "./reentrancy.ts";

/** How user code ended; `cancelled`: its call is settled and the result is ignored. */
export type Ended = { readonly value: unknown } | { readonly thrown: unknown } | "cancelled";

/** The end of a mutation without code. */
export const NOTHING = { value: undefined } as const;

/** One run; see the head of this file. */
export class MutatorRun extends RunContext {
  readonly call: Call;
  /** Receives the end, and whether it came after `start` had returned; `null`: over. */
  #over: ((ended: Ended, isLate: boolean) => void) | null;
  #isAsync = false;
  #isPaused = false;
  #kept: Ended | null = null;

  constructor(call: Call, over: (ended: Ended, isLate: boolean) => void) {
    super((call.run?.attempt ?? 0) + 1);
    this.call = call;
    this.#over = over;
    call.run = this;
  }

  /** Its end was reported, or it was dropped. */
  get isOver(): boolean {
    return this.#over === null;
  }

  /** Runs the code on the present draft state of `scope`, as code that holds `holders`. */
  start(scope: ScopeCore, holders: readonly Held[] | undefined): void {
    const { context, mutation } = this.call;
    this.call.stage = "running";
    this.call.trace?.begin();
    if (mutation.compute === undefined) return this.#end(NOTHING);
    const state = scope.draft.expose();
    const compute = (): unknown => mutation.compute?.(state, this);
    const code = (): unknown =>
      holders === undefined ? this.run(scope, compute) : this.runJointly(holders, compute);
    let ended: Ended;
    try {
      const value = context === null ? code() : context.runInAsyncScope(code);
      if (isThenable(value)) return this.#await(value);
      ended = { value };
    } catch (thrown) {
      ended = { thrown };
    }
    this.#end(ended);
  }

  /** Its call was settled, or it was dropped. */
  override lose(reason: unknown): void {
    super.lose(reason);
    if (this.#isAsync) this.#end("cancelled"); // Else `start` checks when the code returns.
  }

  /** Abandons a run whose call still waits, so that it can run again. */
  drop(): void {
    this.#over = null;
    this.call.trace?.ran();
    this.lose(undefined);
  }

  /** Keeps the end until `resume` (X3). */
  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    if (this.#kept !== null) this.#end(this.#kept);
  }

  #await(value: PromiseLike<unknown>): void {
    this.#isAsync = true;
    const settle = (ended: Ended): void => {
      this.end();
      this.call.trace?.ran();
      if (this.#isPaused) this.#kept = ended;
      else this.#end(ended);
    };
    // Through a promise: another thenable may call back at once, twice, or throw.
    Promise.resolve(value).then(
      (result) => settle({ value: result }),
      (thrown: unknown) => settle({ thrown }),
    );
    // A mutator can abort its own call, or stop the scope, before its first `await`.
    if (this.call.settled) this.#end("cancelled");
  }

  #end(ended: Ended): void {
    const over = this.#over;
    this.#over = null;
    this.end();
    over?.(this.call.settled ? "cancelled" : ended, this.#isAsync);
  }
}
