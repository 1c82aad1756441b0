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
import { keepRecord, type RecordLease, type RecordWait } from "./record-lease.ts";
import type { Held } from "./reentrancy.ts";
import type { Lane, ScopeCore } from "./scope-core.ts";
import type { Traced } from "./trace.ts";

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
 * the claim whose held calls this one is one of.
 */
export function claimBy(
  scope: ClaimedScope,
  submit: (task: ExclusiveTask) => Promise<boolean>,
  around?: Claim,
): Promise<Claim> {
  return new Promise((resolve, reject) => {
    const claim = new Claim(scope, around, resolve);
    claim.revoked = submit(claim).then(() => new Promise<never>(() => undefined));
    // Before the scope is granted this is the refusal.
    claim.revoked.catch(reject);
  });
}

/** One scope of a section, and the held calls on it; see the head of this file. */
export class Claim implements ExclusiveTask, InnerCalls, Lane, Claimable {
  readonly identity: ScopeIdentity;
  readonly settings: ScopeSettings;
  readonly holders: readonly Held[];
  /** Set while a write is under way: then a revoked claim means an unknown outcome. */
  unknown = false;
  /** Set when the section can make held calls: then the claim releases the scope (K5). */
  inner: Claim | null = null;
  /** True once the claim was released: then `revoked` may never settle. */
  released = false;
  /**
   * Rejects when the claim is revoked: timeout, abort, stop. No commit is allowed after that. Not
   * made yet when an idle scope grants the claim at once; a claim is used after that.
   */
  revoked: Promise<never> = new Promise(() => undefined);
  readonly #scope: ClaimedScope;
  readonly #around: Claim | undefined;
  readonly #granted: (claim: Claim) => void;
  #call: Call | null = null;
  #free: (() => void) | null = null;
  #record: RecordLease | null = null;
  /** Settles when the record is kept or refused; `null`: it is not being acquired. */
  #keeping: Promise<void> | null = null;
  /** Runs the held calls, while there are any. */
  #executor: Executor | null = null;
  readonly #onRest: (() => void)[] = [];
  #isOver = false;
  #stopping: Promise<void> | null = null;

  constructor(scope: ClaimedScope, around: Claim | undefined, granted: (claim: Claim) => void) {
    this.identity = scope.identity;
    this.settings = scope.settings;
    this.holders = [...(around?.holders ?? [scope]), this];
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

  /** True once the claim was released or revoked. */
  get ended(): boolean {
    return this.released || this.#call?.settled === true;
  }

  /** Rejects when the lease of the record is lost; may never settle. `undefined`: there is none. */
  get lost(): Promise<never> | undefined {
    return this.#around?.lost ?? this.#record?.lost;
  }

  /** This claim, for the held calls of its section. */
  get calls(): this {
    this.inner = this;
    return this;
  }

  /**
   * Keeps the record at its store until the claim is released, and adopts it. Does nothing when the
   * store excludes no other owner, or when a section around this one keeps the record. `section`:
   * for the code of a user, which may last.
   */
  async keepRecord(wait: RecordWait): Promise<void> {
    if (this.#around !== undefined) return;
    this.inner = this;
    const kept = keepRecord(this.#scope, wait);
    const settled = (): void => {
      this.#keeping = null;
    };
    this.#keeping = kept.then(settled, settled);
    this.#record = await kept;
  }

  /** Releases the scope; its mailbox continues. */
  release(): void {
    this.released = true;
    this.#isOver = true;
    void this.#record?.release();
    if (!this.busy) return this.#free?.();
    void this.stop().then(() => this.#free?.()); // The section was revoked (K5).
  }

  /** Releases the record, then the scope; resolves when both are released. */
  async finish(): Promise<void> {
    this.#isOver = true;
    // Revoked while the record was read: the caller does not wait for the store, the scope does.
    if (this.#keeping !== null) return void this.#keeping.then(() => this.finish());
    await this.#record?.release();
    this.release();
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

  /** Why a held call is refused now (K3). */
  get refusal(): ExclusiveLostError | null {
    if (this.#isOver) return new ExclusiveLostError("over", { scope: this.identity });
    return this.#around?.refusal ?? this.#record?.error ?? null;
  }

  /** Submits a held call; resolves to whether it changed the state, once that is saved. */
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

  stop(): Promise<void> {
    this.#isOver = true;
    return (this.#stopping ??= this.#executor?.stop() ?? Promise.resolve());
  }
}
