/**
 * The runtime: opens scopes by type and id, and is their one home. Same key, same actor.
 */
import type { Draft } from "../../actors/scope/recipe.ts";
import { ScopeStoppedError } from "../../actors/errors.ts";
import { durationOption } from "../../actors/time/clock.ts";
import { refuseUnknown } from "../../actors/scope/options.ts";
import { typeName } from "../../actors/state/copy.ts";
import { begin } from "../../actors/scope/safe-call.ts";
import { ChangeReader, type FeedOptions } from "../../actors/scope/change-stream.ts";
import type {
  Clock,
  MutationOptions,
  ResyncMarker,
  RuntimeFeedItem,
  StateChange,
} from "../../actors/protocol.ts";
import { openExecution, type ExecuteOptions, type ExecutionContext } from "./session/execution.ts";
import type { ScopeOwner } from "./session/binding.ts";
import { keepCalls } from "./calls.ts";
import { residentOf, ScopeHandle } from "./handle.ts";
import { RUNTIME_OPTIONS, type RuntimeOptions } from "./options.ts";
import { ScopeHost } from "./scope-host.ts";
import type { Kind } from "./kinds.ts";
import { listScopes, type ListOptions, type ScopeList } from "./list.ts";
import { type DeleteAllOptions, deleteScopes, type EraseOptions, eraseScope } from "./removal.ts";
import type { ResidentScope } from "./resident-scope.ts";
import type { ResumeOptions } from "./sequencer/run-answer.ts";
import type { Scope } from "./scope.ts";
import type { Checkpoint } from "./sequencer/run-record.ts";
import type { RunOutcome } from "./sequencer/steps.ts";
import type { Sequencer } from "./sequencer/define.ts";
import { Sequencers, type RunHandle, type RunOptions } from "./sequencer/sequencers.ts";
import { Transaction } from "./transaction/transaction.ts";

/** The state type of a scope. */
type StateOf<T> = T extends { readonly state: Readonly<infer S> } ? S : object;
/** Scopes of any state. */
type AnyScopes = readonly { readonly state: object }[];

/** A run's record belongs to its steps: written by anything else, it would skip or repeat them. */
const NO_SCOPE =
  'scopes of type "sequencer" are runs and cannot be opened: read one with ' +
  "runtime.checkpoints(runId), go on with it by runtime.resume";

/**
 * Makes a runtime. Throws `RangeError` for a bad number, `StateValidationError` when a kind's
 * initial state is refused, `TypeError` for an unknown option.
 */
export function createRuntime(options: RuntimeOptions = {}): Runtime {
  refuseUnknown("createRuntime", options, RUNTIME_OPTIONS);
  return new Runtime(options);
}

/** How a runtime is closed. */
export interface CloseOptions {
  /**
   * Milliseconds to wait for what is under way; default the runtime's `mutationTimeoutMs`, 0 waits
   * for nothing, `Infinity` as long as it takes.
   */
  readonly drainMs?: number | undefined;
}

/** Opens scopes by type and id. */
export class Runtime implements AsyncDisposable {
  readonly #home: ScopeHost;
  readonly #sequencers: Sequencers;
  readonly #ends = new Set<() => void>();
  #closing: Promise<void> | null = null;

  constructor(options: RuntimeOptions) {
    this.#home = new ScopeHost(options);
    this.#sequencers = new Sequencers(this.#home);
    keepCalls(this, this.#home.calls);
  }

  /**
   * Adds a kind to a runtime that exists already, for libraries that bring their own. The same kind
   * may be added again; another one under a known name throws `TypeError`.
   */
  declare(type: string, kind: Kind): void {
    this.#home.declare(type, kind);
  }

  /** The runtime's time. */
  get clock(): Clock {
    return this.#home.clock;
  }

  /** How many scopes are held in memory. */
  get residentScopes(): number {
    return this.#home.system.residentCount;
  }

  /**
   * The live scope of a type and id, loaded or new. Rejects with `TypeError` for an unknown type, a
   * bad id or a run, which is no scope, `BindingMismatchError` when `extra` says another owner than
   * the one the session is bound to, and with what the store or the schema said when the record
   * cannot be read.
   */
  async open<S extends object = Record<string, unknown>>(
    type: string,
    id: string,
    extra: ScopeOwner = {},
  ): Promise<Scope<S>> {
    if (type === "sequencer") throw new TypeError(NO_SCOPE);
    refuseUnknown("open", extra, ["userId", "orgId"]);
    const { calls } = this.#home;
    calls.enter();
    try {
      return new ScopeHandle<S>(await this.#home.open(type, id, extra));
    } finally {
      calls.leave();
    }
  }

  /** Runs `work` with the request, session, user and organisation scopes of one request. */
  execute<T>(
    options: ExecuteOptions,
    work: (context: ExecutionContext) => T | Promise<T>,
  ): Promise<T> {
    return this.#home.calls.run(async () => {
      const context = await openExecution(this, options);
      try {
        return await work(context);
      } finally {
        this.#home.system.dismiss(this.#home.key("request", context.requestId));
      }
    });
  }

  /**
   * Changes several scopes together, all or nothing; resolves to whether anything changed. The
   * recipe gets a draft for each scope, in order, and changes them; what it returns is no state:
   * `StateTypeError` when an object, a list or a text would be lost by that. A recipe on one scope
   * may return what takes the place of its state, as in `update`. Rejects with `TypeError` when the
   * scopes' store cannot, and, with `cas.escalate: false`, with `ConcurrentModificationError` when
   * after `cas.maxRetries` a record is still newer.
   */
  transaction<const Scopes extends AnyScopes>(
    scopes: Scopes,
    recipe: (...drafts: { [I in keyof Scopes]: Draft<StateOf<Scopes[I]>> }) => void | Promise<void>,
    options?: MutationOptions,
  ): Promise<boolean> {
    return this.#home.calls.run(async () => {
      if (!Array.isArray(scopes))
        throw new TypeError(`a transaction takes a list of scopes, received ${typeName(scopes)}`);
      const residents = scopes.map((scope: unknown) => this.#own(scope));
      // The drafts are made from these scopes in this order, so they have these types.
      const edit = recipe as unknown as (...drafts: object[]) => void | Promise<void>;
      return new Transaction(residents, (drafts) => edit(...drafts), options).run();
    });
  }

  /** One page of ids, in memory or not. */
  list(options?: ListOptions): Promise<ScopeList> {
    return this.#home.calls.run(async () => {
      if (options?.type !== undefined) this.#home.kind(options.type);
      return listScopes(this.#home.listSource, options);
    });
  }

  /**
   * Removes all that is kept of an id: record, changes, tombstone, and whose session it was. The
   * state may be one that the schema refuses. A scope in memory goes to its initial state with a
   * `delete` event, and where another process watches. Resolves to whether there was something.
   * Rejects with `TypeError` for an unknown type or what is no id. On a store of yours without
   * `erase` it is a delete whose tombstone is over at once.
   */
  erase(options: EraseOptions): Promise<boolean> {
    return this.#home.calls.run(() => eraseScope(this.#home, options));
  }

  /**
   * Deletes every scope of a kind, or those whose id starts with `prefix`, a hundred at a time;
   * resolves to how many. Whose a session is stays known, as with `delete`. Rejects with
   * `TypeError` for an unknown type, and with the first failure of the batch it occurred in.
   */
  deleteAll(options: DeleteAllOptions): Promise<number> {
    return this.#home.calls.run(() => deleteScopes(this.#home, options));
  }

  /** Starts a run of a sequencer, or goes on with the run of that id. */
  run<S extends object>(sequencer: Sequencer<S>, options?: RunOptions): RunHandle {
    return this.#sequencers.run(sequencer as Sequencer<never>, options);
  }

  /**
   * Goes on with a run that was suspended, failed or cut off; `data` answers its suspension.
   * Rejects with `RunLeasedError` while another owner runs it, `TypeError` when there is no such
   * run, `SuspensionMismatchError` when it waits for another suspension than `options` name, and
   * `SequencerChangedError` when its stored steps are not those of the sequencer.
   */
  resume<S extends object>(
    sequencer: Sequencer<S>,
    runId: string,
    data?: unknown,
    options: ResumeOptions = {},
  ): Promise<RunOutcome> {
    return this.#sequencers.resume(sequencer as Sequencer<never>, runId, { data, options });
  }

  /** The checkpoints of a run, latest first; none when there is no such run. */
  checkpoints(runId: string): Promise<readonly Checkpoint[]> {
    return this.#home.calls.run(() => this.#sequencers.checkpoints(runId));
  }

  /** Calls `listener` with the changes of every scope; the answer stops it. */
  subscribe(listener: (change: StateChange) => void): () => void {
    if (this.#closing === null) this.#home.watch();
    return this.#home.listeners.add(listener);
  }

  /**
   * The changes of every scope from now on. A reader has at most `FEED_BUFFER_MAX` of them waiting:
   * one that falls behind gets these, then one `{ type: "resync" }` in place of all it missed, then
   * the changes after that.
   */
  changes(options: Pick<FeedOptions, "signal"> = {}): AsyncIterable<RuntimeFeedItem> {
    refuseUnknown("changes", options, ["signal"]);
    const source = {
      listen: (listener: (change: StateChange) => void) => this.subscribe(listener),
      marker: (): ResyncMarker => ({ type: "resync" }),
      replaces: false, // No marker has the states of all scopes.
      onEnd: (callback: () => void) => {
        this.#ends.add(callback);
        return () => void this.#ends.delete(callback);
      },
    };
    const signal = this.#closing === null ? options.signal : AbortSignal.abort();
    return new ChangeReader<unknown, ResyncMarker>(source, [], 0, signal);
  }

  /**
   * Lets everything end that was called before, awaited or not, and refuses what is called from now
   * on: here with `RuntimeClosedError`, on scopes with `ScopeStoppedError`. What a call
   * that has not ended calls itself is part of it. What is left after `drainMs` is refused, too.
   * Then writes down what is only in memory and closes the stores, except those another open
   * runtime uses. Rejects if that failed, and with `RangeError` for a bad `drainMs`. Later calls
   * share the first one's promise.
   */
  close(options: CloseOptions = {}): Promise<void> {
    if (this.#closing !== null) return this.#closing;
    try {
      refuseUnknown("close", options, ["drainMs"]);
      const { mutationTimeoutMs } = this.#home.kind("temp").settings; // The same for all kinds.
      const drainMs = durationOption("drainMs", options.drainMs, mutationTimeoutMs);
      const keep = (closing: Promise<void>): void => void (this.#closing = closing);
      return begin(keep, () => this.#close(drainMs));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Closes at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #own(scope: unknown): ResidentScope {
    const resident = residentOf(scope);
    if (resident === undefined || !this.#home.owns(resident))
      throw new TypeError("a transaction takes scopes opened through this runtime");
    if (resident.stopped) throw new ScopeStoppedError({ scope: resident.identity });
    return resident;
  }

  async #close(drainMs: number): Promise<void> {
    try {
      await this.#home.close(drainMs, this.#sequencers.close());
    } finally {
      for (const end of this.#ends) end();
    }
  }
}
