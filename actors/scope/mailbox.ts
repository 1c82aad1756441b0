/**
 * The mailbox of a scope: a bounded FIFO of waiting calls.
 *
 * It is a linked list through the calls themselves: enqueue and take are O(1) at any length. (An
 * array's shift and the queue libraries were 10 to 190 times slower at 20,000 waiting calls.) An
 * idle mailbox uses no memory. A call that is cancelled while it waits stays linked until it is
 * reached, or until the settled links are too many (M4).
 *
 *     #head → [call] → [call, cancelled] → [call] ← #tail        size counts waiting calls only
 *
 * Invariants
 *  M1  Calls are taken in the order in which they were enqueued; one that is put back goes first.
 *  M2  `enqueue` refuses a call at the limit; a call that is put back is not counted against it.
 *  M3  A call is settled exactly once, and a settled call is never taken.
 *  M4  After a cancellation the settled links are at most the waiting calls plus `DEAD_MAX`.
 */
import { isHoldfastError, MailboxFullError } from "../errors.ts";
import type { Mutation } from "./mutation.ts";
import type { MutationOptions, OperationName, Patch, ScopeIdentity } from "../protocol.ts";
import type { CapturedContext, Cascade, RunContext } from "./reentrancy.ts";
import { codeOf, type Trace } from "./trace.ts";

/** Most settled links in a mailbox without waiting calls. */
export const DEAD_MAX = 64;

/** The calls that are made inside an exclusive task. */
export interface InnerCalls {
  /** The state that readers see meanwhile; `null` when the draft state is the confirmed one. */
  readonly confirmed: object | null;
  /** Refuses these calls; resolves when a save in flight has settled its calls. */
  stop(): Promise<void>;
}

/** Work with the scope to itself until its promise settles: a delete, a refresh, a section. */
export interface ExclusiveTask {
  /** Set when it changes the scope. */
  readonly operation?: OperationName;
  /** Resolves to whether it changed the scope; without a value it did not. */
  readonly task: (call: Call) => Promise<boolean | void>;
  /** A write is under way: the outcome of a call that is cancelled now is unknown. */
  readonly unknown?: boolean;
  /** The task itself reads the store and ends an expired state, so that is not done before. */
  readonly reloads?: boolean;
  /** The calls of an exclusive section on the scope that it has. */
  readonly inner?: InnerCalls | null;
}

/**
 * The stage of a call: it waits, waits for a read of the store, runs, is applied, has the scope to
 * itself, waits for the save of a commit batch, or for the other calls of a batch that runs again.
 */
export type CallStage =
  | "queued"
  | "reloading"
  | "running"
  | "writing"
  | "exclusive"
  | "joined"
  | "replaying";

/** The outcome of a mutation; kept until its batch is confirmed. */
export interface Outcome {
  readonly changed: boolean;
  readonly error: { readonly thrown: unknown } | null;
  readonly patches: readonly Patch[] | null;
  readonly inverse: readonly Patch[] | null;
  readonly computed: unknown;
}

type Resolve = (value: boolean | Promise<never>) => void;

/** The function that resolves the promise made last; one for all calls saves each a closure. */
let lastResolve: Resolve | null = null;

function keepResolve(resolve: Resolve): void {
  lastResolve = resolve;
}

/** One call that waits, runs or waits for its save. What few have is declared: others lack it. */
export class Call {
  readonly work: Mutation | ExclusiveTask;
  declare readonly options: MutationOptions | undefined;
  /** Milliseconds of `monotonic`; `Infinity` = no deadline. */
  readonly deadline: number;
  next: Call | null = null;
  context: CapturedContext | null = null;
  /** The last run of its code. */
  run: RunContext | null = null;
  /** The cascade to which the call belongs. */
  declare cause: Cascade | undefined;
  stage: CallStage = "queued";
  /** Absent when it is not traced. */
  declare trace: Trace | null | undefined;
  outcome: Outcome | null = null;
  /** Called when the call is settled. */
  declare release: (() => void) | undefined;
  #resolve: Resolve | null;
  readonly promise: Promise<boolean>;

  constructor(
    work: Mutation | ExclusiveTask,
    deadline: number,
    options: MutationOptions | undefined,
  ) {
    this.work = work;
    this.deadline = deadline;
    if (options !== undefined) this.options = options;
    this.promise = new Promise<boolean>(keepResolve); // Sets `lastResolve` before it returns.
    this.#resolve = lastResolve;
  }

  /** The mutation; not to be read of an exclusive task. */
  get mutation(): Mutation {
    return this.work as Mutation; // The caller has checked that it is no exclusive task.
  }

  /** The calls that are made inside it, when it is an exclusive section. */
  get inner(): InnerCalls | null {
    return ("task" in this.work && this.work.inner) || null;
  }

  get settled(): boolean {
    return this.#resolve === null;
  }

  /** Resolves the call to the answer of its mutation; does nothing when it is settled (M3). */
  resolve(changed: boolean): void {
    if (this.#resolve === null) return;
    const { work } = this; // A task has no answer of its own.
    const answer = "task" in work || work.answer === undefined ? changed : work.answer(changed);
    this.trace?.settled("ok");
    Call.#settle(this, answer as boolean); // The maker of a mutation knows the type of its answer.
  }

  /** Rejects the call; does nothing when it is settled (M3). */
  reject(error: unknown): void {
    if (this.#resolve === null) return;
    this.trace?.settled(codeOf(error)); // Before code that awaits the call continues.
    // Only `resolve` is kept, which saves a function object per waiting call.
    Call.#settle(this, Promise.reject(error));
    // A stop is intended: a rejection that no caller handles must not end the process.
    if (isHoldfastError(error, "SCOPE_STOPPED")) this.promise.catch(() => undefined);
  }

  /** Settles a call. Static: V8 keeps a word in each object of a class with a private method. */
  static #settle(call: Call, value: boolean | Promise<never>): void {
    const resolve = call.#resolve;
    const { release } = call;
    call.#resolve = null;
    if (release !== undefined) call.release = undefined;
    release?.();
    resolve?.(value);
  }

  /** Calls back when the call is settled, in the order of registration. */
  onSettled(callback: () => void): void {
    const before = this.release;
    this.release = before === undefined ? callback : () => (before(), callback());
  }
}

/** The scope of a mailbox. */
interface MailboxOwner {
  readonly identity: ScopeIdentity;
  readonly settings: { readonly mailboxLimit: number };
}

/** A bounded FIFO of calls. */
export class Mailbox {
  #head: Call | null = null;
  #tail: Call | null = null;
  #size = 0;
  #settledLinks = 0;

  /** How many calls wait. */
  get size(): number {
    return this.#size;
  }

  /** Adds at the end; rejects with `MailboxFullError` at the limit of its scope (M2). */
  enqueue(call: Call, { identity: scope, settings: { mailboxLimit } }: MailboxOwner): void {
    if (this.#size >= mailboxLimit)
      return call.reject(new MailboxFullError(mailboxLimit, { scope }));
    call.trace?.waits();
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

  /** Takes the oldest waiting call; `null` when none waits. */
  take(): Call | null {
    while (this.#head !== null) {
      const call: Call = this.#head;
      this.#head = call.next;
      if (this.#head === null) this.#tail = null;
      call.next = null;
      if (!call.settled) {
        this.#size -= 1;
        call.trace?.begin();
        return call;
      }
      this.#settledLinks -= 1; // It was cancelled; `cancelled` has updated the size.
    }
    return null;
  }

  /** Rejects all waiting calls, each with its own error. */
  rejectAll(error: () => unknown): void {
    for (let call = this.take(); call !== null; call = this.take()) call.reject(error());
  }

  /** A waiting call was settled before it was taken. */
  cancelled(): void {
    this.#size -= 1;
    this.#settledLinks += 1;
    if (this.#settledLinks > this.#size + DEAD_MAX) this.#sweep();
  }

  /** Unlinks settled calls. They keep their own links, so an iterator at one can continue. */
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
    this.#settledLinks = 0;
  }

  /** The waiting calls, oldest first; during the iteration calls may only be cancelled. */
  *[Symbol.iterator](): Generator<Call> {
    for (let call = this.#head; call !== null; call = call.next) if (!call.settled) yield call;
  }
}
