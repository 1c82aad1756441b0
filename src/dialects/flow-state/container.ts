/**
 * Containers: flow-state-dev's handle on one state and its version, and the scope behind each.
 *
 * A container is an identity. Its scope provides the queue, the exclusive sections and the events.
 * The state of a container made here is in that scope. The state of a foreign container stays with
 * its owner and is read and written through the container's three methods.
 *
 * Invariants
 *  D1  One container has one scope, so all operations on it wait in one queue.
 *  D2  A direct `commit` takes effect at once. A change that is computed meanwhile is computed
 *      again on it, or is rejected by the version check of its own save; a commit is never
 *      overwritten unseen.
 */
import {
  createChecks,
  initialState,
  type CheckOptions,
  type StateSchema,
} from "../../../actors/scope/validation.ts";
import { durationOption } from "../../../actors/time/clock.ts";
import { StateTypeError } from "../../../actors/errors.ts";
import { causeHere } from "../../../actors/scope/cascade.ts";
import { confirm } from "../../../actors/scope/commit.ts";
import type { Outcome } from "../../../actors/scope/mailbox.ts";
import type { Mutation } from "../../../actors/scope/mutation.ts";
import type { JsonObject, ScopeIdentity, StateChange } from "../../../actors/protocol.ts";
import {
  optionNames,
  refuseUnknown,
  scopeSettings,
  type ScopeTuning,
} from "../../../actors/scope/options.ts";
import { isPlainObject, typeName } from "../../../actors/state/copy.ts";
import { StateScope } from "../../runtime/scope.ts";
import { refuseCommit } from "./body.ts";

/** One state and its version. */
export interface StateContainer<S extends object> {
  /** The last committed state. */
  read(): Readonly<S>;
  /** The version of `read()`. */
  getVersion(): number;
  /** Replaces state and version at once; a negative version counts as 0. */
  commit(state: S, version: number): Readonly<S>;
}

/** A container made here: it also reports its changes. */
export interface ObservableContainer<S extends object> extends StateContainer<S> {
  /**
   * Calls `listener` with every change, in the order of versions; the returned function stops it.
   */
  subscribe(listener: (change: StateChange<S>) => void): () => void;
}

/**
 * Further options of a container; `schema` and the size options check the writes of the operations.
 */
export interface ContainerOptions<S extends object>
  extends Omit<ScopeTuning, "cas" | "mutationTimeoutMs">, CheckOptions {
  readonly identity?: ScopeIdentity | undefined;
  readonly schema?: StateSchema<S> | undefined;
}

const OPTIONS = optionNames<ContainerOptions<object>>({
  identity: true,
  schema: true,
  maxStateSizeBytes: true,
  hardLimitBytes: true,
  onStateSizeWarning: true,
  mailboxLimit: true,
  logger: true,
  clock: true,
  random: true,
});

interface ContainerParts {
  readonly initial: object;
  readonly version: number;
  readonly options: Omit<ContainerOptions<object>, "schema"> & CheckOptions;
  /** The owner of the state, when the container is foreign. */
  readonly owner: StateContainer<object> | null;
}

let created = 0;

/** The scope behind a container. */
export class ContainerScope extends StateScope {
  /** The number of direct commits (D2). */
  commits = 0;
  readonly #owner: StateContainer<object> | null;

  constructor({ initial, version, options, owner }: ContainerParts) {
    created += 1;
    const identity = options.identity ?? { type: "container", id: `container-${created}` };
    const checks = createChecks(options);
    const state = initialState(initial, checks, identity);
    const settings = scopeSettings(options, { checks });
    const parts = { identity: Object.freeze({ ...identity }), settings, bridge: null };
    super({ ...parts, state, initial: state, version });
    this.#owner = owner;
  }

  /** True when the owner keeps the state, so every write calls the owner's `commit`. */
  get isForeign(): boolean {
    return this.#owner !== null;
  }

  /** A direct commit. */
  replace(state: unknown, version: unknown): Readonly<object> {
    const { identity } = this;
    refuseCommit(this);
    if (!isPlainObject(state)) throw notAState(state, identity);
    this.take({ state, version: versionOption(version) });
    this.commits += 1;
    return this.state;
  }

  /** Reads the owner's state, before a section uses it. */
  sync(): void {
    const owner = this.#owner;
    if (owner === null) return;
    const state = owner.read();
    if (!isPlainObject(state)) throw notAState(state, this.identity);
    this.take({ state, version: owner.getVersion() });
  }

  /** A change is saved, or needs no save: it is effective from here on. */
  confirm(
    { mutation, meta }: { mutation: Mutation; meta?: JsonObject | undefined },
    outcome: Outcome,
    next: { state: object; version: number },
  ): void {
    confirm(this, { ...next, exists: true });
    if (this.listening)
      this.announce(mutation, outcome, { options: meta && { meta }, cause: causeHere() });
    this.committed();
    this.#owner?.commit(this.state, this.version);
  }

  /** Adopts the state of the store; `undefined` means the store has no record any more. */
  follow(state: object | undefined, version: number): void {
    this.take(state === undefined ? { state, version } : { state, version });
    this.#owner?.commit(this.state, this.version);
  }
}

function notAState(received: unknown, scope: ScopeIdentity): StateTypeError {
  const fields = { path: "", expected: "a plain object", received: typeName(received) };
  return new StateTypeError(fields, { scope });
}

function versionOption(version: unknown): number {
  // Checked by `durationOption`, which rejects a value that is not a number.
  return Math.max(0, durationOption("version", version as number | undefined, 0));
}

const scopes = new WeakMap<object, ContainerScope>();

/**
 * Makes a container. Throws `StateSerializationError` when `initial` cannot be stored,
 * `StateTypeError` when it is not a plain object, `RangeError` when a number is NaN.
 */
export function createStateContainer<S extends object>(
  initial: S,
  version = 0,
  options: ContainerOptions<S> = {},
): ObservableContainer<S> {
  refuseUnknown("createStateContainer", options, OPTIONS);
  const identity = options.identity ?? { type: "container", id: "initial" };
  if (!isPlainObject(initial)) throw notAState(initial, identity);
  const parts = { initial, version: versionOption(version), options, owner: null };
  const scope = new ContainerScope(parts);
  // The scope starts with an S, and every write is typed or checked as one.
  const container: ObservableContainer<S> = {
    read: () => scope.state as Readonly<S>,
    getVersion: () => scope.version,
    commit: (state, to) => scope.replace(state, to) as Readonly<S>,
    subscribe: (listener) => scope.subscribe(listener),
  };
  scopes.set(container, scope);
  return Object.freeze(container);
}

/** The scope behind a container. `withScopeLock` accepts any object as a container. */
export function scopeOf(container: object): ContainerScope {
  const known = scopes.get(container);
  if (known !== undefined) return known;
  const owner = isContainer(container) ? container : null;
  const scope = new ContainerScope({ initial: {}, version: 0, options: {}, owner });
  scopes.set(container, scope);
  return scope;
}

/** The scope behind a container with a state; throws `TypeError` when it has none. */
export function stateScopeOf(container: object): ContainerScope {
  if (!scopes.has(container) && !isContainer(container))
    throw new TypeError("a state container has the methods read, getVersion and commit");
  return scopeOf(container);
}

function isContainer(value: object): value is StateContainer<object> {
  return ["read", "getVersion", "commit"].every(
    (name) => typeof Reflect.get(value, name) === "function",
  );
}
