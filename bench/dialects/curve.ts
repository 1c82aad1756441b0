/** What an append to a session costs when there are many events already. */
import { performance } from "node:perf_hooks";
import { atMost, median, race, type Contender, type Section, type Timing } from "../support.ts";
import { kitLog, ourLog, type Log } from "./adk.ts";

/** The kit compares with every event that is there, so more would take minutes. */
const KIT_SIZES = [100, 1000, 4000];
const SIZES = [100, 1000, 4000, 10_000, 20_000];
const SQLITE_SIZES = [100, 4000];
/** Short sessions are repeated up to so many events, or their time is too short to measure. */
const LEAST_EVENTS = 1000;
const READ_OF = 20_000;
const READS = 101;

async function fill(log: Log, count: number): Promise<void> {
  for (let at = 0; at < count; at++) await log.append(at);
}

async function hasAll(log: Log, count: number): Promise<boolean> {
  const texts = await log.latest(2);
  const wanted = [count - 2, count - 1].map((at) => `event ${at}`);
  return texts.length === 2 && texts.every((text, at) => text === wanted[at]);
}

function appending(name: string, size: number, open: () => Promise<Log>): Contender {
  const sessions = Math.max(1, LEAST_EVENTS / size);
  return {
    name,
    operations: size * sessions,
    async prepare() {
      const logs = await Promise.all(Array.from({ length: sessions }, open));
      return {
        async run() {
          for (const log of logs) await fill(log, size);
        },
        async check() {
          const right = await Promise.all(logs.map((log) => hasAll(log, size)));
          await Promise.all(logs.map((log) => log.close()));
          return right.every(Boolean);
        },
      };
    },
  };
}

/** Milliseconds to read the ten latest events of a long session. */
async function readTime(): Promise<number> {
  const log = await ourLog("memory");
  await fill(log, READ_OF);
  const times: number[] = [];
  for (let read = 0; read < READS; read++) {
    const start = performance.now();
    const texts = await log.latest(10);
    times.push(performance.now() - start);
    const right = texts.length === 10 && texts[9] === `event ${READ_OF - 1}`;
    if (!right) throw new Error("the latest events are wrong");
  }
  await log.close();
  return median(times);
}

const named = (name: string, size: number): string => `${name}, ${size.toLocaleString("en")}`;

/** The curve of both, and the reading of a long session. */
export async function curveSection(rounds = 2): Promise<Section> {
  const contenders = [
    ...KIT_SIZES.map((size) => appending(named("@google/adk", size), size, kitLog)),
    ...SIZES.map((size) => appending(named("holdfast", size), size, () => ourLog("memory"))),
    ...SQLITE_SIZES.map((size) => {
      return appending(named("holdfast on sqlite", size), size, () => ourLog("sqlite"));
    }),
  ];
  const base = named("@google/adk", 100);
  const result = await race({ base, operations: 1, rounds, warmUps: 1, contenders });
  const growth = (name: string, size: number): number =>
    result.ratio(named(name, size), named(name, 100));
  const work = "append, time per event";
  return {
    title: "adk: appending events to one session, in memory, and on sqlite with FULL sync",
    notes: [
      "Time per event of a session filled from empty; the number is its length at the end.",
      "The kit looks for the event's id in all events before it; it is measured up to 4,000.",
    ],
    timings: result.timings.map((timing): Timing => {
      return Object.assign({}, timing, { extra: { rate: `${Math.round(1e9 / timing.median)}/s` } });
    }),
    goals: [
      atMost({ id: "L2", work: `${work}, 100 → 10,000` }, growth("holdfast", 10_000), 3, "×"),
      atMost(
        { id: "L2", work: `${work}, 100 → 4,000, sqlite` },
        growth("holdfast on sqlite", 4000),
        3,
        "×",
      ),
      atMost({ id: "L2", work: "10 latest of 20,000 events" }, await readTime(), 5, "ms"),
    ],
  };
}
