/**
 * A process with many readers of one stream, by sockets of its own: opens them, says so, reads until
 * each has the last version, and prints its report. Started by `crowd.ts` with a job as its argument.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { StreamCheck } from "./stream-check.ts";

/** What the process is asked to do. */
export interface ReadersJob {
  readonly port: number;
  readonly path: string;
  readonly readers: number;
  /** Further readers, which stop after the first event until a line arrives. */
  readonly stopped: number;
  /** The version at which a reader is done. */
  readonly last: number;
}

/** What the readers received. */
export interface ReadersReport {
  readonly changes: number;
  /** Besides the first one of each reader. */
  readonly snapshots: number;
  /** The same of each that stopped. */
  readonly stoppedSnapshots: readonly number[];
  readonly faults: readonly string[];
  /** Milliseconds from a change to its arrival, of a sample. */
  readonly delays: readonly number[];
  readonly cpuSeconds: number;
}

/** Of every so many chunks, of all readers together, the delay is noted. */
const NOTED = 97;
/** Connections that are opened at the same time. */
const OPENING = 50;

let chunks = 0;
const delays: number[] = [];

class Reader {
  readonly check: StreamCheck = new StreamCheck();
  readonly socket: Socket;
  readonly begun: Promise<void>;
  readonly done: Promise<void>;

  constructor({ port, path, last }: ReadersJob, isTimed: boolean) {
    this.socket = connect(port, "127.0.0.1");
    this.socket.setNoDelay(true);
    this.socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
    let begin = (): void => undefined;
    this.begun = new Promise((resolve) => {
      begin = resolve;
    });
    this.done = new Promise((resolve, reject) => {
      this.socket.on("data", (bytes) => {
        const data = this.check.feed(bytes.toString("latin1"));
        if (data === undefined) return;
        begin();
        chunks += 1;
        const at =
          isTimed && chunks % NOTED === 0
            ? /"path":"\/at","value":(\d+)/.exec(data)?.[1]
            : undefined;
        if (at !== undefined) delays.push(Date.now() - Number(at));
        if (this.check.version >= last) resolve();
      });
      const end = (): void => reject(new Error(`ended at version ${this.check.version}`));
      this.socket.on("close", end).on("error", end);
    });
  }
}

// Only `crowd.ts` starts this, with a job.
const job = JSON.parse(process.argv[2] ?? "") as ReadersJob;
const all: Reader[] = [];
while (all.length < job.readers + job.stopped) {
  const length = Math.min(OPENING, job.readers + job.stopped - all.length);
  const next = Array.from({ length }, (_, at) => new Reader(job, all.length + at < job.readers));
  await Promise.all(next.map(({ begun }) => begun));
  all.push(...next);
}
const [reading, stopped] = [all.slice(0, job.readers), all.slice(job.readers)];
for (const { socket } of stopped) socket.pause();
const before = process.cpuUsage();
console.log("ready");
await Promise.all(reading.map(({ done }) => done));
const { user, system } = process.cpuUsage(before);
console.log("read");
await once(process.stdin, "data");
for (const { socket } of stopped) socket.resume();
await Promise.all(stopped.map(({ done }) => done));
const sum = (numbers: readonly number[]): number => numbers.reduce((total, n) => total + n, 0);
const report: ReadersReport = {
  changes: sum(reading.map(({ check }) => check.changes)),
  snapshots: sum(reading.map(({ check }) => check.snapshots - 1)),
  stoppedSnapshots: stopped.map(({ check }) => check.snapshots - 1),
  faults: all.flatMap(({ check }) => check.fault ?? []),
  delays,
  cpuSeconds: (user + system) / 1e6,
};
console.log(JSON.stringify(report));
process.stdin.destroy();
for (const { socket } of all) socket.removeAllListeners("close").destroy();
