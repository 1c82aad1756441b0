/** The metrics: of operations as they end, and of all runtimes whenever they are collected. */
import type { Counter, Histogram, Meter } from "@opentelemetry/api";
import type { OperationTrace } from "../../actors/operation-trace.ts";
import { allStats } from "../runtime/stats.ts";
import { outcomeOf, placeOf } from "./attributes.ts";

/** Upper bounds of the histograms of times; seconds. */
const SECONDS = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** Upper bounds of the histogram of batch sizes; changes. */
const CHANGES = [1, 2, 5, 10, 25, 50, 100, 250, 1_000, 10_000];

/** Codes of runs that stopped without an end: another process or a resume goes on with them. */
const INTERRUPTED: ReadonlySet<string | undefined> = new Set([
  "RUN_LEASED",
  "RUNTIME_CLOSED",
  "SCOPE_STOPPED",
]);

/** The instruments of one meter. */
export class Measures {
  readonly #mutations: Counter;
  readonly #durations: Histogram;
  readonly #waits: Histogram;
  readonly #saves: Histogram;
  readonly #batches: Histogram;
  readonly #conflicts: Counter;
  readonly #runs: Counter;
  readonly #endObserving: () => void;

  constructor(meter: Meter) {
    const count = (name: string, unit: string, description: string): Counter =>
      meter.createCounter(`holdfast.${name}`, { unit, description });
    const time = (name: string, description: string): Histogram =>
      meter.createHistogram(`holdfast.${name}`, {
        unit: "s",
        description,
        advice: { explicitBucketBoundaries: SECONDS },
      });
    this.#mutations = count("mutations", "{mutation}", "Calls that change a scope, as they end");
    this.#durations = time("mutation.duration", "From the call of a mutation to its result");
    this.#waits = time("queue.wait", "Time of a mutation in the mailbox");
    this.#saves = time("save.duration", "One request that stores a scope");
    this.#batches = meter.createHistogram("holdfast.save.batch_size", {
      unit: "{mutation}",
      description: "Changes stored by one save",
      advice: { explicitBucketBoundaries: CHANGES },
    });
    this.#conflicts = count("conflicts", "{save}", "Saves that found a newer version");
    this.#runs = count("runs", "{run}", "Executions of sequencer runs, by how they ended");
    this.#endObserving = observe(meter);
  }

  mutation(message: OperationTrace, seconds: number): void {
    const attributes = { ...placeOf(message), ...outcomeOf(message) };
    this.#mutations.add(1, attributes);
    this.#durations.record(seconds, attributes);
    this.#waits.record(message.waitMs / 1_000, placeOf(message));
  }

  save(message: OperationTrace, seconds: number): void {
    const place = placeOf(message);
    this.#saves.record(seconds, { ...place, ...outcomeOf(message) });
    if (message.code === "ok") this.#batches.record(message.batchSize, place);
    if (message.code === "CONCURRENT_MODIFICATION") this.#conflicts.add(1, place);
  }

  run(message: OperationTrace): void {
    this.#runs.add(1, { ...placeOf(message), status: statusOf(message) });
  }

  /** Ends the observation of the runtimes. */
  end(): void {
    this.#endObserving();
  }
}

function statusOf({ status, code }: OperationTrace): string {
  if (status !== undefined) return status;
  if (code === "RUN_CANCELLED") return "cancelled";
  return INTERRUPTED.has(code) ? "interrupted" : "failed";
}

/** Numbers of all runtimes of this process together; returns what ends the observation. */
function observe(meter: Meter): () => void {
  const depth = meter.createObservableUpDownCounter("holdfast.queue.depth", {
    unit: "{mutation}",
    description: "Calls in mailboxes, without the running ones",
  });
  const scopes = meter.createObservableUpDownCounter("holdfast.resident_scopes", {
    unit: "{scope}",
    description: "Scopes in memory",
  });
  const escalations = meter.createObservableCounter("holdfast.escalations", {
    unit: "{save}",
    description: "Conflicts that were taken to an exclusive lease of the store",
  });
  const observed = [depth, scopes, escalations];
  const read = (result: BatchObserver): void => {
    const stats = allStats();
    result.observe(depth, stats.waiting);
    result.observe(scopes, stats.residentScopes);
    result.observe(escalations, stats.escalations);
  };
  meter.addBatchObservableCallback(read, observed);
  return () => meter.removeBatchObservableCallback(read, observed);
}

type BatchObserver = Parameters<Parameters<Meter["addBatchObservableCallback"]>[0]>[0];
