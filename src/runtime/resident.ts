/**
 * A scope kept by a runtime: it knows its key, tells the runtime's feed, and writes itself down
 * behind its back when its kind says so.
 */
import { CheckpointWriter } from "../../actors/checkpoint.ts";
import { isHoldfastError } from "../../actors/errors.ts";
import type { Gone, ScopeIdentity, StateChange, Stored } from "../../actors/protocol.ts";
import { storedState } from "../../actors/settings.ts";
import type { WheelHandle } from "../../actors/idle.ts";
import type { Resident } from "../../actors/system.ts";
import type { StoreBridge } from "./bridge.ts";
import type { ResolvedKind } from "./kinds.ts";
import { StateScope } from "./scope.ts";

/** What a resident scope tells its runtime. */
export interface Keeper {
  /** Somebody listens to the changes of all scopes. */
  readonly watching: boolean;
  published(change: StateChange): void;
  /** A change is confirmed. */
  committed(scope: ResidentScope): void;
  ended(scope: ResidentScope): void;
}

/** What a resident scope is made from. */
export interface ResidentParts {
  readonly key: string;
  readonly kind: ResolvedKind;
  readonly identity: ScopeIdentity;
  /** `null` for a volatile scope. */
  readonly store: StoreBridge | null;
  readonly keeper: Keeper;
  readonly found: Stored<object> | Gone | undefined;
}

/** A scope in the memory of a runtime. */
export class ResidentScope<S extends object = object> extends StateScope<S> implements Resident {
  readonly key: string;
  readonly kind: ResolvedKind;
  resident = false;
  /** When its time to live ends, in milliseconds since the epoch; 0 = never. */
  expiresAt = 0;
  /** The wait for that time. */
  expiry: WheelHandle | null = null;
  readonly #keeper: Keeper;
  readonly #store: StoreBridge | null;
  readonly #writer: CheckpointWriter | null;

  constructor({ key, kind, identity, store, keeper, found }: ResidentParts) {
    const { settings, durability } = kind;
    const bridge = durability === "commit" ? store : null;
    const state = storedState(found?.state, settings, identity);
    super({ identity, settings, bridge, state, version: found?.version ?? 0 });
    this.exists = found?.state !== undefined;
    this.key = key;
    this.kind = kind;
    this.#keeper = keeper;
    this.#store = store;
    if (bridge !== null) bridge.confirmed = () => this.state;
    const behind = durability === "checkpoint" && store !== null;
    this.#writer = behind ? new CheckpointWriter(this, store, settings.logger) : null;
  }

  /** A record of it exists and its time to live is not over. */
  get living(): boolean {
    if (!this.exists) return false;
    const until = this.kind.livesUntil?.(this.state) ?? Infinity;
    return until > this.settings.clock.now();
  }

  /** Dropping it from memory loses nothing: it can be loaded again as it is. */
  get mayPassivate(): boolean {
    if (!this.idle) return false;
    if (this.#store === null) return this.version === 0;
    return this.#writer?.clean ?? true;
  }

  /** Checkpoint writes that failed so far. */
  get checkpointErrors(): number {
    return this.#writer?.errors ?? 0;
  }

  /** Why the last checkpoint write failed; `null` when it did not. */
  get checkpointFailure(): unknown {
    return this.#writer?.failure ?? null;
  }

  /** How this scope reaches its store; `null` for a volatile one. */
  override get backing(): StoreBridge | null {
    return this.#store;
  }

  override get watched(): boolean {
    return this.#keeper.watching;
  }

  override published(change: StateChange): void {
    if (this.#keeper.watching) this.#keeper.published(change);
  }

  override committed(exists = true): void {
    super.committed(exists && this.kind.livesUntil?.(this.state) !== 0);
    this.kind.observe?.(this.identity.id, this.state);
    this.#keeper.committed(this);
    this.#writer?.mark();
  }

  override async flush(): Promise<void> {
    await this.#writer?.flush();
  }

  override async refresh(): Promise<void> {
    try {
      await this.flush();
    } catch (error) {
      // The store has moved on: reading it is what was asked for, and what could not be stored
      // yields.
      if (!isHoldfastError(error, "CONCURRENT_MODIFICATION")) throw error;
    }
    await super.refresh();
  }

  override take(found: Stored<object> | Gone): void {
    super.take(found);
    this.kind.observe?.(this.identity.id, this.state);
    this.#writer?.loaded(found.version);
  }

  override ended(): void {
    this.#keeper.ended(this);
  }
}
