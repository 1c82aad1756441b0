/** What the inspector sends to its page, as JSON. */
import type { Json } from "../../../actors/protocol.ts";

/** What the page is for. */
export interface About {
  /** Rewinds, and actions on runs, are allowed. */
  readonly write: boolean;
  /** The program that serves the page is the one that works on the scopes: there are mailboxes. */
  readonly live: boolean;
  /** The stores of the runtime. */
  readonly stores: readonly string[];
}

/** How many scopes of a kind there are. */
export interface KindCount {
  readonly type: string;
  readonly count: number;
}

/** The scopes of all kinds, counted. */
export interface Counts {
  readonly kinds: readonly KindCount[];
  /** False until all scopes were counted once. */
  readonly complete: boolean;
}

/** The counters of a runtime. */
export type Stats = Readonly<
  Record<
    | "residentScopes"
    | "waiting"
    | "mutations"
    | "commits"
    | "folded"
    | "conflicts"
    | "escalations"
    | "checkpointErrors"
    | "storeErrors",
    number
  >
>;

/** How long calls took, from the call until they were settled, in the last minute. */
export interface Latency {
  /** The upper limits of the buckets in milliseconds; the last bucket has none. */
  readonly limits: readonly number[];
  readonly counts: readonly number[];
}

/** What is sent each second. */
export interface Tick {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly stats: Stats;
  readonly counts: Counts;
  readonly latency: Latency;
}

/** One row of the list of scopes. */
export interface ScopeRow {
  readonly type: string;
  readonly id: string;
  /** Of a scope in memory. */
  readonly version?: number;
}

/** A page of the list of scopes. */
export interface ScopePage {
  readonly scopes: readonly ScopeRow[];
  /** Where the next page begins; absent on the last one. */
  readonly cursor?: string;
}

/** One scope. */
export interface ScopeView {
  readonly type: string;
  readonly id: string;
  /** The present version. */
  readonly version: number;
  /** The version whose state this is, and when it was made; 0 when that is not known. */
  readonly shown: { readonly version: number; readonly timestamp: number };
  readonly state: Json;
  /** When it expires, in milliseconds since the epoch; `null`: never. */
  readonly until: number | null;
  /** `null`: its kind declares none here. */
  readonly timers: readonly TimerView[] | null;
  readonly keepsHistory: boolean;
  readonly userId?: string;
  readonly orgId?: string;
  readonly waiting: number;
  readonly busy: "running" | "saving" | null;
}

/** A timer of a scope. */
export interface TimerView {
  readonly key: string;
  readonly name: string;
  readonly at: number;
  readonly payload: Json;
}

/** One place that a change touched. */
export interface Difference {
  readonly path: readonly string[];
  /** The value before, and after, as JSON text that may be cut; absent where there is none. */
  readonly before?: string;
  readonly after?: string;
}

/** One change of a scope. */
export interface ChangeView {
  readonly version: number;
  readonly timestamp: number;
  readonly operation: string;
  readonly differences: readonly Difference[];
  /** How many differences were left out. */
  readonly more: number;
  readonly meta?: Json;
}

/** A page of changes, newest first. */
export interface HistoryPage {
  readonly changes: readonly ChangeView[];
  /** Older changes may be there. */
  readonly more: boolean;
}

/** A scope that is busy. */
export interface MailboxRow {
  readonly type: string;
  readonly id: string;
  readonly waiting: number;
  readonly busy: "running" | "saving" | null;
  /** What runs, and for how many milliseconds; absent when it began before the page was open. */
  readonly operation?: string;
  readonly runningMs?: number;
}

/** A scope that other owners changed meanwhile. */
export interface ContendedRow {
  readonly type: string;
  readonly id: string;
  readonly conflicts: number;
  /** Milliseconds since the epoch. */
  readonly last: number;
}

/** The mailboxes of a runtime. */
export interface Mailboxes {
  readonly busy: readonly MailboxRow[];
  /** How many scopes are busy. */
  readonly count: number;
  readonly contended: readonly ContendedRow[];
  /** Since when conflicts were noted by scope. */
  readonly since: number;
}

/** The status of a run. */
export type Status = "running" | "suspended" | "completed" | "failed" | "cancelled";

/** One row of the list of runs. */
export interface RunRow {
  readonly runId: string;
  readonly sequencer: string;
  readonly status: Status;
  readonly step?: string;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** A list of runs, the last changed first. */
export interface RunPage {
  readonly runs: readonly RunRow[];
  /** There are more than were read. */
  readonly more: boolean;
}

/** A step of a run as a bar: one try, or all of a step whose tries are not known. */
export interface Bar {
  readonly step: string;
  /** Milliseconds since the epoch; `null`: not known, or not yet. */
  readonly from: number | null;
  readonly to: number | null;
  readonly status: "done" | "running" | "suspended" | "failed" | "cancelled" | "pending";
  readonly attempt: number;
}

/** One run. */
export interface RunView extends RunRow {
  readonly bars: readonly Bar[];
  readonly input: Json;
  readonly state: Json;
  readonly outputs: readonly Json[];
  readonly scopes: readonly { readonly type: string; readonly id: string }[];
  readonly suspension?: {
    readonly id: string;
    readonly reason: Json;
    readonly data?: Json;
    readonly timeoutAt?: number;
    /** The JSON Schema of the data, if it is known. */
    readonly schema?: Json;
  };
  readonly error?: {
    readonly name: string;
    readonly message: string;
    readonly code?: string;
    readonly step: string;
    readonly attempt: number;
  };
  /** The program knows the sequencer, so the run can be resumed here. */
  readonly resumable: boolean;
}
