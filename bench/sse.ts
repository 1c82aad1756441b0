/** The bench of server-sent events: changes of one scope to many readers. */
import { performance } from "node:perf_hooks";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type * as HttpDoor from "../src/http.ts";
import { createRuntime, defineKind, urlOf } from "./subject.ts";
import { serve, type Crowd } from "./sse/crowd.ts";
import { figure, median, type Bench, type Section } from "./support.ts";

const READERS = [1, 100, 1_000];
const CHANGES = 300;
const ROUNDS = 5;

const CROWDS: readonly Crowd[] = [
  { readers: 100, stopped: 0, perSecond: 500, seconds: 10, size: 0 },
  { readers: 1_000, stopped: 0, perSecond: 500, seconds: 10, size: 0 },
  { readers: 100, stopped: 20, perSecond: 500, seconds: 10, size: 4_000 },
];

const { createHandler }: typeof HttpDoor = await import(urlOf("http"));

/** E1, with readers in this process, and E2, with readers in another one. */
export const bench: Bench = {
  name: "sse",
  keptAs: (store) => (store === undefined ? "sse" : undefined),
  async *sections({ rounds = ROUNDS }) {
    yield await eventSection(rounds);
    yield await crowdSection();
  },
};

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void; // The flag makes it.

interface Figures {
  readonly perSecond: number;
  readonly readerBytes: number;
}

async function eventSection(rounds: number): Promise<Section> {
  const rows = [["readers", "changes/s", "events/s", "memory per reader"]];
  for (const count of READERS) {
    const found: Figures[] = [];
    for (let round = 0; round < rounds; round += 1) found.push(await measure(count));
    const perSecond = median(found.map((each) => each.perSecond));
    const kilobytes = median(found.map((each) => each.readerBytes)) / 1_024;
    const events = perSecond * count;
    rows.push([String(count), figure(perSecond), figure(events), `${figure(kilobytes)} KB`]);
  }
  return {
    title: `E1: ${CHANGES} changes of one scope, each to every reader`,
    notes: [
      "Readers read in this process, without a network: sockets cost more than what is measured.",
      "A round counts only when every reader has received the last version.",
    ],
    timings: [],
    goals: [],
    table: rows,
  };
}

async function crowdSection(): Promise<Section> {
  const heads = ["readers, stopped", "bytes", "changes/s", "events/s", "last change read after"];
  const rows = [[...heads, "delay, median and 99 %", "processor", "snapshots", "kept per stopped"]];
  for (const crowd of CROWDS) {
    const served = await serve(crowd);
    const { made, madeIn, readIn, serverSeconds, changes, snapshots, stoppedSnapshots } = served;
    if (served.faults.length > 0) throw new Error(served.faults[0]);
    if (snapshots === 0 && changes !== made * crowd.readers) throw new Error("changes are missing");
    const delays = served.delays.toSorted((a, b) => a - b);
    const late = delays[Math.floor(delays.length * 0.99)] ?? Number.NaN;
    rows.push([
      `${crowd.readers}, ${crowd.stopped}`,
      String(crowd.size),
      figure(made / madeIn),
      figure(changes / readIn),
      `${figure((readIn - madeIn) * 1_000)} ms`,
      `${figure(median(delays))} ms, ${figure(late)} ms`,
      `${figure((serverSeconds / readIn) * 100)} %`,
      `${snapshots}, ${sumOf(stoppedSnapshots)}`,
      crowd.stopped === 0 ? "" : `${figure(served.keptBytes / 1_024)} KB`,
    ]);
  }
  return {
    title: "E2: 500 changes per second for 10 s, by node:http to readers in another process",
    notes: [
      "Every reader is checked: each version once, in order, or a snapshot of a later one.",
      "Snapshots: those besides the first, of the readers and of those that stopped reading.",
      "Processor: of the process that serves, of which one is 100 %. The readers need another.",
    ],
    timings: [],
    goals: [],
    table: rows,
  };
}

async function measure(count: number): Promise<Figures> {
  const runtime = createRuntime({ kinds: { doc: defineKind({ initial: { n: 0, text: "x" } }) } });
  const handler = createHandler(runtime, { kinds: { doc: {} } });
  const scope = await runtime.open("doc", "one");
  const before = usedBytes();
  const bodies = await Promise.all(
    Array.from({ length: count }, async () => {
      const { body } = await handler(new Request("http://localhost/scopes/doc/one/changes"));
      if (body === null) throw new Error("the response has no body");
      return body.getReader();
    }),
  );
  const readerBytes = Math.max(0, usedBytes() - before) / count;
  const last = `id: ${CHANGES}\n`;
  const start = performance.now();
  const reads = bodies.map(async (reader) => {
    const decoder = new TextDecoder();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) throw new Error("the stream ended before the last change");
      if (decoder.decode(value).includes(last)) return reader.cancel();
    }
  });
  for (let n = 1; n <= CHANGES; n += 1) {
    await scope.patchState({ n });
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
  await Promise.all(reads);
  const seconds = (performance.now() - start) / 1_000;
  await runtime.close();
  return { perSecond: CHANGES / seconds, readerBytes };
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, each) => sum + each, 0);
}

function usedBytes(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
