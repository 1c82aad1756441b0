/** The runtime: opens scopes by type and id and keeps them. The same key gives the same actor. */
import type { ExclusiveOptions } from "../../actors/scope/exclusive.ts";
import { begin } from "../../actors/scope/safe-call.ts";
import type { GivenState } from "../../actors/state-types.ts";
import type { FeedOptions } from "../../actors/scope/change-stream.ts";
import type {
  Clock,
  MutationContext,
  MutationOptions,
  Unsubscribe,
} from "../../actors/protocol.ts";
import { openExecution, type ExecuteOptions } from "./session/execution.ts";
import type { ScopeOwner } from "./session/binding.ts";
import { allChanges, subscribeAll } from "./all-changes.ts";
import { keepCalls } from "./calls.ts";
import { createScope, type ForkOptions, forkScope, openScope } from "./transaction/create.ts";
import { checkOptions, type CloseOptions, drainOption, type RuntimeOptions } from "./options.ts";
import { ScopeHost } from "./scope-host.ts";
import { type KindOptions, type Kinds, supportsOf } from "./kinds.ts";
import type {
  AnyScopes,
  DraftsOf,
  EntryOf,
  HeldOf,
  FreeName,
  KindChange,
  KindExecution,
  KindFeedItem,
  KindName,
  NameOfState,
  StateOfName,
  TimerNames,
  TypedName,
} from "./kind-types.ts";
import type { ListOptions, ScopeListing } from "./list.ts";
import { type Ids, listing, type Read, readScopes } from "./read-many.ts";
import { type DeleteAllOptions, deleteScopes, type EraseOptions, eraseScope } from "./removal.ts";
import { joinStats, type RuntimeStats, statsOf } from "./stats.ts";
import type { Scope } from "./scope.ts";
import type { StoreSupports } from "../stores/contract.ts";
import { type RunMethods, type RunsOfRuntime, runsOf } from "./sequencer/run-methods.ts";
import { runSection, runTransact, runTransaction } from "./transaction/several.ts";

/**
 * Makes a runtime. Throws `RangeError` for a bad number, `StateValidationError` when a kind's
 * initial state is refused, `TypeError` for an unknown option.
 */
export function createRuntime<K extends Kinds = Kinds>(
  options: RuntimeOptions<K> = {},
): Runtime<K> {
  checkOptions(options);
  return new Runtime(options);
}

/**
 * Opens scopes by type and id. `K` are its kinds: their names and states are checked by the
 * compiler. Every `Runtime<K>` is a `Runtime`, which opens any name.
 */
export class Runtime<K extends Kinds = Kinds> implements AsyncDisposable {
  /**
   * A type only. Compilers compare two runtimes member by member when the first member maps over
   * the kinds, else by the kinds alone, and then no `Runtime<K>` would be a `Runtime`.
   */
  declare protected readonly kinds?: { readonly [Name in keyof K]: Name };
  readonly #home: ScopeHost;
  readonly #runs: RunsOfRuntime;
  #closing: Promise<void> | null = null;

  /** The methods for runs of sequencers: see `RunMethods`. */
  declare readonly run: RunMethods["run"];
  declare readonly resume: RunMethods["resume"];
  declare readonly forkRun: RunMethods["forkRun"];
  declare readonly checkpoints: RunMethods["checkpoints"];
  declare readonly runs: RunMethods["runs"];
  declare readonly cancel: RunMethods["cancel"];
  declare readonly watchRun: RunMethods["watchRun"];
  declare readonly recover: RunMethods["recover"];

  constructor(options: RuntimeOptions<K>) {
    this.#home = new ScopeHost(options);
    this.#runs = runsOf(this.#home);
    Object.assign(this, this.#runs.methods);
    keepCalls(this, this.#home.calls);
    joinStats(this, this.#home);
  }

  /** Adds a kind, for libraries with their own. Another kind under a known name: `TypeError`. */
  declare(type: string, kind: KindOptions): void {
    this.#home.declare(type, kind);
  }

  /** The clock of the runtime. */
  get clock(): Clock {
    return this.#home.clock;
  }

  /** How many scopes are in memory. */
  get residentScopes(): number {
    return this.#home.system.residentCount;
  }

  /**
   * The scope of a type and id, loaded or new. Rejects with `TypeError` for an unknown type, a bad
   * id or a run; with `BindingMismatchError` when `extra` names another owner than that of the
   * session; and with the error of the store or the schema when the record cannot be read.
   */
  open<Name extends TypedName<K>>(
    type: Name,
    id: string,
    extra?: ScopeOwner,
  ): Promise<Scope<StateOfName<K, Name>, TimerNames<K, Name>>>;
  open<S extends object = Record<string, unknown>>(
    type: FreeName<K> | NameOfState<K, S>,
    id: string,
    extra?: ScopeOwner,
  ): Promise<Scope<S>>;
  open(type: string, id: string, extra: ScopeOwner = {}): Promise<unknown> {
    return openScope(this.#home, type, id, extra);
  }

  /** Stores a new scope, without reading first; `ScopeExistsError` when the id is in use. */
  create<Name extends KindName<K>>(
    type: Name,
    id: string,
    state: GivenState<StateOfName<K, Name>>,
    owner?: ScopeOwner,
  ): Promise<Scope<StateOfName<K, Name>, TimerNames<K, Name>>> {
    const made = (): Promise<unknown> => createScope(this.#home, { type, id, state, owner });
    return this.#home.calls.run(made) as never; // The scope of the kind.
  }

  /** Runs `work` with the request, session, user and organisation scopes of one request. */
  execute<T>(
    options: ExecuteOptions,
    work: (context: KindExecution<K>) => T | Promise<T>,
  ): Promise<T> {
    return this.#home.calls.run(async () => {
      const context = await openExecution(openScope.bind(null, this.#home), options);
      try {
        return await work(context as KindExecution<K>); // A scope has the state of its kind.
      } finally {
        this.#home.system.dismiss(this.#home.key("request", context.requestId));
      }
    });
  }

  /**
   * Changes several scopes together, all or nothing; resolves to whether anything changed. The
   * recipe receives a draft for each scope, in order, and changes them; its result is no state:
   * `StateTypeError` when an object, a list or a text would be lost by that. A recipe on one scope
   * may return an object that replaces its state, as in `update`. Rejects with `TypeError` when the
   * scopes' store cannot commit several records; and, with `cas.escalate: false`, with
   * `ConcurrentModificationError` when a record is still newer after `cas.maxRetries`.
   */
  transaction<const Scopes extends AnyScopes>(
    scopes: Scopes,
    recipe: (...drafts: DraftsOf<Scopes>) => void | Promise<void>,
    options?: MutationOptions,
  ): Promise<boolean>;
  /** The same; a recipe with one parameter more receives its `MutationContext` as the last one. */
  transaction<const Scopes extends AnyScopes>(
    scopes: Scopes,
    recipe: (...args: [...DraftsOf<Scopes>, MutationContext]) => void | Promise<void>,
    options?: MutationOptions,
  ): Promise<boolean>;
  transaction(scopes: AnyScopes, recipe: unknown, options?: MutationOptions): Promise<boolean> {
    return this.#home.calls.run(() => runTransaction(this.#home, scopes, recipe, options));
  }

  /** `scope.transact` over several scopes, refused where `transaction` is; one may be anywhere. */
  transact<const Scopes extends AnyScopes, R>(
    scopes: Scopes,
    recipe: (drafts: DraftsOf<Scopes>, context: MutationContext) => R | Promise<R>,
    options?: MutationOptions,
  ): Promise<R> {
    return this.#home.calls.run(() => runTransact<R>(this.#home, scopes, recipe, options));
  }

  /** `scope.exclusive` over several scopes, of any stores, acquired in the order of their keys. */
  exclusive<const Scopes extends AnyScopes, R>(
    scopes: Scopes,
    work: (held: HeldOf<Scopes>, context: MutationContext) => R | Promise<R>,
    options?: ExclusiveOptions,
  ): Promise<R> {
    return this.#home.calls.run(() => runSection<R>(this.#home, scopes, work, options));
  }

  /**
   * Lists scopes, in memory or not: `await` gives a page, `for await` all; `states: true` adds what
   * `read` gives. Rejects as `read` does, and with `RangeError` for a bad limit. Records of kinds
   * that only other runtimes declare are listed by their names.
   */
  list<const Options extends ListOptions<KindName<K>>>(
    options?: Options,
  ): ScopeListing<EntryOf<K, Options>> {
    return listing(this.#home, options);
  }

  /**
   * The current states of many scopes, read in batches, opening none; unstored changes count.
   * `undefined` for an id without a state. Rejects with `TypeError` for an unknown type, a run or a
   * bad id; with `CorruptStateError` or `StateValidationError` naming the first that is unreadable.
   */
  read<Name extends TypedName<K>>(type: Name, ids: Ids): Promise<Read<StateOfName<K, Name>>[]>;
  read<S extends object = Record<string, unknown>>(
    type: FreeName<K> | NameOfState<K, S>,
    ids: Ids,
  ): Promise<Read<S>[]>;
  read(type: string, ids: Ids): Promise<unknown> {
    return this.#home.calls.run(() => readScopes(this.#home, type, ids));
  }

  /** What the store of a kind supports, or memory; throws `TypeError` for an unknown type. */
  supports(type: KindName<K>): StoreSupports {
    return supportsOf(this.#home.kind(type));
  }

  /**
   * Removes everything stored of an id: record, changes, tombstone, the binding of a session; the
   * schema may refuse the state. A scope in memory gets its initial state with a `delete` event, in
   * all processes. Resolves to whether a record existed; `TypeError` for an unknown type or bad id.
   */
  erase(options: EraseOptions<KindName<K>>): Promise<boolean> {
    return this.#home.calls.run(() => eraseScope(this.#home, options));
  }

  /**
   * Deletes all scopes of a kind, or those whose id starts with `prefix`; resolves to how many. The
   * bindings of sessions stay. Rejects with `TypeError`, and with the first failure of a batch.
   */
  deleteAll(options: DeleteAllOptions<KindName<K>>): Promise<number> {
    return this.#home.calls.run(() => deleteScopes(this.#home, options));
  }

  /**
   * A new scope of the kind and owner of `scope`, with its current or a past state; resolves when
   * it is stored. Rejects with `ScopeExistsError` when the id is in use, and as `at` does.
   */
  fork<S extends object>(scope: Scope<S>, newId: string, options?: ForkOptions): Promise<Scope<S>> {
    return this.#home.calls.run(() => forkScope<S>(this.#home, scope, newId, options));
  }

  /** What this runtime has done since it was made, and what waits in it now; frozen. */
  stats(): RuntimeStats {
    return statsOf(this.#home);
  }

  /** Calls `listener` with the changes of every scope; the returned function removes it. */
  subscribe(listener: (change: KindChange<K>) => void): Unsubscribe {
    return subscribeAll(this.#home, listener);
  }

  /**
   * The changes of every scope from now on. A slow reader receives `FEED_BUFFER_MAX` of them, then
   * one `{ type: "resync" }` in place of all it missed. With `snapshot: true` that comes first:
   * read what you keep, then apply the changes that follow.
   */
  changes(options: Omit<FeedOptions, "since"> = {}): AsyncIterable<KindFeedItem<K>> {
    return allChanges(this.#home, options) as AsyncIterable<KindFeedItem<K>>;
  }

  /**
   * Lets all earlier calls end, awaited or not, and refuses later calls, also those that still run
   * after `drainMs`: here with `RuntimeClosedError`, on scopes with `ScopeStoppedError`. A call
   * made inside another is part of it. Then saves what is only in memory and closes stores that no
   * other open runtime uses; rejects if that failed, and with `RangeError` for a bad `drainMs`.
   */
  close(options: CloseOptions = {}): Promise<void> {
    try {
      // The same for all kinds.
      const drainMs = drainOption(options, this.#home.kind("temp").settings.mutationTimeoutMs);
      const keep = (closing: Promise<void>): void => void (this.#closing = closing);
      const end = (): Promise<void> =>
        this.#home.close(drainMs, this.#runs.close()).finally(() => this.#home.listeners.end());
      return this.#closing ?? begin(keep, end);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Closes at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
