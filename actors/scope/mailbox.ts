/**
 * The mailbox: a bounded FIFO of entries, one per waiting call.
 *
 * A linked list through the entries themselves: enqueue and take are O(1) at any depth (an array's
 * shift and the queue libraries were 10 to 190 times slower at 20,000 waiting), an idle mailbox
 * holds no memory, and an entry that left early stays linked as a dead link until its turn comes or
 * the dead outnumber the living.
 *
 *     #head → [entry] → [entry, left] → [entry] ← #tail        size counts the living only
 *
 * Invariants
 *  M1  Entries are taken in the order in which they were enqueued; each at most once.
 *  M2  At most `limit` living entries wait; the next one is refused before anything was enqueued.
 *  M3  An entry is settled exactly once, and a settled entry is never taken.
 *  M4  Dead links are never more than the living plus `DEAD_MAX`.
 */
import { onAbort } from "./abort.ts";
import { monotonic } from "../time/clock.ts";
import { MailboxFullError, ScopeStoppedError } from "../errors.ts";
import type { Mutation } from "./mutation.ts";
import type { MutationOptions, Patch, ScopeIdentity } from "../protocol.ts";
import { optionNames, refuseUnknown, type ScopeSettings, timeoutOption } from "./options.ts";
import type { CapturedContext, Cascade, Turn } from "./reentrancy.ts";
import { copyIn } from "../state/copy.ts";

/** Dead links that may stay in a mailbox in which nobody waits. */
export const DEAD_MAX = 64;

/** Work that has the scope to itself until its promise settles: a delete, a refresh, a hold. */
export interface Solo {
  readonly solo: (entry: Entry) => Promise<boolean>;
  /** A write is under way: who leaves now cannot know its outcome. */
  readonly unknown?: boolean;
  /** The work makes the state known and in time by itself, so that is not done before. */
  readonly reloads?: boolean;
}

/** What a mutation did when it ran; kept until its round is confirmed. */
export interface Outcome {
  readonly changed: boolean;
  readonly error: { readonly thrown: unknown } | null;
  readonly patches: readonly Patch[] | null;
  readonly inverse: readonly Patch[] | null;
  readonly computed: unknown;
}

/** One call that waits, runs or waits for its save. */
export class Entry {
  readonly work: Mutation | Solo;
  readonly options: MutationOptions | undefined;
  /** Milliseconds of `monotonic`; `Infinity` = no deadline. */
  readonly deadline: number;
  next: Entry | null = null;
  context: CapturedContext | null = null;
  turn: Turn | null = null;
  /** The listeners that made the call. */
  cause: Cascade | undefined = undefined;
  /** The open round it belongs to. */
  joined: { readonly reworking: boolean } | null = null;
  /** How often its code was run. */
  attempt = 0;
  outcome: Outcome | null = null;
  /** Called when it is settled. */
  release: (() => void) | null = null;
  #resolve: ((value: boolean | Promise<never>) => void) | null;
  readonly promise: Promise<boolean>;

  constructor(work: Mutation | Solo, deadline: number, options: MutationOptions | undefined) {
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

  get settled(): boolean {
    return this.#resolve === null;
  }

  /** Answers the caller; nothing happens when he has been answered (M3). */
  resolve(changed: boolean): void {
    this.#settle()?.(changed);
  }

  /** Refuses the caller; nothing happens when he has been answered (M3). */
  reject(error: unknown): void {
    // Only `resolve` is kept per entry, which saves a function object for each waiting call.
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
 * An entry for a call made now: its deadline runs, and its options are the caller's no longer.
 * Throws `TypeError` for an unknown option.
 */
export function createEntry(
  work: Mutation | Solo,
  options: MutationOptions | undefined,
  { clock, mutationTimeoutMs }: ScopeSettings,
): Entry {
  if (options !== undefined) refuseUnknown("a mutation", options, OPTIONS);
  const timeoutMs =
    options?.timeoutMs === undefined
      ? mutationTimeoutMs
      : timeoutOption(options.timeoutMs, mutationTimeoutMs);
  const deadline = timeoutMs === Infinity ? Infinity : monotonic(clock) + timeoutMs;
  if (options === undefined) return new Entry(work, deadline, options);
  const own = { ...options };
  if (own.meta === undefined) return new Entry(work, deadline, own);
  return new Entry(work, deadline, { ...own, meta: copyIn(own.meta, "meta") });
}

/** Calls `leave` when the caller's signal aborts before the entry is settled. */
export function leaveOnAbort(entry: Entry, leave: (reason: unknown) => void): void {
  const signal = entry.options?.signal;
  if (signal === undefined) return;
  entry.onSettled(onAbort(signal, () => leave(signal.reason)));
}

/** A bounded FIFO of entries. */
export class Mailbox {
  readonly #limit: number;
  #head: Entry | null = null;
  #tail: Entry | null = null;
  #size = 0;
  #dead = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How many living entries wait. */
  get size(): number {
    return this.#size;
  }

  /** Adds at the end; throws `MailboxFullError` at the limit (M2). */
  enqueue(entry: Entry, identity: ScopeIdentity): void {
    if (this.#size >= this.#limit) throw new MailboxFullError(this.#limit, { scope: identity });
    if (this.#tail === null) this.#head = entry;
    else this.#tail.next = entry;
    this.#tail = entry;
    this.#size += 1;
  }

  /** Puts an entry that was just taken back to the front. */
  putBack(entry: Entry): void {
    entry.next = this.#head;
    this.#head = entry;
    this.#tail ??= entry;
    this.#size += 1;
  }

  /** Takes the oldest living entry, or nothing. */
  take(): Entry | null {
    while (this.#head !== null) {
      const entry: Entry = this.#head;
      this.#head = entry.next;
      if (this.#head === null) this.#tail = null;
      entry.next = null;
      if (!entry.settled) {
        this.#size -= 1;
        return entry;
      }
      this.#dead -= 1; // It left early and was counted out by `left`.
    }
    return null;
  }

  /** Refuses a waiting entry. */
  leave(entry: Entry, reason: unknown): void {
    entry.reject(reason);
    this.left();
  }

  /** A waiting entry was settled early. */
  left(): void {
    this.#size -= 1;
    this.#dead += 1;
    if (this.#dead > this.#size + DEAD_MAX) this.#sweep();
  }

  /** Unlinks the dead. They keep their own links, so whoever stands on one finds the way on. */
  #sweep(): void {
    let last: Entry | null = null;
    for (const entry of this) {
      if (last === null) this.#head = entry;
      else last.next = entry;
      last = entry;
    }
    if (last === null) this.#head = null;
    else last.next = null;
    this.#tail = last;
    this.#dead = 0;
  }

  /** The living entries, oldest first; while it is read, entries may only leave. */
  *[Symbol.iterator](): Generator<Entry> {
    for (let entry = this.#head; entry !== null; entry = entry.next)
      if (!entry.settled) yield entry;
  }
}
