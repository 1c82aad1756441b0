/** The message of the tracing channels, for the subscribers of a program. */
import type { ScopeIdentity } from "./protocol.ts";

/** The message of the tracing channels; filled in until `asyncEnd`. Never contains values. */
export interface OperationTrace {
  readonly scope: ScopeIdentity;
  /** The name of the store of the scope; `undefined` when the scope is in memory only. */
  readonly store: string | undefined;
  /** What is done, such as `patch`; of a step and of a run its name. */
  readonly operation: string;
  /** How long it waited before it began; milliseconds. */
  readonly waitMs: number;
  /** How long its own work took, all attempts together; milliseconds. */
  readonly runMs: number;
  /** 1, then 2 and up for each time that it was done again. */
  readonly attempt: number;
  /** How many changes are saved together; of an exclusive section, how many scopes it has. */
  readonly batchSize: number;
  /** Bytes of the state as JSON, where a state is saved or loaded. */
  readonly bytes: number | undefined;
  /** `undefined` until it is over; then "ok", or the code of its error. */
  readonly code: string | undefined;
  /** Of a save: the messages of the calls it stores, of those that are traced. */
  readonly calls?: readonly OperationTrace[];
  /** Of a run without an error: how it ended, "completed" or "suspended". */
  readonly status?: string;
}
