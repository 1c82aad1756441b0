/** A scope of a runtime: it has a key, reports to its runtime, and may write behind. */
import { whileNotifying } from "../../actors/scope/cascade.ts";
import type { ChangeListener } from "../../actors/scope/change-stream.ts";
import { ScopeStoppedError } from "../../actors/errors.ts";
import type { Call, ExclusiveTask, Outcome } from "../../actors/scope/mailbox.ts";
import type { Mutation } from "../../actors/scope/mutation.ts";
import type {
  Tombstone,
  MutationOptions,
  ScopeIdentity,
  StateChange,
  Stored,
  Unsubscribe,
} from "../../actors/protocol.ts";
import { WriteBehind } from "./persistence/rebase.ts";
import { submitTo } from "../../actors/scope/admission.ts";
import { storedState } from "../../actors/scope/options.ts";
import { safeCall } from "../../actors/scope/safe-call.ts";
import { ExclusiveSection } from "../../actors/scope/exclusive.ts";
import { claimBy, type Claim } from "../../actors/scope/claim.ts";
import { commitErasure } from "../../actors/scope/commit.ts";
import { catchUpWork } from "../../actors/scope/tasks.ts";
import type { Calls } from "./calls.ts";
import type { Registry, Resident } from "./registry.ts";
import type { Cascade } from "../../actors/scope/reentrancy.ts";
import type { Done } from "../../actors/scope/unconfirmed.ts";
import type { DeepReadonly } from "../../actors/state-types.ts";
import type { RecordBridge } from "./persistence/record-bridge.ts";
import { type NextRead, readNewer } from "./catch-up.ts";
import type { ResolvedKind } from "./kinds.ts";
import { FOR_EVER, hasEnded, type Life } from "./life.ts";
import { pastOf } from "./persistence/history-codec.ts";
import type { PastSource } from "./past.ts";
import { StateScope } from "./scope.ts";

/** The runtime as a resident scope uses it. */
export interface Keeper {
  /** The subscribers of the whole runtime. */
  readonly listeners: { readonly size: number };
  readonly calls: Pick<Calls, "phase" | "refuses" | "rested">;
  /** The scopes in memory. */
  readonly system: Pick<Registry<ResidentScope>, "hold" | "rested" | "forget">;
  published(change: StateChange, scope: ResidentScope): void;
  /** A change is confirmed of a scope that is not held in memory, or that can expire. */
  committed(scope: ResidentScope): void;
  /** The scope was read from the store; `until`: when it expires there, if known. */
  taken(scope: ResidentScope, until: number | undefined): void;
  /** The scope is older than its record: it is read in the background, or when it is used. */
  behind(scope: ResidentScope): void;
}

/** What a resident scope is made from. */
export interface ResidentParts {
  readonly key: string;
  readonly kind: ResolvedKind;
  readonly identity: ScopeIdentity;
  /** `null` for a volatile scope. */
  readonly store: RecordBridge | null;
  readonly keeper: Keeper;
  readonly found: Stored<object> | Tombstone | undefined;
}

/** A scope in the memory of a runtime. */
export class ResidentScope<S extends object = object> extends StateScope<S> implements Resident {
  readonly key: string;
  readonly kind: ResolvedKind;
  resident = false;
  /** The scope was erased with its binding: the next user binds it anew. */
  unbound = false;
  life: Life = FOR_EVER;
  readonly keeper: Keeper;
  readonly #store: RecordBridge | null;
  readonly #writer: WriteBehind | null;
  /** The newest version reported since the store was read; `Infinity`: unknown. */
  #observed = 0;
  /** True when reports may have been lost since the store was last read. */
  gap = false;

  constructor({ key, kind, identity, store, keeper, found }: ResidentParts) {
    const { settings, durability, initial } = kind;
    const bridge = durability === "commit" ? store : null;
    const state = storedState(found?.state, { settings, identity, initial });
    super({ identity, settings, bridge, state, initial, version: found?.version ?? 0 });
    this.exists = found?.state !== undefined;
    this.key = key;
    this.kind = kind;
    this.keeper = keeper;
    this.#store = store;
    if (bridge !== null) bridge.scope = this;
    const behind = durability === "checkpoint" && store !== null;
    this.#writer = behind ? new WriteBehind(this, store) : null;
    if (behind) store.endsAt = () => this.life.until; // A late write does not extend it.
  }

  /** True when the state has expired and its end is not yet committed. */
  get overdue(): boolean {
    const { until, version } = this.life;
    const { clock } = this.settings;
    if (version === this.version) return until !== Infinity && until <= clock.now();
    // Just confirmed: `ttlMs` begins now, but `livesUntil` may already be over.
    const { livesUntil } = this.kind;
    return livesUntil !== undefined && hasEnded(livesUntil, super.state, clock.now());
  }

  /** The last confirmed state; the initial one once it has expired. */
  override get state(): DeepReadonly<S> {
    const state = super.state;
    // The initial state of a kind is an S, as in the kernel.
    return this.overdue ? (this.initial as DeepReadonly<S>) : state;
  }

  /** True when all changes of this scope are stored. */
  get isStored(): boolean {
    return this.#store !== null && (this.#writer?.writer.clean ?? true);
  }

  /** Checkpoint writes that failed so far. */
  get checkpointErrors(): number {
    return this.#writer?.errors ?? 0;
  }

  /** A checkpoint write is under way. */
  override get writesBehind(): boolean {
    return this.#writer?.writer.saving === true;
  }

  override get past(): PastSource {
    return this.#store === null ? super.past : pastOf(this.#store, this.#writer);
  }

  /** The bridge to its store; `null` for a volatile scope. */
  override get backing(): RecordBridge | null {
    return this.#store;
  }

  override mutate(mutation: Mutation, options?: MutationOptions): Promise<boolean> {
    this.touched = true;
    // Data only: this is on the way of every mutation. An executor ends an expired state first.
    if (this.keeper.calls.phase !== "open") return this.submit(mutation, options);
    if (this.bridge !== null || this.overdue) return submitTo(this, mutation, options);
    return super.mutate(mutation, options);
  }

  override submit(work: Mutation | ExclusiveTask, options?: MutationOptions): Promise<boolean> {
    if (!this.keeper.calls.refuses) return super.submit(work, options);
    return Promise.reject(new ScopeStoppedError({ scope: this.identity }));
  }

  /** A claim for the scope's own work: no call, so a draining runtime does not refuse it. */
  ownTurn(signal: AbortSignal): Promise<Claim> {
    return claimBy(this, (work) => super.submit(work, { timeoutMs: Infinity, signal }));
  }

  /** Ends an expired state, before any call submitted later. */
  expire(): Promise<boolean> {
    return super.submit(catchUpWork(this));
  }

  /** Most stores need patches of large states only. */
  override get savesPatches(): boolean {
    return this.bridge !== null && this.#store?.wantsPatches === true;
  }

  override get watched(): boolean {
    return this.keeper.listeners.size > 0;
  }

  override published(change: StateChange): void {
    if (this.watched) this.keeper.published(change, this);
  }

  override committed(cause?: Cascade): void {
    const { ttlMs, livesUntil } = this.kind;
    if (this.exists && livesUntil?.(super.state) === 0) this.exists = false;
    super.committed(cause);
    if (this.kind.observe !== undefined) observe(this, cause);
    const mayExpire = this.life !== FOR_EVER || ttlMs !== undefined || livesUntil !== undefined;
    if (mayExpire || !this.resident) this.keeper.committed(this);
    this.#writer?.writer.mark();
  }

  override noted(done: Done, entry: Call | null, outcome?: Outcome): void {
    this.#writer?.note(done, entry, outcome);
  }

  /** Also rejects, once, when another process's save made resolved changes impossible. */
  override async flush(): Promise<void> {
    await this.#writer?.flush();
  }

  /**
   * Another owner committed `version`: the scope adopts it before its next mutation. `Infinity`:
   * reports may have been lost. Changes that exist only in memory are made again on it.
   */
  observed(version: number): void {
    const isNews = this.#store?.lastSeen.reported(version) !== false;
    const known = this.readVersion;
    if (this.stopped || version === known || (version < known && !isNews)) return;
    this.#observed = Math.max(this.#observed, version);
    this.gap ||= version === Infinity;
    this.stale = true;
    this.keeper.behind(this);
  }

  /** Runs `work` in a section without saves; waits for it also once the section is revoked. */
  async alone<T>(work: (section: ExclusiveSection) => Promise<T>): Promise<T> {
    const section = await new ExclusiveSection([this]).acquire();
    try {
      return await (this.#writer?.writer.alone(() => work(section)) ?? work(section));
    } finally {
      section.release();
    }
  }

  /** The record was erased: sets the initial state and version 0, with one `delete` event. */
  erased(): void {
    commitErasure(this);
    this.#observed = 0;
    this.#store?.forget();
    this.taken();
    this.unbound = true;
  }

  /** The version of the store's record that this scope builds on. */
  get readVersion(): number {
    return this.#writer?.storedVersion ?? this.version;
  }

  /** Runs in an exclusive task: changes that exist only in memory are made again on the record. */
  override async reload(isWanted: () => boolean, onPurpose = false): Promise<void> {
    if (onPurpose) this.#store?.forget();
    const before = this.#observed;
    this.#observed = 0; // Reports from here on may be newer than the read.
    try {
      await (this.#writer?.reload(isWanted) ?? super.reload(isWanted));
    } finally {
      if (this.stale || !isWanted()) this.#observed = Math.max(this.#observed, before);
    }
    if (this.#observed > this.readVersion) this.stale = true;
    this.gap &&= this.#observed === Infinity;
  }

  /** Reads the store if a newer version was committed; resolves to whether to read again. */
  async catchUp(): Promise<NextRead> {
    return this.stopped || this.keeper.calls.refuses ? "over" : readNewer(this);
  }

  override taken(): void {
    this.#writer?.loaded(this.version);
    if (this.#observed <= this.readVersion) this.stale = false;
    this.keeper.taken(this, this.#store?.until);
    if (this.kind.observe !== undefined) observe(this);
  }

  override subscribe(listener: ChangeListener): Unsubscribe {
    const unsubscribe = super.subscribe(listener);
    // A scope with listeners, such as its XState actor, stays when its last handle is collected.
    this.keeper.system.hold(this.key, this);
    return unsubscribe;
  }

  override rest(): void {
    super.rest();
    this.stored();
  }

  /** No call waits, or everything is stored: it may leave memory. */
  stored(): void {
    const { calls, system } = this.keeper;
    system.rested(this.key, this.kind.resident);
    if (calls.phase !== "open") calls.rested();
  }

  override ended(): void {
    this.keeper.system.forget(this.key, this);
  }
}

/** Calls `observe` of the kind, as a listener that the listeners of `cause` called. */
function observe({ identity, kind, state, settings }: ResidentScope, cause?: Cascade): void {
  const failed = (error: unknown): void =>
    settings.logger.error("observe of a kind threw", { scope: identity, error });
  const call = (): unknown => kind.observe?.(identity.id, state);
  whileNotifying(identity, cause, () => safeCall(call, failed));
}
