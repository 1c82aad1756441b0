/**
 * Tracing channels of `node:diagnostics_channel`: calls, saves, loads, exclusive sections, steps
 * and runs, for programs that measure them or bind their async context to them.
 *
 *     start ─▶ (the code, in the stores bound to `start`) ─▶ end ─▶ (error) ─▶ asyncStart, asyncEnd
 *
 * One message goes through all events of an operation, and is filled in until `asyncEnd`.
 *
 * Invariants
 *  T1  Without a subscriber an operation reads `hasSubscribers` and makes nothing: no message, no
 *      closure, no call.
 *  T2  What a subscriber throws, or its promise rejects with, goes to the logger only. It affects
 *      no operation and no other subscriber; nor does what it does to the message.
 *  T3  An operation that a subscriber starts before it returns is not traced: a subscriber that
 *      writes what it receives into a scope does not cause itself.
 *  T4  A message has identities, durations, counts and a code; no state, argument, result or error.
 *  T5  Each traced operation has one `start` and one `asyncEnd`, in this order, whatever happens.
 */
import { type Channel, type TracingChannel, tracingChannel } from "node:diagnostics_channel";
import { performance } from "node:perf_hooks";
import { types } from "node:util";
import type { OperationTrace } from "../operation-trace.ts";
import type { Logger, ScopeIdentity } from "../protocol.ts";
import { isError } from "../realm.ts";
import { isPlainObject, sizeBytes } from "../state/copy.ts";
import { afterThis } from "../time/soon.ts";
import { outsideTurns } from "./reentrancy.ts";
import { safeCall } from "./safe-call.ts";

type Tracing = TracingChannel<OperationTrace, OperationTrace>;

/** Calls that change a scope, from the call until its promise is settled. */
export const MUTATIONS: Tracing = tracingChannel("holdfast.mutation");
/** Saves of a scope, each attempt on its own. */
export const SAVES: Tracing = tracingChannel("holdfast.save");
/** Reads of the record of a scope that is in memory, or enters it. */
export const LOADS: Tracing = tracingChannel("holdfast.load");
/** Exclusive sections, from the request for their scopes until these are released. */
export const SECTIONS: Tracing = tracingChannel("holdfast.exclusive");
/** Steps of sequencer runs, each try on its own. */
export const STEPS: Tracing = tracingChannel("holdfast.step");
/** Sequencer runs, each execution on its own: a run that is resumed has several. */
export const RUNS: Tracing = tracingChannel("holdfast.run");

/** The scope that an operation belongs to, and where its subscribers' failures go. */
export interface Traced {
  readonly identity: ScopeIdentity;
  readonly settings: { readonly logger: Logger; readonly storeName: string | undefined };
}

/** What is known of an operation when it starts. */
export type KnownFields = Partial<OperationTrace> & Pick<OperationTrace, "operation">;

/** True while a subscriber is called (T3). */
let isPublishing = false;

/** One traced operation; see the head of this file. */
export class Trace {
  readonly message: OperationTrace;
  readonly #channel: Tracing;
  readonly #report: (error: unknown) => void;
  readonly #made = performance.now();
  /** When the present run of its code began; `null`: it waits, or has ended. */
  #began: number | null = this.#made;
  #runs = 0;
  #runMs = 0;
  #isOver = false;
  /** The stores bound to `start`, with their values; made once. */
  #bound: readonly Bound[] | null = null;

  constructor(channel: Tracing, { identity, settings }: Traced, known: KnownFields) {
    const { logger, storeName: store } = settings;
    const first = { waitMs: 0, runMs: 0, attempt: 1, batchSize: 1, bytes: undefined };
    this.message = { scope: identity, store, ...first, ...known, code: undefined };
    this.#channel = channel;
    this.#report = (error) =>
      logger.error("a subscriber of a tracing channel threw", { scope: identity, error });
  }

  /** Fills in fields; a message that a subscriber has frozen stays as it is (T2). */
  set(fields: Partial<OperationTrace>): void {
    for (const [name, value] of Object.entries(fields)) Reflect.set(this.message, name, value);
  }

  /** It waits until `begin`; without this call it begins when it is made. */
  waits(): void {
    this.#began = null;
  }

  /** Its code begins: for the first time, or again. */
  begin(): void {
    this.#began = performance.now();
    if (this.#runs === 0) this.set({ waitMs: this.#began - this.#made });
  }

  /** Its code has ended, if it runs. */
  ran(): void {
    if (this.#began === null) return;
    this.#runs += 1;
    this.#runMs += performance.now() - this.#began;
    this.#began = null;
    this.set({ runMs: this.#runMs, attempt: Math.max(this.#runs, this.message.attempt) });
  }

  /**
   * Runs the synchronous part of the operation in the bound stores, with `start` and `end`; when it
   * throws, the operation is over.
   */
  run<T>(code: () => T): T {
    const { start, end } = this.#channel;
    return this.within(() => {
      this.#publish(start);
      try {
        return code();
      } catch (error) {
        this.settled(codeOf(error));
        throw error;
      } finally {
        this.#publish(end);
      }
    });
  }

  /** The operation is over, with "ok" or the code of its error; the first call counts (T5). */
  settled(code: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#began === null && this.#runs === 0)
      this.set({ waitMs: performance.now() - this.#made });
    this.ran();
    this.set({ code });
    // When the running code has returned: it is the library's, or of a caller.
    afterThis(() => {
      const { error, asyncStart, asyncEnd } = this.#channel;
      if (code !== "ok") this.#publish(error);
      this.#publish(asyncStart);
      this.#publish(asyncEnd);
    });
  }

  /**
   * `publish` of Node throws what a subscriber throws again in the next tick, which ends the
   * process (T2). So the subscribers are called here, from the field in which every Node keeps
   * them; should a later one not have it, its `publish` is used.
   */
  #publish(channel: Channel<OperationTrace, OperationTrace>): void {
    if (!channel.hasSubscribers) return;
    const subscribers: unknown = Reflect.get(channel, "_subscribers");
    const { message } = this;
    asSubscriber(() => {
      if (!Array.isArray(subscribers)) return channel.publish(message);
      for (const subscriber of subscribers.slice())
        safeCall(() => subscriber(message, channel.name), this.#report);
    });
  }

  /** Runs code in the bound stores: as `runStores` of Node, without its `publish`. */
  within<T>(code: () => T): T {
    this.#bound ??= this.#bind();
    const run = this.#bound.reduce(
      (inner, [store, value]) =>
        () =>
          store.run(value, inner),
      code,
    );
    return run();
  }

  /** A store whose transform throws is not bound. */
  #bind(): Bound[] {
    const bound: Bound[] = [];
    const stores: unknown = Reflect.get(this.#channel.start, "_stores");
    if (!types.isMap(stores)) return bound;
    // `bindStore` has put them in.
    for (const [store, transform] of stores as ReadonlyMap<Store, Transform | undefined>) {
      const bind = (): void =>
        void bound.push([store, transform === undefined ? this.message : transform(this.message)]);
      asSubscriber(() => safeCall(bind, this.#report));
    }
    return bound;
  }
}

interface Store {
  run<T>(value: unknown, code: () => T): T;
}
type Transform = (message: OperationTrace) => unknown;
type Bound = readonly [store: Store, value: unknown];

/** Runs code of subscribers: it is part of no mutator, and is not traced (T3). */
function asSubscriber(code: () => void): void {
  const before = isPublishing;
  isPublishing = true;
  try {
    outsideTurns(code);
  } finally {
    isPublishing = before;
  }
}

/** The trace of an operation; `null` without a subscriber, and for operations of subscribers. */
export function traceOf(channel: Tracing, traced: Traced, known: KnownFields): Trace | null {
  return isPublishing || !channel.hasSubscribers ? null : new Trace(channel, traced, known);
}

/** Runs asynchronous work with its trace; `codeOfResult` is "ok" by default. */
export async function tracing<T>(
  trace: Trace | null,
  work: () => Promise<T>,
  codeOfResult: (result: T, trace: Trace) => string = () => "ok",
): Promise<T> {
  if (trace === null) return work();
  try {
    const result = await trace.run(work);
    trace.settled(codeOfResult(result, trace));
    return result;
  } catch (error) {
    trace.settled(codeOf(error));
    throw error;
  }
}

/** Traces one request to save a state, or several; ends with that code if one is refused. */
export function tracedSave<T>(
  traced: Traced,
  known: KnownFields,
  save: () => Promise<T>,
): Promise<T> {
  return tracing(traceOf(SAVES, traced, known), save, (result) =>
    [result].flat().some((each) => fieldOf(each, "ok") === false)
      ? "CONCURRENT_MODIFICATION"
      : "ok",
  );
}

/** Traces one read of a record. */
export function tracedLoad<T>(
  traced: Traced,
  known: KnownFields,
  load: () => Promise<T>,
): Promise<T> {
  return tracing(traceOf(LOADS, traced, known), load, (result, trace) => {
    const state = fieldOf(result, "state");
    try {
      if (isPlainObject(state)) trace.set({ bytes: sizeBytes(state) });
    } catch {
      // The bridge is a user's, and what it returned is not yet checked.
    }
    return "ok";
  });
}

/** The `code` of an error, or its name when it has none; "thrown" for another value. */
export function codeOf(error: unknown): string {
  try {
    const named = isError(error) ? [fieldOf(error, "code"), fieldOf(error, "name")] : [];
    return named.find((name) => typeof name === "string") ?? "thrown";
  } catch {
    return "thrown"; // A field of a user's error is a getter that throws.
  }
}

function fieldOf(value: unknown, name: string): unknown {
  return Reflect.get(Object(value), name);
}
