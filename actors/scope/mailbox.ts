/**
 * The mailbox: a bounded FIFO of calls, one per waiting call.
 *
 * A linked list through the calls themselves: enqueue and take are O(1) at any depth (an array's
 * shift and the queue libraries were 10 to 190 times slower at 20,000 waiting), an idle mailbox
 * holds no memory, and a call that left early stays linked as a dead link until its turn comes or
 * the dead outnumber the living.
 *
 *     #head → [call] → [call, left] → [call] ← #tail        size counts the living only
 *
 * Invariants
 *  M1  Calls are taken in the order in which they were enqueued; each at most once.
 *  M2  At most `limit` living calls wait; the next one is refused before anything was enqueued.
 *  M3  A call is settled exactly once, and a settled call is never taken.
 *  M4  Dead links are never more than the living plus `DEAD_MAX`.
 */
import { monotonic } from "../time/clock.ts";
import { MailboxFullError, ScopeStoppedError } from "../errors.ts";
import type { Mutation } from "./mutation.ts";
import type { MutationOptions, Patch, ScopeIdentity } from "../protocol.ts";
import { optionNames, refuseUnknown, type ScopeSettings, timeoutOption } from "./options.ts";
import type { CapturedContext, Cascade, RunContext } from "./reentrancy.ts";
import { copyIn } from "../state/copy.ts";

/** Dead links that may stay in a mailbox in which nobody waits. */
export const DEAD_MAX = 64;

/** Work that has the scope to itself until its promise settles: a delete, a refresh, a section. */
export interface ExclusiveTask {
  readonly task: (call: Call) => Promise<boolean>;
  /** A write is under way: a caller that cancels now cannot know its outcome. */
  readonly unknown?: boolean;
  /** The task makes the state known and in time by itself, so that is not done before. */
  readonly reloads?: boolean;
}

/**
 * Where a call is: it waits, waits for the store to be read, runs, is applied, has the scope to
 * itself, or waits with a commit batch.
 */
export type CallStage = "queued" | "reloading" | "running" | "writing" | "exclusive" | "joined";

/** What a mutation did when it ran; kept until its batch is confirmed. */
export interface Outcome {
  readonly changed: boolean;
  readonly error: { readonly thrown: unknown } | null;
  readonly patches: readonly Patch[] | null;
  readonly inverse: readonly Patch[] | null;
  readonly computed: unknown;
}

/** One call that waits, runs or waits for its save. */
export class Call {
  readonly work: Mutation | ExclusiveTask;
  readonly options: MutationOptions | undefined;
  /** Milliseconds of `monotonic`; `Infinity` = no deadline. */
  readonly deadline: number;
  next: Call | null = null;
  context: CapturedContext | null = null;
  run: RunContext | null = null;
  /** The listeners that made the call. */
  cause: Cascade | undefined = undefined;
  stage: CallStage = "queued";
  /** The commit batch that it joined. */
  batch: { readonly replaying: boolean; cancelled(call: Call): void } | null = null;
  /** How often its code was run. */
  attempt = 0;
  outcome: Outcome | null = null;
  /** Called when it is settled. */
  release: (() => void) | null = null;
  #resolve: ((value: boolean | Promise<never>) => void) | null;
  readonly promise: Promise<boolean>;

  constructor(
    work: Mutation | ExclusiveTask,
    deadline: number,
    options: MutationOptions | undefined,
  ) {
    this.work = work;
    this.deadline = deadline;
    this.options = options;
    // Filled by the executor below, which the language runs before the constructor goes on.
    let settle: ((value: boolean | Promise<never>) => void) | null = null;
    this.promise = new Promise<boolean>((resolve) => {
      settle = resolve;
    });
    this.#resolve = settle;
  }

  /** What it runs; not to be asked of an exclusive task. */
  get mutation(): Mutation {
    return this.work as Mutation; // See above.
  }

  get signal(): AbortSignal | undefined {
    return this.options?.signal;
  }

  get settled(): boolean {
    return this.#resolve === null;
  }

  /** Answers the caller; nothing happens when he has been answered (M3). */
  resolve(changed: boolean): void {
    this.#settle()?.(changed);
  }

  /** Refuses the caller; nothing happens when he has been answered (M3). */
  reject(error: unknown): void {
    // Only `resolve` is kept per call, which saves a function object for each waiting call.
    const resolve = this.#settle();
    if (resolve === null) return;
    resolve(Promise.reject(error));
    // Who stopped the scope knows; a caller who looks away must not end the process for it.
    if (error instanceof ScopeStoppedError) this.promise.catch(() => undefined);
  }

  #settle(): ((value: boolean | Promise<never>) => void) | null {
    const resolve = this.#resolve;
    this.#resolve = null;
    this.release?.();
    this.release = null;
    return resolve;
  }

  /** Calls back when it is settled, in the order in which the callbacks were given. */
  onSettled(callback: () => void): void {
    const before = this.release;
    this.release = before === null ? callback : () => (before(), callback());
  }
}

const OPTIONS = optionNames<MutationOptions>({ signal: true, timeoutMs: true, meta: true });

/**
 * A call for a call made now: its deadline runs, and its options are the caller's no longer.
 * Throws `TypeError` for an unknown option.
 */
export function createCall(
  work: Mutation | ExclusiveTask,
  options: MutationOptions | undefined,
  { clock, mutationTimeoutMs }: ScopeSettings,
): Call {
  if (options !== undefined) refuseUnknown("a mutation", options, OPTIONS);
  const timeoutMs =
    options?.timeoutMs === undefined
      ? mutationTimeoutMs
      : timeoutOption(options.timeoutMs, mutationTimeoutMs);
  const deadline = timeoutMs === Infinity ? Infinity : monotonic(clock) + timeoutMs;
  if (options === undefined) return new Call(work, deadline, options);
  const own = { ...options };
  if (own.meta === undefined) return new Call(work, deadline, own);
  return new Call(work, deadline, { ...own, meta: copyIn(own.meta, "meta") });
}

/** A bounded FIFO of calls. */
export class Mailbox {
  readonly #limit: number;
  #head: Call | null = null;
  #tail: Call | null = null;
  #size = 0;
  #dead = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How many living calls wait. */
  get size(): number {
    return this.#size;
  }

  /** Adds at the end; rejects with `MailboxFullError` at the limit (M2). */
  enqueue(call: Call, scope: ScopeIdentity): void {
    if (this.#size >= this.#limit) return call.reject(new MailboxFullError(this.#limit, { scope }));
    if (this.#tail === null) this.#head = call;
    else this.#tail.next = call;
    this.#tail = call;
    this.#size += 1;
  }

  /** Puts a call that was just taken back to the front. */
  putBack(call: Call): void {
    call.stage = "queued";
    call.next = this.#head;
    this.#head = call;
    this.#tail ??= call;
    this.#size += 1;
  }

  /** Takes the oldest living call, or nothing. */
  take(): Call | null {
    while (this.#head !== null) {
      const call: Call = this.#head;
      this.#head = call.next;
      if (this.#head === null) this.#tail = null;
      call.next = null;
      if (!call.settled) {
        this.#size -= 1;
        return call;
      }
      this.#dead -= 1; // It left early and was counted out by `left`.
    }
    return null;
  }

  /** Rejects all that wait, each with an error of its own. */
  refuse(error: () => unknown): void {
    for (let call = this.take(); call !== null; call = this.take()) call.reject(error());
  }

  /** A waiting call was settled early. */
  left(): void {
    this.#size -= 1;
    this.#dead += 1;
    if (this.#dead > this.#size + DEAD_MAX) this.#sweep();
  }

  /** Unlinks the dead. They keep their own links, so whoever stands on one finds the way on. */
  #sweep(): void {
    let last: Call | null = null;
    for (const call of this) {
      if (last === null) this.#head = call;
      else last.next = call;
      last = call;
    }
    if (last === null) this.#head = null;
    else last.next = null;
    this.#tail = last;
    this.#dead = 0;
  }

  /** The living calls, oldest first; while it is read, calls may only leave. */
  *[Symbol.iterator](): Generator<Call> {
    for (let call = this.#head; call !== null; call = call.next) if (!call.settled) yield call;
  }
}
