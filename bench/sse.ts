/** The bench of server-sent events: changes of one scope to many readers. */
import { performance } from "node:perf_hooks";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type * as HttpDoor from "../src/http.ts";
import { createRuntime, defineKind, urlOf } from "./subject.ts";
import { figure, median, type Bench, type Section } from "./support.ts";

const READERS = [1, 100, 1_000];
const CHANGES = 300;
const ROUNDS = 5;

const { createHandler }: typeof HttpDoor = await import(urlOf("http"));

/** E1, with readers in this process. */
export const bench: Bench = {
  name: "sse",
  keptAs: (store) => (store === undefined ? "sse" : undefined),
  async *sections({ rounds = ROUNDS }) {
    yield await eventSection(rounds);
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

function usedBytes(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
