/**
 * One scope of an exclusive section: the claim that has it until it is released, and the calls that
 * the code of the section makes on it.
 *
 *     scope ── mailbox ──▶ claim ──▶ held calls ──▶ inner executor ──▶ state, store, events
 *
 * Held calls run as the calls of any scope do, one at a time and saved together, in an executor of
 * their own; the scope's own executor waits for the claim meanwhile.
 *
 * Invariants
 *  K1  Held calls run in the order in which they were made, while the section has the scope. They
 *      belong to the section, so a runtime that drains does not refuse them.
 *  K2  Code of a held call holds the scope and its held calls: a call of it on either is refused.
 *  K3  After the section, and once its lease is lost, a held call is refused.
 *  K4  A claim releases the lease of the record first, and then the scope; each once.
 *  K5  Calls of others run only when no held call runs or is being saved, and the record is not
 *      being acquired, also after a revocation.
 */
import { submitTo } from "./admission.ts";
import { ExclusiveLostError } from "../errors.ts";
import { Executor } from "./executor.ts";
import type { Call, ExclusiveTask, InnerCalls } from "./mailbox.ts";
import type { Mutation } from "./mutation.ts";
import type { ScopeSettings } from "./options.ts";
import type { MutationOptions, ScopeIdentity } from "../protocol.ts";
import { keepRecord, type KeptRecord, type RecordLease } from "./record-lease.ts";
import type { Held } from "./reentrancy.ts";
import type { Lane, ScopeCore } from "./scope-core.ts";
import type { Traced } from "./trace.ts";

/** One scope of a section. */
export interface Claim {
  /** Rejects when the claim is revoked: timeout, abort, stop. No commit is allowed after that. */
  readonly revoked: Promise<never>;
  /** Releases the scope; its mailbox continues. */
  release(): void;
  /** Sets whether a write is under way: then a revoked claim means an unknown outcome. */
  writing(isWriting: boolean): void;
  /** True once the claim was released or revoked. */
  readonly ended: boolean;
  /** True once the claim was released: then `revoked` may never settle. */
  readonly released: boolean;
  /** The calls of the section's code on the scope. */
  readonly calls: HeldCalls;
  /**
   * Keeps the record at its store until the claim is released, and adopts it. Does nothing when the
   * store excludes no other owner, or when a section around this one keeps the record.
   */
  keepRecord(signal: AbortSignal): Promise<void>;
  /** Rejects when the lease of the record is lost; may never settle. */
  readonly lost: Promise<never> | undefined;
  /** Releases the record, then the scope; resolves when both are released. */
  finish(): Promise<void>;
}

/** A scope that can be claimed. */
export interface Claimable extends Held, Traced {
  claim(options?: MutationOptions): Promise<Claim>;
}

/** The scope of a claim. */
export interface ClaimedScope extends ScopeCore {
  readonly stopped: boolean;
}

/**
 * Submits a task that claims a scope until it is released; resolves when the task starts. `around`:
 * the held calls that the claim is one of, outermost first.
 */
export function claimBy(
  scope: ClaimedScope,
  submit: (task: ExclusiveTask) => Promise<boolean>,
  around?: HeldCalls,
): Promise<Claim> {
  return new Promise((resolve, reject) => {
    const claim = new ScopeClaim(scope, around, resolve);
    claim.revoked = submit(claim).then(() => new Promise<never>(() => undefined));
    // Before the scope is granted this is the refusal.
    claim.revoked.catch(reject);
  });
}

class ScopeClaim implements Claim, ExclusiveTask {
  unknown = false;
  inner: HeldCalls | null = null;
  released = false;
  /** Not made yet when an idle scope grants the claim at once; a claim is used after that. */
  revoked: Promise<never> = new Promise(() => undefined);
  readonly #scope: ClaimedScope;
  readonly #around: HeldCalls | undefined;
  readonly #granted: (claim: Claim) => void;
  #call: Call | null = null;
  #free: (() => void) | null = null;
  #record: KeptRecord | null = null;
  /** Settles when the record is kept or refused; `null`: it is not being acquired. */
  #keeping: Promise<void> | null = null;

  constructor(scope: ClaimedScope, around: HeldCalls | undefined, granted: (claim: Claim) => void) {
    this.#scope = scope;
    this.#around = around;
    this.#granted = granted;
  }

  readonly task = (call: Call): Promise<boolean> =>
    new Promise((resolve) => {
      this.#call = call;
      this.#free = () => resolve(false);
      this.#granted(this);
    });

  get ended(): boolean {
    return this.released || this.#call?.settled === true;
  }

  get lost(): Promise<never> | undefined {
    return this.#around?.leaseLost ?? this.#record?.lease.lost;
  }

  get calls(): HeldCalls {
    this.inner ??= new HeldCalls(this.#scope, this.#around, () => this.#record?.lease ?? null);
    return this.inner;
  }

  writing(isWriting: boolean): void {
    this.unknown = isWriting;
  }

  async keepRecord(signal: AbortSignal): Promise<void> {
    if (this.#around !== undefined) return;
    void this.calls; // A scope with held calls is released by its section, when its call ends too.
    const kept = keepRecord(this.#scope, signal);
    const settled = (): void => {
      this.#keeping = null;
    };
    this.#keeping = kept.then(settled, settled);
    this.#record = await kept;
  }

  release(): void {
    this.released = true;
    this.inner?.end();
    this.#record?.lease.release();
    if (this.inner?.busy !== true) return this.#free?.();
    void this.inner.stop().then(() => this.#free?.()); // The section was revoked (K5).
  }

  async finish(): Promise<void> {
    this.inner?.end();
    // Revoked while the record was read: the caller does not wait for the store, the scope does.
    if (this.#keeping !== null) return void this.#keeping.then(() => this.finish());
    this.#record?.lease.release();
    await this.#record?.released;
    this.release();
  }
}

/** The held calls of one claim; see the head of this file. */
export class HeldCalls implements InnerCalls, Lane, Claimable {
  readonly identity: ScopeIdentity;
  readonly settings: ScopeSettings;
  readonly holders: readonly Held[];
  readonly #scope: ClaimedScope;
  readonly #around: HeldCalls | undefined;
  readonly #lease: () => RecordLease | null;
  #executor: Executor | null = null;
  readonly #onRest: (() => void)[] = [];
  #isOver = false;
  #stopping: Promise<void> | null = null;

  /** `lease`: the lease of the record; when it is lost, calls are refused (K3). */
  constructor(scope: ClaimedScope, around: HeldCalls | undefined, lease: () => RecordLease | null) {
    this.identity = scope.identity;
    this.settings = scope.settings;
    this.holders = [...(around?.holders ?? [scope]), this];
    this.#scope = scope;
    this.#around = around;
    this.#lease = lease;
  }

  get stopped(): boolean {
    return this.#scope.stopped;
  }

  get confirmed(): object | null {
    return this.#executor?.confirmed ?? null;
  }

  /** True while a held call waits, runs or is being saved. */
  get busy(): boolean {
    return this.#executor !== null;
  }

  /** Why a call is refused now (K3). */
  get refusal(): ExclusiveLostError | null {
    if (this.#isOver) return new ExclusiveLostError("over", { scope: this.identity });
    return this.#around?.refusal ?? this.#lease()?.error ?? null;
  }

  /** Rejects when the lease of the record is lost; `undefined`: there is none. */
  get leaseLost(): Promise<never> | undefined {
    return this.#around?.leaseLost ?? this.#lease()?.lost;
  }

  /** Submits a call; resolves to whether it changed the state, once that is saved. */
  submit(work: Mutation | ExclusiveTask, options?: MutationOptions): Promise<boolean> {
    const { refusal } = this;
    return refusal === null ? submitTo(this, work, options) : Promise.reject(refusal);
  }

  get executor(): Executor {
    return (this.#executor ??= new Executor(this.#scope, this));
  }

  /** Claims the scope for a section inside this one. */
  claim(options?: MutationOptions): Promise<Claim> {
    return claimBy(this.#scope, (task) => this.submit(task, options), this);
  }

  /** Resolves when no held call waits or runs. */
  async settled(): Promise<void> {
    while (this.busy) await new Promise<void>((resolve) => this.#onRest.push(resolve));
  }

  rest(): void {
    this.#executor = null;
    for (const resolve of this.#onRest.splice(0)) resolve();
  }

  /** The section is over. */
  end(): void {
    this.#isOver = true;
  }

  stop(): Promise<void> {
    this.end();
    this.#stopping ??= this.#executor?.stop() ?? Promise.resolve();
    return this.#stopping;
  }
}
