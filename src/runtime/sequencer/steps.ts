/**
 * A sequencer run: steps in order, each finished step recorded, so that a run that was cut off
 * continues at the first step whose completion is not stored.
 *
 *     running ──step done──▶ (boundary: checkpoint in the background) ──▶ next step … ──▶ completed
 *        │  │
 *        │  └─suspend──▶ suspended ──resume(data)──▶ running (the step starts again, suspend
 *        │                                                    resolves to the data)
 *        └─throws──▶ failed ──resume──▶ running (the step starts again)
 *
 * The run works on a record and knows nothing of stores: its port writes and flushes the record. A
 * suspended step waits for ever and never continues. Its code does not fail, so no `catch` or
 * `finally` of the caller runs for a suspension.
 *
 * Invariants
 *  Q1  A step starts only when all steps before it are in the record.
 *  Q2  `finished` and `suspended` are reported only after the record of it is stored.
 *  Q3  A `runOnce` function runs only when every boundary before it is stored, and its value is
 *      stored before it is returned; a stored value is returned without running anything. So it
 *      runs again only when the process ended before the value was stored.
 *  Q4  Code of a step whose run has ended (suspended, failed, cut off) cannot change the record.
 *  Q5  The data of a step is stored under its name: equal `runOnce` keys of two steps are different
 *      keys, and `steps` names the finished steps and the current one.
 */
import { isThenable } from "../../../actors/scope/mutation.ts";
import { copyIn } from "../../../actors/state/copy.ts";

/** The status of a run. */
export type RunStatus = "running" | "suspended" | "completed" | "failed";

/** Why a run waits. */
export interface Suspension {
  readonly id: string;
  readonly reason: string;
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

/** The record of a run. */
export interface RunRecord {
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
  /** The data with which the suspensions of the current step were resumed, in order. */
  readonly answers: readonly unknown[];
  readonly suspension: Suspension | null;
  /** The last resumed suspensions, in order. */
  readonly answered: readonly AnsweredSuspension[];
  /** Why the current step failed last; `null` when it did not. */
  readonly error: RunFailure | null;
  readonly createdAt: number;
}

/** How a run ended. */
export type RunOutcome =
  | { readonly status: "completed"; readonly output: unknown; readonly state: object }
  | { readonly status: "suspended"; readonly suspension: Suspension };

/** What a run uses of its owner. */
export interface RunPort {
  /** The present record. */
  readonly record: RunRecord;
  /** Changes the record in memory at once; it is stored in the background. */
  write(change: Partial<RunRecord>): void;
  /** Writes a boundary: one more step is finished, with this frozen output. */
  finish(stepIndex: number, output: unknown, status: RunStatus): void;
  /** Resolves when the present record is stored. */
  flush(): Promise<void>;
  /** Runs one step's code. */
  step(index: number, turn: StepTurn): unknown;
  /** Sets the callback for a run that must end while a step runs. */
  onLost(callback: (reason: unknown) => void): void;
  /** Throws when the run has lost its right to continue. */
  check(): void;
}

/** What the code of a step uses of its run. */
export interface StepTurn {
  readonly index: number;
  runOnce<T>(key: string, work: () => T | Promise<T>): Promise<T>;
  suspend(reason: string): Promise<unknown>;
}

/**
 * Runs the remaining steps of those named. Resolves to the outcome of the run; rejects with what a
 * step threw.
 */
export async function runSteps(
  port: RunPort,
  names: readonly string[],
  newId: () => string,
): Promise<RunOutcome> {
  const stepCount = names.length;
  for (let index = port.record.stepIndex; index < stepCount; index += 1) {
    port.check();
    const end = await new StepRun(port, index, names[index] ?? "").run();
    if (end.kind === "suspended") return suspend(port, { id: newId(), reason: end.reason });
    port.check();
    const output = copyIn(end.output, `output of step ${index}`, { depth: 2 });
    port.finish(index + 1, output, index + 1 === stepCount ? "completed" : "running");
  }
  if (port.record.status !== "completed") port.write({ status: "completed" });
  await port.flush();
  const { outputs, state } = port.record;
  return { status: "completed", output: outputs.at(-1), state };
}

async function suspend(port: RunPort, suspension: Suspension): Promise<RunOutcome> {
  // The state is kept as it was when the step began: the step starts again from it.
  port.write({ status: "suspended", suspension: Object.freeze(suspension), error: null });
  await port.flush();
  return { status: "suspended", suspension };
}

type StepEnd =
  | { readonly kind: "done"; readonly output: unknown }
  | { readonly kind: "suspended"; readonly reason: string };

/** One run of one step. */
class StepRun implements StepTurn {
  readonly index: number;
  readonly #port: RunPort;
  readonly #name: string;
  readonly #running = new Map<string, Promise<unknown>>();
  #suspensions = 0;
  #ended = false;
  #suspended: ((reason: string) => void) | null = null;

  constructor(port: RunPort, index: number, name: string) {
    this.#port = port;
    this.#name = name;
    this.index = index;
  }

  async run(): Promise<StepEnd> {
    try {
      return await new Promise<StepEnd>((resolve, reject) => {
        this.#suspended = (reason) => resolve({ kind: "suspended", reason });
        this.#port.onLost(reject);
        const output = this.#port.step(this.index, this);
        if (!isThenable(output)) resolve({ kind: "done", output });
        else output.then((value) => resolve({ kind: "done", output: value }), reject);
      });
    } finally {
      this.#ended = true;
    }
  }

  runOnce<T>(key: string, work: () => T | Promise<T>): Promise<T> {
    if (typeof key !== "string") return Promise.reject(new TypeError("runOnce needs a key"));
    const kept = this.#kept();
    // A recorded value comes from this key's function; the caller declares its type.
    if (Object.hasOwn(kept, key)) return Promise.resolve(kept[key] as T);
    let running = this.#running.get(key);
    if (running === undefined) {
      running = this.#doOnce(key, work).finally(() => this.#running.delete(key));
      this.#running.set(key, running);
    }
    return running as Promise<T>; // As above.
  }

  suspend(reason: string): Promise<unknown> {
    const { answers } = this.#port.record;
    const index = this.#suspensions;
    this.#suspensions += 1;
    if (index < answers.length) return Promise.resolve(answers[index]);
    this.#suspended?.(reason);
    // The step waits here for ever: its next run, after the resume, receives the data.
    return new Promise(() => undefined);
  }

  async #doOnce<T>(key: string, work: () => T | Promise<T>): Promise<T> {
    await this.#port.flush();
    const value = copyIn(await work(), `runOnce ${key}`, { depth: 2 });
    this.#check();
    this.#port.check();
    const { effects } = this.#port.record;
    this.#port.write({ effects: adding(effects, this.#name, adding(this.#kept(), key, value)) });
    await this.#port.flush();
    return value;
  }

  /** The `runOnce` values of this step. */
  #kept(): Readonly<Record<string, unknown>> {
    const { effects } = this.#port.record;
    return Object.hasOwn(effects, this.#name) ? (effects[this.#name] ?? {}) : {};
  }

  #check(): void {
    if (this.#ended) throw new Error("this step has ended; its runOnce value is not kept");
  }
}

/** A frozen copy of `record` with one more own field, whatever its name (V3 of `copy.ts`). */
function adding<T>(
  record: Readonly<Record<string, T>>,
  key: string,
  value: T,
): Readonly<Record<string, T>> {
  const next = { ...record };
  Object.defineProperty(next, key, { value, enumerable: true });
  return Object.freeze(next);
}
