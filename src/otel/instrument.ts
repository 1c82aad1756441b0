/**
 * Spans and metrics of OpenTelemetry from the tracing channels of all runtimes of the process.
 *
 * Invariants
 *  I1  An operation that starts while this instruments is measured until its end, also when the
 *      instrumentation ends before; an operation that started before is not measured.
 *  I2  What a provider, a processor or an exporter throws reaches the logger of the runtime only.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { type ChannelListener, tracingChannel } from "node:diagnostics_channel";
import { performance } from "node:perf_hooks";
import {
  context,
  type Context,
  metrics,
  type MeterProvider,
  trace,
  type TracerProvider,
} from "@opentelemetry/api";
import type { OperationTrace } from "../../actors/operation-trace.ts";
import { optionNames, refuseUnknown } from "../../actors/scope/options.ts";
import { Measures } from "./measures.ts";
import { type SpanName, Spans } from "./spans.ts";

/** Options of `instrument`. */
export interface InstrumentOptions {
  /** Default: the global one of `@opentelemetry/api`, also when it is registered later. */
  readonly tracerProvider?: TracerProvider | undefined;
  /** Default: the global one, which has to be registered before. */
  readonly meterProvider?: MeterProvider | undefined;
  /** Spans carry the ids of scopes as `holdfast.id`, which may name people. Default false. */
  readonly ids?: boolean | undefined;
}

const OPTIONS = optionNames<InstrumentOptions>({
  tracerProvider: true,
  meterProvider: true,
  ids: true,
});

const SPANS: readonly SpanName[] = ["mutation", "save", "step", "run", "exclusive"];

/** Makes the span of an operation the active one where its code runs. */
class ActiveSpan extends AsyncLocalStorage<Context> {
  override run<R, Args extends unknown[]>(
    active: Context,
    code: (...args: Args) => R,
    ...args: Args
  ): R {
    return context.with(active, code, undefined, ...args);
  }
}

/**
 * Publishes spans and metrics of all runtimes of this process, present and future, until the
 * returned function is called. Throws `TypeError` for an unknown option.
 */
export function instrument(options: InstrumentOptions = {}): () => void {
  refuseUnknown("instrument", options, OPTIONS);
  const { tracerProvider = trace, meterProvider = metrics, ids = false } = options;
  const spans = new Spans(tracerProvider.getTracer("holdfast"), ids);
  const measures = new Measures(meterProvider.getMeter("holdfast"));
  const ends = SPANS.map((name) => follow(name, spans, measures));
  return () => {
    for (const end of ends) end();
    measures.end();
  };
}

/** Follows the operations of one channel; the returned function ends that for new ones (I1). */
function follow(name: SpanName, spans: Spans, measures: Measures): () => void {
  const { start, asyncEnd } = tracingChannel<Context, OperationTrace>(`holdfast.${name}`);
  const started = new Map<OperationTrace, number>();
  const active = new ActiveSpan();
  let isOver = false;
  const ended: ChannelListener = (given) => {
    const message = given as OperationTrace; // A channel of holdfast has these messages.
    const startedAt = started.get(message);
    if (startedAt === undefined) return;
    started.delete(message);
    if (isOver && started.size === 0) asyncEnd.unsubscribe(ended);
    const seconds = (performance.now() - startedAt) / 1_000;
    if (name === "mutation") measures.mutation(message, seconds);
    if (name === "save") measures.save(message, seconds);
    if (name === "run") measures.run(message);
    spans.end(message);
  };
  start.bindStore(active, (message) => {
    started.set(message, performance.now());
    return spans.start(name, message);
  });
  asyncEnd.subscribe(ended);
  return () => {
    isOver = true;
    start.unbindStore(active);
    if (started.size === 0) asyncEnd.unsubscribe(ended);
  };
}
