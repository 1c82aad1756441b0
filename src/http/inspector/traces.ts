/**
 * What the tracing channels report while the inspector is open: the calls under way, how long calls
 * took, which scopes met newer records, and the tries of steps.
 *
 *  T1  The channels have no subscriber while the inspector has no reader: then all of it is free.
 *  T2  Everything kept has a limit: `KEPT_MAX` scopes and runs, `BARS_MAX` tries of a run. Calls
 *      under way are those that wait or run in a mailbox, which is bounded.
 */
import { tracingChannel, type TracingChannel } from "node:diagnostics_channel";
import type { OperationTrace } from "../../../actors/operation-trace.ts";
import type { ScopeIdentity } from "../../../actors/protocol.ts";
import { LatencyWindow } from "./latency.ts";
import type { Bar, ContendedRow } from "./wire.ts";

const KEPT_MAX = 500;
const BARS_MAX = 200;

/** A call under way. */
export interface Underway {
  readonly operation: string;
  /** When its code began, or will have begun, by `performance.now()`. */
  readonly began: number;
}

type Channel = TracingChannel<OperationTrace, OperationTrace>;
type Listeners = Parameters<Channel["subscribe"]>[0];

/** See the head of this file. */
export class Traces {
  readonly latency: LatencyWindow = new LatencyWindow();
  /** The tries of steps by the id of their run, oldest first. */
  readonly #bars = new Map<string, Bar[]>();
  readonly #contended = new Map<string, ContendedRow>();
  /** The calls under way of each scope, by its identity, in their order. */
  readonly #calls = new Map<ScopeIdentity, Map<OperationTrace, number>>();
  readonly #isOwn: (identity: ScopeIdentity) => boolean;
  readonly #subscribed: readonly (readonly [Channel, Listeners])[];
  /** Since when it is subscribed, in milliseconds since the epoch; 0: it is not. */
  since = 0;

  /** `isOwn`: true for scopes of the runtime that is inspected. */
  constructor(isOwn: (identity: ScopeIdentity) => boolean) {
    this.#isOwn = isOwn;
    const calls: Partial<Listeners> = { start: this.#begun, asyncEnd: this.#settled };
    const listening = (
      name: string,
      listeners: Partial<Listeners>,
    ): readonly [Channel, Listeners] => [
      tracingChannel(name),
      // Channels take a part of them, as Node documents.
      listeners as Listeners,
    ];
    this.#subscribed = [
      listening("holdfast.mutation", calls),
      listening("holdfast.exclusive", calls),
      listening("holdfast.save", { asyncEnd: this.#saved }),
      listening("holdfast.step", { start: this.#stepped, asyncEnd: this.#stepEnded }),
    ];
  }

  begin(): void {
    if (this.since !== 0) return;
    this.since = Date.now();
    for (const [channel, listeners] of this.#subscribed) channel.subscribe(listeners);
  }

  end(): void {
    if (this.since === 0) return;
    this.since = 0;
    for (const [channel, listeners] of this.#subscribed) channel.unsubscribe(listeners);
    this.#calls.clear();
  }

  /** The call of a scope that runs; `undefined` when none does, or it began before `since`. */
  running(identity: ScopeIdentity): Underway | undefined {
    let found: Underway | undefined;
    // Those that have not begun have not waited, as has the one that found the scope idle.
    for (const [{ operation, waitMs }, made] of this.#calls.get(identity) ?? [])
      if (found === undefined || waitMs > 0) found = { operation, began: made + waitMs };
    return found;
  }

  /** The scopes that met newer records, the last ones first. */
  get contended(): readonly ContendedRow[] {
    return [...this.#contended.values()].toReversed();
  }

  /** The tries of the steps of a run. */
  barsOf(runId: string): readonly Bar[] {
    return this.#bars.get(runId) ?? [];
  }

  /** The runs that executed a step here last. */
  get runIds(): readonly string[] {
    return [...this.#bars.keys()].toReversed();
  }

  readonly #begun = (call: OperationTrace): void => {
    let calls = this.#calls.get(call.scope);
    if (calls === undefined) this.#calls.set(call.scope, (calls = new Map()));
    calls.set(call, performance.now());
  };

  readonly #settled = (call: OperationTrace): void => {
    const calls = this.#calls.get(call.scope);
    const made = calls?.get(call);
    if (calls === undefined || made === undefined) return;
    calls.delete(call);
    if (calls.size === 0) this.#calls.delete(call.scope);
    this.latency.add(performance.now() - made);
  };

  readonly #saved = ({ scope, code }: OperationTrace): void => {
    if (code !== "CONCURRENT_MODIFICATION" || !this.#isOwn(scope)) return;
    const { type, id } = scope;
    const key = JSON.stringify([type, id]);
    const conflicts = (this.#contended.get(key)?.conflicts ?? 0) + 1;
    keep(this.#contended, key, { type, id, conflicts, last: Date.now() });
  };

  readonly #stepped = ({ scope, operation, attempt }: OperationTrace): void => {
    const bar: Bar = { step: operation, from: Date.now(), to: null, status: "running", attempt };
    keep(this.#bars, scope.id, [...this.barsOf(scope.id), bar].slice(-BARS_MAX));
  };

  readonly #stepEnded = ({ scope, operation, code }: OperationTrace): void => {
    const bars = this.barsOf(scope.id);
    const open = bars.findLast(({ step, to }) => step === operation && to === null);
    if (open === undefined) return;
    const status: Bar["status"] =
      code === "ok" ? "done" : code === "suspended" ? "suspended" : "failed";
    const ended = { ...open, to: Date.now(), status };
    this.#bars.set(
      scope.id,
      bars.map((bar) => (bar === open ? ended : bar)),
    );
  };
}

function keep<T>(known: Map<string, T>, key: string, value: T): void {
  known.delete(key);
  known.set(key, value);
  if (known.size <= KEPT_MAX) return;
  const [oldest] = known.keys();
  if (oldest !== undefined) known.delete(oldest);
}
