/**
 * The failures of sequencer runs, one class each; see `errors.ts`.
 */
import { HoldfastError, type HoldfastErrorOptions } from "./holdfast-error.ts";

/** Another owner has the lease of this sequencer run. */
export class RunLeasedError extends HoldfastError {
  readonly holder: string;

  constructor(fields: { runId: string; holder: string }, options?: HoldfastErrorOptions) {
    super(
      "RUN_LEASED",
      `run "${fields.runId}" is being executed by ${fields.holder}; try again when it is done`,
      options,
    );
    this.holder = fields.holder;
  }
}

/** The steps of the sequencer differ from those under which the run was stored; nothing ran. */
export class SequencerChangedError extends HoldfastError {
  /** The names of the run's finished steps, then its current step. */
  readonly stored: readonly string[];
  /** The names of the steps in the present definition of the sequencer. */
  readonly defined: readonly string[];

  constructor(
    fields: { runId: string; stored: readonly string[]; defined: readonly string[] },
    options?: HoldfastErrorOptions,
  ) {
    super(
      "SEQUENCER_CHANGED",
      `run "${fields.runId}" was stored with the steps ${fields.stored.join(", ")}, and the ` +
        `sequencer now has ${fields.defined.join(", ")}; say with onChange where it goes on`,
      options,
    );
    this.stored = fields.stored;
    this.defined = fields.defined;
  }
}

/** The run waits for another suspension than the given one; nothing was resumed. */
export class SuspensionMismatchError extends HoldfastError {
  /** The id of the suspension the run waits for; `undefined` when it waits for none. */
  readonly expected: string | undefined;
  readonly received: string;

  constructor(
    fields: { runId: string; expected: string | undefined; received: string },
    options?: HoldfastErrorOptions,
  ) {
    super(
      "SUSPENSION_MISMATCH",
      `run "${fields.runId}" waits for ${fields.expected ?? "no suspension"}, ` +
        `not for ${fields.received}`,
      options,
    );
    this.expected = fields.expected;
    this.received = fields.received;
  }
}

/** The run was cancelled; it runs no more steps. */
export class RunCancelledError extends HoldfastError {
  constructor(runId: string, options?: HoldfastErrorOptions) {
    super("RUN_CANCELLED", `run "${runId}" was cancelled`, options);
  }
}

/** There is no run of this id, in memory or in the store. */
export class RunNotFoundError extends HoldfastError {
  constructor(runId: string, options?: HoldfastErrorOptions) {
    super("RUN_NOT_FOUND", `there is no run "${runId}"`, options);
  }
}

/** The process of a run ended again and again in the same step; recovery starts it no more. */
export class RunAbandonedError extends HoldfastError {
  readonly step: string;
  /** How often recovery has started the step. */
  readonly starts: number;

  constructor(
    fields: { runId: string; step: string; starts: number },
    options?: HoldfastErrorOptions,
  ) {
    super(
      "RUN_ABANDONED",
      `the process of run "${fields.runId}" ended in step "${fields.step}" each time, also after ` +
        `${fields.starts} starts by recovery; mend the step, then resume the run`,
      options,
    );
    this.step = fields.step;
    this.starts = fields.starts;
  }
}

/** One try of a step took longer than its `timeoutMs`; what its code does later has no effect. */
export class StepTimeoutError extends HoldfastError {
  readonly step: string;
  readonly timeoutMs: number;

  constructor(
    fields: { runId: string; step: string; timeoutMs: number },
    options?: HoldfastErrorOptions,
  ) {
    super(
      "STEP_TIMEOUT",
      `step "${fields.step}" of run "${fields.runId}" did not end within ${fields.timeoutMs} ms`,
      options,
    );
    this.step = fields.step;
    this.timeoutMs = fields.timeoutMs;
  }
}

/** A suspension was not resumed within its `timeoutMs`. */
export class SuspensionTimeoutError extends HoldfastError {
  constructor(fields: { runId: string; step: string }, options?: HoldfastErrorOptions) {
    super(
      "SUSPENSION_TIMEOUT",
      `a suspension of step "${fields.step}" of run "${fields.runId}" was not resumed in time`,
      options,
    );
  }
}
