/** Changes of one scope at a rate, served by `node:http` to readers in another process. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { performance } from "node:perf_hooks";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type * as HttpDoor from "../../src/http.ts";
import { createRuntime, defineKind, urlOf } from "../subject.ts";
import type { ReadersJob, ReadersReport } from "./readers.ts";

const { createHandler, toNodeListener }: typeof HttpDoor = await import(urlOf("http"));

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void; // The flag makes it.

/** What is served. */
export interface Crowd {
  readonly readers: number;
  /** Further readers, which stop reading and continue after the last change. */
  readonly stopped: number;
  readonly perSecond: number;
  readonly seconds: number;
  /** Characters of each change, besides its form. */
  readonly size: number;
}

/** What came of it. */
export interface Served extends ReadersReport {
  /** Changes that were made. */
  readonly made: number;
  /** Seconds from the first change to the last, and until every reader had it. */
  readonly madeIn: number;
  readonly readIn: number;
  /** Seconds of a processor that this process used, from the first change to the last reader. */
  readonly serverSeconds: number;
  /** Bytes that this process kept for each stopped reader, the others included. */
  readonly keptBytes: number;
}

/** Serves a crowd; rejects when a reader fails. What is wrong in its events is in `faults`. */
export async function serve(crowd: Crowd): Promise<Served> {
  const runtime = createRuntime({
    kinds: { doc: defineKind({ initial: { n: 0, at: 0, text: "" } }) },
  });
  const server = createServer(toNodeListener(createHandler(runtime, { kinds: { doc: {} } })));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo; // It listens on a port.
  const scope = await runtime.open("doc", "one");
  const last = Math.round(crowd.perSecond * crowd.seconds);
  const { readers, stopped } = crowd;
  const job: ReadersJob = { port, path: "/scopes/doc/one/changes", readers, stopped, last };
  const child = startReaders(job);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async (): Promise<string> => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error("the process of the readers ended");
    return value;
  };
  try {
    await line(); // Ready.
    const before = usedBytes();
    const cpu = process.cpuUsage();
    const start = performance.now();
    const text = "x".repeat(crowd.size);
    await change(crowd, start, last, async (n) =>
      scope.patchState({ text: `${text}${n}`, n, at: Date.now() }),
    );
    const madeIn = (performance.now() - start) / 1_000;
    await line(); // Read.
    const readIn = (performance.now() - start) / 1_000;
    const { user, system } = process.cpuUsage(cpu);
    const keptBytes = Math.max(0, usedBytes() - before) / Math.max(1, stopped);
    child.stdin.write("\n");
    const report = JSON.parse(await line()) as ReadersReport; // Written by readers.ts.
    const serverSeconds = (user + system) / 1e6;
    return { ...report, made: last, madeIn, readIn, serverSeconds, keptBytes };
  } finally {
    child.kill("SIGKILL");
    server.closeAllConnections();
    server.close();
    await runtime.close();
  }
}

/** Makes the changes 1 to `last` at a rate, by the clock: those that are late are made at once. */
async function change(
  { perSecond }: Crowd,
  start: number,
  last: number,
  make: (n: number) => Promise<unknown>,
): Promise<void> {
  for (let made = 0; made < last;) {
    const due = Math.min(last, Math.floor(((performance.now() - start) / 1_000) * perSecond));
    while (made < due) await make((made += 1));
    await sleep(1);
  }
}

function startReaders(job: ReadersJob): ChildProcessByStdio<Writable, Readable, null> {
  const path = fileURLToPath(new URL("readers.ts", import.meta.url));
  const args = ["--import", "tsx", path, JSON.stringify(job)];
  const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
  process.once("exit", () => child.kill("SIGKILL"));
  return child;
}

function usedBytes(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
