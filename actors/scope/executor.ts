/**
 * Runs the calls of one busy scope, one at a time, and saves their changes. An idle scope has no
 * executor.
 *
 *     open ───code───▶ running(run?)                   submit: if open, else the mailbox
 *     ▲ │ ▲ ◀──its end───┘ │
 *     │ │ └──task, reload──│──▶ exclusive(call) ──▶ open
 *     │ └─batch to save──▶ saving(save, run?)
 *     └────save over───────┘ or running(run) again     stopped: from anywhere
 *
 * Without a bridge a call resolves when its code has ended, else when its commit batch is saved.
 * A mutator that ends during a save waits for it; it runs again if its state is not confirmed.
 *
 * Invariants
 *  S1  At most one run counts at a time (X2), and calls run in the order in which they were made.
 *  S2  A cancelled call has no effect, or rejects with `COMMIT_UNKNOWN`: its save was in flight.
 *  S3  While a call waits, a run, a task, a save or the tick that starts one is under way, and ends
 *      in `#proceed`; a call that has a time limit does not wait beyond it.
 *  S4  User code (mutators, checks, subscribers) never runs in state open: its own calls wait.
 */
import { onAbort } from "./abort.ts";
import { afterThis, nextTurn } from "../time/soon.ts";
import type { Activity, Lane, ScopeCore } from "./scope-core.ts";
import { overtime, type Expirable } from "./timeouts.ts";
import { CommitUnknownError, ScopeStoppedError } from "../errors.ts";
import { Mailbox, type Call, type CallStage, type Outcome } from "./mailbox.ts";
import { isUncertain, mustVerify } from "./commit-batch.ts";
import { commitChange } from "./commit.ts";
import { Save, type SavePort } from "./committer.ts";
import { gathers } from "./save-answer.ts";
import { prepare } from "./tasks.ts";
import { MutatorRun, NOTHING, type Ended } from "./mutator-run.ts";
import { captureContext, isInTurn, outsideTurns } from "./reentrancy.ts";
import { applyMutation, failed } from "./apply-mutation.ts";

type State =
  | { readonly is: "open" | "stopped" }
  | { readonly is: "running" | "saving"; readonly run: MutatorRun | null } // Null: without code.
  | { readonly is: "exclusive"; readonly call: Call };

const OPEN: State = { is: "open" };
const APPLYING: State = { is: "running", run: null };
const SAVING: State = { is: "saving", run: null };

/** See the head of this file. */
export class Executor implements Expirable, SavePort {
  readonly #scope: ScopeCore;
  readonly #lane: Lane;
  readonly #mailbox = new Mailbox();
  #state: State = OPEN;
  /** The batch that collects calls, or the one being saved. */
  #batch: Save | null = null;
  #saveScheduled: State["is"] | null = null;
  #onRest: (() => void) | null = null;

  constructor(scope: ScopeCore, lane: Lane = scope) {
    this.#scope = scope;
    this.#lane = lane;
  }

  /** The state that readers see; `null` when the draft state is the confirmed one. */
  get confirmed(): object | null {
    if (this.#state.is === "exclusive") return this.#state.call.inner?.confirmed ?? null;
    return this.#batch?.shown ?? null;
  }

  get activity(): Activity {
    const running = underWay(this.#state) !== undefined;
    return { waiting: this.#mailbox.size, running, saving: this.#batch?.isSaving === true };
  }

  /** Accepts a call; its promise is settled in every case. */
  submit(call: Call): void {
    const signal = call.options?.signal;
    if (signal) call.onSettled(onAbort(signal, () => this.#cancel(call, signal.reason)));
    const isNext = this.#mailbox.size === 0 && this.#state === OPEN && this.#batch?.full !== true;
    // Code that runs later, or again for a save, needs the async context of its caller.
    if ("compute" in call.work && (!isNext || this.#scope.backing !== null))
      call.context = captureContext();
    if (isNext) this.#start(call);
    else this.#mailbox.enqueue(call, this.#scope);
    if (!call.settled) this.#scope.settings.deadlines.watch(this, call.deadline);
    this.#proceed();
  }

  expire(now: number): number {
    const calls = [...this.#mailbox, ...(this.#batch?.calls ?? []), underWay(this.#state)];
    let next = Infinity;
    for (const call of calls) {
      if (call === undefined || call.settled) continue;
      if (call.deadline > now) next = Math.min(next, call.deadline);
      else this.#cancel(call, overtime(call, this.#scope)); // The last one may start the next call.
    }
    return Math.min(next, this.#batch?.expire(now) ?? Infinity);
  }

  /** Refuses every call; resolves when a save in flight has settled its calls. */
  async stop(): Promise<void> {
    const call = underWay(this.#state);
    this.#state = { is: "stopped" };
    const error = (): ScopeStoppedError => new ScopeStoppedError({ scope: this.#scope.identity });
    this.#mailbox.rejectAll(error);
    if (call !== undefined) this.#cancel(call, error());
    if (call?.inner != null) await call.inner.stop();
    return new Promise((resolve) => {
      this.#onRest = resolve;
      if (this.#batch === null) this.#rest();
      else this.#batch.stop(error);
    });
  }

  #cancel(call: Call, reason: unknown): void {
    const { stage, run, inner } = call;
    if (call.settled || stage === "writing") return; // For aborts `#cancelAborted` follows.
    const isUnknown = isUncertain(call, this.#batch);
    const unknown = { scope: this.#scope.identity, cause: reason };
    call.reject(isUnknown ? new CommitUnknownError(unknown) : reason);
    if (isUnknown) {
      if (stage === "joined") return; // A sent change may count.
      this.#scope.stale = true; // It reads the store before the next call.
    }
    run?.lose(reason);
    this.#batch?.cancelled(call);
    if (stage === "queued") this.#mailbox.cancelled();
    else if (inner !== null) void inner.stop(); // Its section releases the scope.
    else if ("call" in this.#state && this.#state.call === call) {
      this.#state = OPEN;
      this.#proceed();
    }
  }

  #proceed(): void {
    while (this.#mailbox.size > 0 && this.#state === OPEN && this.#batch?.full !== true) {
      const call = this.#mailbox.take();
      if (call === null) break;
      if (call.options?.signal?.aborted === true) call.reject(call.options.signal.reason);
      else this.#start(call);
    }
    if (this.#batch !== null) this.#scheduleSave();
    else if (this.#state === OPEN) this.#rest();
  }

  /** Calls of one tick share a save. A mutator that takes longer does not delay it. */
  #scheduleSave(): void {
    const { is } = this.#state;
    if ((is !== "open" && is !== "running") || this.#saveScheduled === is) return;
    this.#saveScheduled = is;
    if (is === "running") nextTurn(() => this.send(is));
    else if (gathers(this.#scope)) this.#scope.bridge.gather(this);
    else afterThis(() => this.send());
  }

  /** Starts the save that was scheduled, unless it was started meanwhile. */
  send(is: State["is"] = "open"): void {
    if (this.#saveScheduled === is) this.#saveScheduled = null;
    if (this.#state.is === is && this.#batch !== null) this.#startSave(this.#batch);
  }

  #rest(): void {
    this.#scope.settings.deadlines.unwatch(this);
    this.#lane.rest();
    this.#onRest?.();
  }

  #startSave(save: Save): void {
    const run = this.#state.is === "running" ? this.#state.run : null;
    this.#state = run === null ? SAVING : { is: "saving", run };
    run?.pause();
    if (isInTurn()) outsideTurns(() => save.start());
    else save.start();
  }

  saved(): void {
    this.#dropRun(this.#batch?.given);
    this.#batch = null;
    if (this.#state.is !== "saving") return this.#rest();
    const { run } = this.#state;
    this.#state = run === null ? OPEN : { is: "running", run };
    run?.resume();
    this.#proceed();
  }

  /** The mutator beside a save runs again, unless the state that it was given is confirmed. */
  #dropRun(unless?: object | null): void {
    if (this.#state.is !== "saving" || this.#state.run === null) return;
    if (this.#scope.draft.expose() === unless) return;
    const { run } = this.#state;
    this.#state = SAVING;
    this.#mailbox.putBack(run.call);
    run.drop(); // Last: abort listeners may cancel the call, or stop the scope.
  }

  #start(call: Call): void {
    const { work } = call;
    const scope = this.#scope;
    const reads = (scope.stale || scope.overdue === true) && !("reloads" in work);
    if (this.#batch !== null && (reads || "task" in work || work.first === true)) {
      this.#mailbox.putBack(call); // What needs a confirmed state waits for the save of the batch.
      return this.#startSave(this.#batch);
    }
    if (reads) void this.#alone(call, "reloading", () => prepare(scope, call));
    else if ("task" in work) void this.#alone(call, "exclusive", () => work.task(call));
    else if (work.compute === undefined) {
      this.#state = APPLYING;
      this.#take(call, this.#outcome(call, NOTHING));
      if (this.#state === APPLYING) this.#state = OPEN;
    } else this.#run(call);
  }

  /** Runs the code of a call; `again` receives its outcome, or `null` when it was cancelled. */
  #run(call: Call, again?: (outcome: Outcome | null) => void): void {
    const run = new MutatorRun(call, (ended, isLate) => {
      const outcome = ended === "cancelled" ? null : this.#outcome(call, ended);
      if (again !== undefined) again(outcome);
      else if (outcome !== null) this.#take(call, outcome);
      // Only after everything that can call user code (S4).
      if ("run" in this.#state && this.#state.run === run)
        this.#state = this.#state.is === "running" ? OPEN : SAVING;
      if (isLate) this.#proceed();
    });
    this.#state = { is: this.#state === OPEN ? "running" : "saving", run };
    run.start(this.#scope, this.#lane.holders);
  }

  /** Gives one call the scope to itself until `task` ends. */
  async #alone<T>(call: Call, stage: CallStage, task: () => Promise<T>): Promise<void> {
    call.stage = stage;
    const mine: State = { is: "exclusive", call };
    this.#state = mine;
    const settle = await task().then(
      (done) => () => (stage === "reloading" ? this.#start(call) : call.resolve(done === true)),
      (error: unknown) => () => call.reject(error),
    );
    const isMine = this.#state === mine; // Else the call was cancelled and the next one runs.
    if (isMine) this.#state = OPEN;
    if (!call.settled) settle();
    if (isMine) this.#proceed();
  }

  #outcome(call: Call, ended: Exclude<Ended, "cancelled">): Outcome {
    if (this.#scope.bridge !== null) this.#batch ??= new Save(this.#scope, this);
    call.stage = "writing";
    if ("thrown" in ended) return failed(ended.thrown);
    return applyMutation(this.#scope, call.mutation, ended.value, this.#batch?.changes ?? 0);
  }

  /** Settles a call that has run, or adds it to the batch. */
  #take(call: Call, outcome: Outcome): void {
    const batch = this.#batch;
    // Absent only when a check has stopped the scope meanwhile.
    if (batch === null && this.#scope.bridge !== null)
      return call.reject(new ScopeStoppedError({ scope: this.#scope.identity }));
    // A result that depends on an unconfirmed or unverified state resolves with the batch (R2).
    const joins = outcome.changed || mustVerify(call, this.#scope.settings);
    if (batch !== null && (joins || batch.changes > 0)) {
      batch.add(call, outcome);
      return call.options === undefined ? undefined : this.#cancelAborted(call);
    }
    if (batch?.calls.length === 0) this.#batch = null;
    if (outcome.error !== null) return call.reject(outcome.error.thrown);
    if (!outcome.changed) return call.resolve(false);
    commitChange(this.#scope, call.mutation, outcome, call);
  }

  /** Runs a call of the batch again, for a save that met another state. */
  rerun(call: Call): Promise<Outcome | null> {
    if (!call.settled) this.#dropRun();
    if (call.settled) return Promise.resolve(null); // Its code must not run.
    return new Promise((resolve) => {
      this.#run(call, (outcome) => {
        resolve(outcome);
        call.stage = "replaying";
        this.#cancelAborted(call);
      });
    });
  }

  /** A check may have aborted the call while it was applied. */
  #cancelAborted(call: Call): void {
    const signal = call.options?.signal;
    if (signal?.aborted === true) this.#cancel(call, signal.reason);
  }
}

/** The running call: its code runs, or it has the scope to itself. */
function underWay(state: State): Call | undefined {
  if ("call" in state) return state.call;
  return "run" in state && state.run?.isOver === false ? state.run.call : undefined;
}
