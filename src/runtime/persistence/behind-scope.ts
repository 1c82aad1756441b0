/** What write-behind uses of its scope and of its store. */
import type { ExclusiveWait, Stored, Tombstone } from "../../../actors/protocol.ts";
import type { Claim } from "../../../actors/scope/claim.ts";
import type { StateRule } from "../../../actors/scope/options.ts";
import type { CheckpointTarget } from "./checkpoint-target.ts";
import type { CheckpointSource } from "./write-behind.ts";

/** The scope that is written. */
export interface BehindScope extends CheckpointSource, StateRule {
  readonly stopped: boolean;
  /** The scope must read the store before its next mutation. */
  stale: boolean;
  /** Claims the scope, without a time limit; refused once it has stopped, or by the signal. */
  ownTurn(signal: AbortSignal): Promise<Claim>;
  /** Adopts a state and announces it; calls `WriteBehind.loaded` before. */
  take(found: Stored<object> | Tombstone): void;
  /** The state changed. */
  committed(): void;
}

/** The target of the writes. */
export interface BehindTarget extends CheckpointTarget {
  /** When the state last read expires, in milliseconds since the epoch; `undefined`: never. */
  readonly until: number | undefined;
  /** The store can keep the record from other writers, so a write under `exclusive` ends. */
  readonly keeps: boolean;
  load(): Promise<Stored<object> | Tombstone | undefined>;
  exclusive<T>(work: () => Promise<T>, wait?: ExclusiveWait): Promise<T>;
}
