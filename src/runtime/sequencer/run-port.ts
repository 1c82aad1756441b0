/**
 * The record of a run, and what its steps use of the run and of their try.
 */
import type { MutationOptions } from "../../../actors/protocol.ts";
import type { TransactOptions } from "./context.ts";
import type { AnyStep, StepRules } from "./step-rules.ts";

/** The status of a run. */
export type RunStatus = "running" | "suspended" | "completed" | "failed" | "cancelled";

/** Why a run waits. */
export interface Suspension {
  readonly id: string;
  /** What `suspend` was given. */
  readonly reason: unknown;
  /** What `suspend` was given for the code that resumes the run; absent when it was not. */
  readonly data?: unknown;
  /** When the suspension ends without a resume, in milliseconds since the epoch. */
  readonly timeoutAt?: number;
}

/** A suspension that was resumed. */
export interface AnsweredSuspension {
  readonly id: string;
  /** The step that suspended. */
  readonly step: string;
}

/** Why a run failed: name, code and message of the error, never its values or its stack. */
export interface RunFailure {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  /** The step that failed. */
  readonly step: string;
  /** How often that step has failed in a row. */
  readonly attempt: number;
}

/** A transaction of a step that took effect. */
export interface Transacted {
  /** Its number in the step. */
  readonly n: number;
  readonly result: unknown;
}

/** The part of a record that belongs to the current step. */
export interface StepRecord {
  /** The data with which the suspensions of the step were resumed, in order. */
  readonly answers: readonly unknown[];
  /** Which of `answers` stand for a suspension whose time was over. */
  readonly timedOut: readonly number[];
  /** The suspension of the last answer, until the step has accepted that; else `null`. */
  readonly answering: Suspension | null;
  /** When the sleeps of the step end, in order; milliseconds since the epoch. */
  readonly sleeps: readonly number[];
  /** The transactions of the step that took effect, in the order of their ends. */
  readonly transacted: readonly Transacted[];
  /** How often recovery has started the step since it last got on: see `maxStarts`. */
  readonly starts: number;
  /** Failed tries since the step, or a resume after its failure, began. */
  readonly tries: number;
}

/** The step part of a record when a step begins. */
export const STEP_BEGINS: StepRecord = Object.freeze({
  answers: Object.freeze([]),
  timedOut: Object.freeze([]),
  answering: null,
  sleeps: Object.freeze([]),
  transacted: Object.freeze([]),
  starts: 0,
  tries: 0,
});

/** The record of a run. */
export interface RunRecord extends StepRecord {
  readonly runId: string;
  readonly sequencer: string;
  /** The names of the finished steps, then of the current step, if there is one. */
  readonly steps: readonly string[];
  /** How many steps are finished; the index of the step to run next. */
  readonly stepIndex: number;
  readonly input: unknown;
  readonly state: object;
  /** The results of the finished steps, in order. */
  readonly outputs: readonly unknown[];
  readonly status: RunStatus;
  /** Values of `runOnce`, by the name of the step and the key. */
  readonly effects: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly suspension: Suspension | null;
  /** The last resumed suspensions, in order. */
  readonly answered: readonly AnsweredSuspension[];
  /** Why the current step failed last; `null` when it did not. */
  readonly error: RunFailure | null;
  readonly createdAt: number;
}

/** How a run ended. */
export type RunOutcome<Output = unknown, S extends object = object> =
  | { readonly status: "completed"; readonly output: Output; readonly state: S }
  | { readonly status: "suspended"; readonly suspension: Suspension };

/** The step where a run stands. */
export interface CurrentStep {
  readonly index: number;
  readonly step: AnyStep;
  readonly rules: StepRules;
}

/** What a run uses of its owner. */
export interface RunPort {
  /** The present record. */
  readonly record: RunRecord;
  /** The step to run next; `undefined` when all are finished. */
  readonly current: CurrentStep | undefined;
  /** Changes the record in memory at once; it is stored in the background. */
  write(change: Partial<RunRecord>): void;
  /** Writes a boundary: one more step is finished, with this frozen output. */
  finish(output: unknown): void;
  /** Writes that a try of the current step failed, and drops what it did to the state. */
  failedTry(error: unknown): void;
  /** Resolves when the present record is stored. */
  flush(): Promise<void>;
  /** Runs one step's code. */
  step(step: AnyStep, thisTry: TryPort): unknown;
  /** Runs a recipe over scopes of this runtime, all of them stored. */
  transact(scopes: readonly unknown[], recipe: unknown, options: MutationOptions): Promise<unknown>;
  /** Sets the callback for a run that must end while a step runs. */
  onLost(callback: (reason: unknown) => void): void;
  /** Throws when the run has lost its right to continue. */
  check(): void;
  /** Milliseconds since the epoch. */
  now(): number;
  /** Calls back at a time; the returned function cancels that. The process stays alive for it. */
  alarm(at: number, callback: () => void): () => void;
  /** Nothing of the run is due before `until`; `null`: it is no longer at rest. */
  rest(until: number | null): Promise<void>;
  /** A number in [0, 1). */
  random(): number;
}

/** What the code of a step uses of its try. */
export interface TryPort {
  readonly index: number;
  /** 1 for the first try. */
  readonly attempt: number;
  /** True when the try has ended. */
  readonly ended: boolean;
  readonly signal: AbortSignal;
  runOnce<T>(key: string, work: () => T | Promise<T>): Promise<T>;
  transact(
    scopes: readonly unknown[],
    recipe: unknown,
    options: TransactOptions | undefined,
  ): Promise<unknown>;
  suspend(asked: unknown): Promise<unknown>;
  sleep(time: unknown): Promise<void>;
}
