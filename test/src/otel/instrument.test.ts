/** Spans and metrics of real runtimes, as the SDK of OpenTelemetry receives them. */
import { context, type Span, SpanStatusCode, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
  type SpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { memoryStore } from "../../../src/stores/memory/store.ts";
import { createRuntime, type Runtime } from "../../../src/runtime/runtime.ts";
import { defineSequencer } from "../../../src/runtime/sequencer/define.ts";
import { instrument, type InstrumentOptions } from "../../../src/otel.ts";
import { keepingLogger } from "../../support/waiting.ts";
import { gate, rejection } from "../../support/waiting.ts";

type Counter = { n?: number };

beforeAll(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
});
afterAll(() => context.disable());

/** A tracer of the user, and what was exported. */
class World {
  readonly exporter = new InMemorySpanExporter();
  readonly provider = new BasicTracerProvider({
    spanProcessors: [new SimpleSpanProcessor(this.exporter)],
  });
  readonly tracer = this.provider.getTracer("user");
  readonly #metrics = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  readonly #reader = new PeriodicExportingMetricReader({
    exporter: this.#metrics,
    exportIntervalMillis: 3_600_000,
  });
  readonly meterProvider = new MeterProvider({ readers: [this.#reader] });
  readonly stop: () => void;

  constructor(options: InstrumentOptions = {}) {
    const { provider: tracerProvider, meterProvider } = this;
    this.stop = instrument({ tracerProvider, meterProvider, ...options });
    onTestFinished(() => {
      this.stop();
      return this.meterProvider.shutdown();
    });
  }

  /** Runs code in a span of the user. */
  async in<T>(name: string, code: (span: Span) => Promise<T>): Promise<T> {
    return this.tracer.startActiveSpan(name, async (span) => {
      try {
        return await code(span);
      } finally {
        span.end();
      }
    });
  }

  named(name: string): ReadableSpan[] {
    return this.exporter.getFinishedSpans().filter((span) => span.name === name);
  }

  one(name: string): ReadableSpan {
    const [span, ...others] = this.named(name);
    if (span === undefined || others.length > 0) throw new Error(`not one span ${name}`);
    return span;
  }

  /** The data points of a metric now. */
  async points(name: string): Promise<{ readonly attributes: object; readonly value: unknown }[]> {
    this.#metrics.reset();
    await this.meterProvider.forceFlush();
    const [all] = this.#metrics
      .getMetrics()
      .flatMap(({ scopeMetrics }) =>
        scopeMetrics.flatMap(({ metrics }) =>
          metrics.filter((each) => each.descriptor.name === name),
        ),
      );
    return all?.dataPoints ?? [];
  }
}

function open(options: Parameters<typeof createRuntime>[0] = {}): Runtime {
  const runtime = createRuntime({ store: memoryStore(), ...options });
  onTestFinished(() => runtime.close());
  return runtime;
}

const parentOf = (span: ReadableSpan): string | undefined => span.parentSpanContext?.spanId;
const idOf = (span: { spanContext(): { spanId: string } }): string => span.spanContext().spanId;

describe("spans", () => {
  it("has the caller's span as the parent of a mutation, which is the parent of its save", async () => {
    const world = new World();
    const scope = await open().open<Counter>("user", "ann");
    await world.in("request", (span) =>
      scope.incState({ n: 1 }).then(() => {
        expect(parentOf(world.one("holdfast.mutation"))).toBe(idOf(span));
      }),
    );
    const [mutation, save] = [world.one("holdfast.mutation"), world.one("holdfast.save")];
    expect(parentOf(save)).toBe(idOf(mutation));
    expect(mutation.links.map((link) => link.context.spanId)).toEqual([idOf(save)]);
    expect(mutation.attributes).toEqual({
      "holdfast.kind": "user",
      "holdfast.store": "memory",
      "holdfast.operation": "increment",
      "holdfast.outcome": "ok",
      "holdfast.attempt": 1,
    });
    expect(save.attributes).toMatchObject({ "holdfast.batch_size": 1, "holdfast.state_bytes": 7 });
  });

  it("links all mutations of one save to it, and the save to them", async () => {
    const world = new World();
    const scope = await open().open<Counter>("user", "ann");
    await Promise.all([1, 2, 3].map((n) => world.in(`request ${n}`, () => scope.incState({ n }))));
    const save = world.one("holdfast.save");
    const mutations = world.named("holdfast.mutation");
    expect(mutations).toHaveLength(3);
    for (const mutation of mutations)
      expect(mutation.links.map((link) => link.context.spanId)).toEqual([idOf(save)]);
    expect(save.links.map((link) => link.context.spanId)).toEqual(mutations.map(idOf));
    expect(parentOf(save)).toBeUndefined();
  });

  it("keeps the caller's span through the mailbox, and is active in the mutator", async () => {
    const world = new World();
    const scope = await open().open<Counter>("user", "ann");
    const first = gate();
    const running = scope.atomicState(async () => {
      await first.promise;
      return { n: 1 };
    });
    const waiting = world.in("request", () =>
      scope.atomicState(async () => world.in("inside", async () => ({ n: 2 }))),
    );
    first.open();
    await Promise.all([running, waiting]);
    const request = world.one("request");
    const [, second] = world.named("holdfast.mutation");
    expect(second && parentOf(second)).toBe(idOf(request));
    expect(parentOf(world.one("inside"))).toBe(second && idOf(second));
  });

  it("nests what a step does in the step, and the step in the run", async () => {
    const world = new World();
    const runtime = open();
    const scope = await runtime.open<Counter>("user", "ann");
    const order = defineSequencer({ name: "order" }).step("pay", async () => {
      await scope.incState({ n: 1 });
    });
    await world.in("request", () => runtime.run(order, { runId: "r1" }).result);
    const [run, step] = [world.one("holdfast.run"), world.one("holdfast.step")];
    expect(parentOf(run)).toBe(idOf(world.one("request")));
    expect(parentOf(step)).toBe(idOf(run));
    expect(parentOf(world.one("holdfast.mutation"))).toBe(idOf(step));
    expect(step.attributes).toMatchObject({ "holdfast.step": "pay", "holdfast.kind": "sequencer" });
    expect(run.attributes).toMatchObject({ "holdfast.status": "completed" });
  });

  it("nests the mutations of an exclusive section in it", async () => {
    const world = new World();
    const scope = await open().open<Counter>("user", "ann");
    await scope.exclusive((held) => held.incState({ n: 1 }));
    const section = world.one("holdfast.exclusive");
    expect(parentOf(world.one("holdfast.mutation"))).toBe(idOf(section));
  });

  it("gives a failure its code, and ids only when asked for", async () => {
    const world = new World({ ids: true });
    const scope = await open().open<Counter>("user", "ann");
    await scope.incState({ n: 1 });
    await rejection(scope.pushState("n" as never, 1));
    const [, failed] = world.named("holdfast.mutation");
    expect(failed?.status.code).toBe(SpanStatusCode.ERROR);
    expect(failed?.attributes).toMatchObject({
      "holdfast.outcome": "error",
      "error.type": "STATE_TYPE",
      "holdfast.id": "ann",
    });
  });

  it("ends the spans of operations that were under way when the instrumentation ended", async () => {
    const world = new World();
    const scope = await open().open<Counter>("user", "ann");
    const until = gate();
    const running = scope.atomicState(async () => {
      await until.promise;
      return { n: 1 };
    });
    world.stop();
    until.open();
    await running;
    await scope.incState({ n: 1 }); // Starts afterwards: no span.
    expect(world.named("holdfast.mutation")).toHaveLength(1);
  });
});

describe("metrics", () => {
  it("counts mutations by outcome, with times in seconds", async () => {
    const world = new World();
    const scope = await open().open<Counter>("user", "ann");
    await Promise.all([scope.incState({ n: 1 }), scope.incState({ n: 1 })]);
    await rejection(scope.pushState("n" as never, 1));
    const place = { "holdfast.kind": "user", "holdfast.store": "memory" };
    expect(await world.points("holdfast.mutations")).toMatchObject([
      { attributes: { ...place, "holdfast.outcome": "ok" }, value: 2 },
      { attributes: { ...place, "error.type": "STATE_TYPE" }, value: 1 },
    ]);
    const [ok] = await world.points("holdfast.mutation.duration");
    expect(ok?.value).toMatchObject({ count: 2 });
    expect(Reflect.get(Object(ok?.value), "max")).toBeLessThan(60);
    const [batch] = await world.points("holdfast.save.batch_size");
    expect(batch).toMatchObject({ attributes: place, value: { count: 1, sum: 2 } });
    expect((await world.points("holdfast.save.duration"))[0]?.value).toMatchObject({ count: 1 });
    expect((await world.points("holdfast.queue.wait"))[0]?.value).toMatchObject({ count: 3 });
  });

  it("counts conflicts, and executions of runs by how they ended", async () => {
    const world = new World();
    const store = memoryStore();
    const [a, b] = [open({ store }), open({ store })];
    const [here, there] = [await a.open<Counter>("user", "x"), await b.open<Counter>("user", "x")];
    await Promise.all([here.incState({ n: 1 }), there.incState({ n: 1 })]);
    const order = defineSequencer({ name: "order" }).step("ask", (ctx) => ctx.suspend("why"));
    await a.run(order, { runId: "r1" }).result;
    const failing = defineSequencer({ name: "failing" }).step("throw", () => {
      throw new RangeError("no");
    });
    await rejection(a.run(failing, { runId: "r2" }).result);
    expect(await world.points("holdfast.conflicts")).toMatchObject([
      { attributes: { "holdfast.kind": "user" }, value: 1 },
    ]);
    const runs = await world.points("holdfast.runs");
    expect(runs.map(({ attributes, value }) => [Reflect.get(attributes, "status"), value])).toEqual(
      [
        ["suspended", 1],
        ["failed", 1],
      ],
    );
  });

  it("reads queues and scopes of all runtimes when they are collected", async () => {
    const world = new World();
    const before = await gauges(world);
    const runtime = open();
    const scope = await runtime.open<Counter>("user", "ann");
    const until = gate();
    const calls = [1, 2, 3].map((n) =>
      scope.atomicState(async () => {
        await until.promise;
        return { n };
      }),
    );
    const [depth, scopes] = await gauges(world);
    expect([depth - before[0], scopes - before[1]]).toEqual([2, 1]); // One runs.
    until.open();
    await Promise.all(calls);
    await runtime.close();
    expect(await gauges(world)).toEqual(before);
  });
});

async function gauges(world: World): Promise<[depth: number, scopes: number]> {
  const [depth] = await world.points("holdfast.queue.depth");
  const [scopes] = await world.points("holdfast.resident_scopes");
  return [Number(depth?.value ?? 0), Number(scopes?.value ?? 0)];
}

describe("failures", () => {
  it("of an exporter harm no mutation", async () => {
    const broken: SpanProcessor = {
      onStart: () => {
        throw new Error("start");
      },
      onEnd: () => {
        throw new Error("end");
      },
      forceFlush: () => Promise.resolve(),
      shutdown: () => Promise.resolve(),
    };
    const stop = instrument({
      tracerProvider: new BasicTracerProvider({ spanProcessors: [broken] }),
    });
    onTestFinished(stop);
    const logger = keepingLogger();
    const scope = await open({ logger }).open<Counter>("user", "ann");
    expect(await scope.incState({ n: 1 })).toBe(true);
    expect(scope.state).toEqual({ n: 1 });
    expect(logger.messages.join()).toContain("a subscriber of a tracing channel threw");
  });

  it("of an option is a TypeError that names the known ones", () => {
    expect(() => instrument({ tracer: trace } as never)).toThrow(/no option "tracer".*ids/);
  });
});
