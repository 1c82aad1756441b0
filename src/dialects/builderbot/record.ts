/**
 * One record of this dialect (a user's, or the global one) over a scope.
 *
 * The original is synchronous: an update can be read as soon as it was called. A call on a scope
 * resolves when the change is stored. So a record shows the confirmed state with the pending
 * updates applied to it, in the order of their calls. An update whose save fails is removed again.
 *
 * Invariants
 *  B1  The shown state is the confirmed state, changed by every pending record update and clear.
 *  B2  The scope gets the updates in the order of the calls, also those made while it is opened.
 *  B3  A promise that is not awaited never becomes an unhandled rejection; its failure is logged.
 *  B4  A scope that could not be opened is opened again by the next call.
 */
import { isHoldfastError, StateTypeError } from "../../../actors/errors.ts";
import type { Logger } from "../../../actors/protocol.ts";
import { copyIn, isPlainObject, typeName } from "../../../actors/state/copy.ts";
import { asCall } from "../../runtime/calls.ts";
import { residentOf } from "../../runtime/handle.ts";
import type { Scope } from "../../runtime/scope.ts";
import { copyOut, showBytes } from "./copy-out.ts";
import { readPath } from "./path.ts";

/** A record of state. */
export type BotRecord = Record<string, unknown>;
/**
 * The argument of `update`: fields to merge, or a function that returns them for the present
 * record.
 */
export type BotUpdate =
  | BotRecord
  | ((current: Readonly<BotRecord>) => BotRecord | undefined | void | Promise<BotRecord | void>)
  | null
  | undefined;

type RecordScope = Scope<BotRecord>;

/** A pending change: the fields to merge, or the end of the record. */
type Pending = { readonly fields: BotRecord } | "clear";

/** One record; see the top of this file. */
export class StateRecord {
  readonly #runtime: object;
  readonly #open: () => Promise<RecordScope>;
  readonly #logger: Logger;
  readonly #pending = new Set<Pending>();
  #opening: Promise<RecordScope> | null = null;
  #scope: RecordScope | null = null;
  /** Calls that have not settled. */
  #calls = 0;
  /** The record was updated, so it exists even when it is empty. */
  #touched = false;

  constructor(open: () => Promise<RecordScope>, logger: Logger, runtime: object) {
    this.#open = open;
    this.#runtime = runtime;
    this.#logger = logger;
  }

  /** The runtime unloaded the scope, and no call is pending. */
  get isPassive(): boolean {
    if (this.#calls > 0 || this.#opening !== null) return false;
    return this.#scope === null || residentOf(this.#scope)?.resident === false;
  }

  /** Resolves when the stored record is in memory; rejects when it cannot be read. */
  async ready(): Promise<void> {
    this.#calls += 1;
    try {
      await asCall(this.#runtime, () => this.#opened((scope) => scope.read()));
    } catch (error) {
      // Called by a function that is updating this record, which sees the stored state already.
      if (!isHoldfastError(error, "REENTRANT_MUTATION")) throw error;
    } finally {
      this.#calls -= 1;
    }
  }

  /** A copy of the record, or `undefined` when there is none. */
  read(): BotRecord | undefined {
    // A copy of a record is a record.
    return copyOut(this.#shown()) as BotRecord | undefined;
  }

  /** A copy of the value at a path. */
  get(path?: string): unknown {
    return copyOut(readPath(this.#shown(), path));
  }

  /** Merges fields, or the result of a function of the record; resolves when that is stored. */
  update(change: BotUpdate): Promise<void> {
    return this.#guard(() => {
      if (change === null || change === undefined) return Promise.resolve();
      if (typeof change === "function") {
        const mutator = async (state: Readonly<BotRecord>) =>
          (await change(showBytes(state))) ?? undefined;
        return this.#change(null, (scope) => scope.atomicState(mutator));
      }
      if (!isPlainObject(change))
        throw new StateTypeError({ path: "", expected: "a record", received: typeName(change) });
      const fields = copyIn<BotRecord>(change, "");
      return this.#change({ fields }, (scope) => scope.patchState(fields));
    });
  }

  /** Shows and stores initial values, unless the store has a record already. */
  start(initial: BotRecord, isNew: (scope: RecordScope) => boolean): Promise<void> {
    return this.#guard(() => {
      const fields = copyIn(initial, "");
      return this.#change({ fields }, async (scope) => isNew(scope) && scope.patchState(fields));
    });
  }

  /** Ends the record in memory at once, then in the store; true when there was one. */
  clear(): boolean {
    const existed = this.#shown() !== undefined;
    void this.cleared();
    return existed;
  }

  /** Ends the record; resolves when the store has ended it. */
  cleared(): Promise<void> {
    return this.#guard(() => this.#change("clear", (scope) => scope.delete()));
  }

  #shown(): Readonly<BotRecord> | undefined {
    const confirmed = this.#scope?.state ?? {};
    let shown: Readonly<BotRecord> | undefined =
      this.#touched || Object.keys(confirmed).length > 0 ? confirmed : undefined;
    for (const pending of this.#pending)
      shown = pending === "clear" ? undefined : { ...shown, ...pending.fields };
    return shown;
  }

  async #change(
    pending: Pending | null,
    apply: (scope: RecordScope) => Promise<boolean>,
  ): Promise<void> {
    if (pending !== null) this.#pending.add(pending);
    this.#calls += 1;
    try {
      await this.#opened(apply);
      this.#touched = pending !== "clear";
    } finally {
      this.#calls -= 1;
      if (pending !== null) this.#pending.delete(pending);
    }
  }

  /** Uses the scope: at once when it is open, so that calls keep their order (B2). */
  #opened<T>(use: (scope: RecordScope) => Promise<T>): Promise<T> {
    if (this.#opening !== null) return this.#opening.then(use);
    if (this.#scope !== null) return use(this.#scope);
    const opening = this.#open();
    this.#opening = opening;
    const ended = (scope: RecordScope | null): void => {
      this.#opening = null;
      this.#scope = scope;
    };
    // Registered first, so that no call overtakes the waiting ones.
    opening.then(ended, () => ended(null));
    return opening.then(use);
  }

  #guard(work: () => Promise<void>): Promise<void> {
    const done = asCall(this.#runtime, async () => work());
    done.catch((error: unknown) => this.#logger.warn("a state update failed", { error }));
    return done;
  }
}
