/** Fifty thousand users of whom each is waited for. */
import { setTimeout as sleep } from "node:timers/promises";
import type * as Entry from "../../src/builderbot.ts";
import { urlOf } from "../subject.ts";
import { race, type Contender, type Section, type Timing } from "../support.ts";

const { IdleState }: typeof Entry = await import(urlOf("builderbot"));

const USERS = 50_000;
const WAIT_S = 3600;
const WATCH_MS = 1200;

interface Request {
  readonly from: string;
  readonly inRef: number;
  readonly timeInSeconds: number;
  readonly cb: (event: { readonly next: boolean }) => void;
}

/** What both can do. */
interface Idle {
  setIdleTime(request: Request): void;
  stop(context: { readonly from: string }): void;
}

/** One interval of a second for each wait, as in the original. */
class IntervalIdle implements Idle {
  readonly #users = new Map<string, { request: Request; interval: NodeJS.Timeout }[]>();

  setIdleTime(request: Request): void {
    const { from, timeInSeconds, cb } = request;
    const end = Date.now() + timeInSeconds * 1000;
    const interval = setInterval(() => {
      if (Date.now() <= end) return;
      clearInterval(interval);
      cb({ next: true });
    }, 1000);
    const known = this.#users.get(from) ?? [];
    known.push({ request, interval });
    this.#users.set(from, known);
  }

  stop({ from }: { readonly from: string }): void {
    for (const { request, interval } of this.#users.get(from) ?? []) {
      clearInterval(interval);
      request.cb({ next: false });
    }
    this.#users.set(from, []);
  }
}

/** Starts all waits, watches the processor while they are pending, and stops them. */
function waiting(name: string, create: () => Idle, busy: number[]): Contender {
  return {
    name,
    prepare() {
      const idle = create();
      let stopped = 0;
      let fired = 0;
      const cb: Request["cb"] = ({ next }) => {
        if (next) fired += 1;
        else stopped += 1;
      };
      const users = Array.from({ length: USERS }, (_, at) => `user${at}`);
      const start = (): void => {
        for (const from of users) idle.setIdleTime({ from, inRef: 1, timeInSeconds: WAIT_S, cb });
      };
      const stop = (): void => {
        for (const from of users) idle.stop({ from });
      };
      return {
        run() {
          start();
          stop();
        },
        async check() {
          start();
          const before = process.cpuUsage();
          await sleep(WATCH_MS);
          const { user, system } = process.cpuUsage(before);
          busy.push((user + system) / 10 / WATCH_MS);
          stop();
          return stopped === 2 * USERS && fired === 0;
        },
      };
    },
  };
}

/** Starting and stopping the waits, and what they cost while nothing happens. */
export async function idleSection(rounds = 2): Promise<Section> {
  const busy = new Map<string, number[]>();
  const sides: [string, () => Idle][] = [
    ["interval each", () => new IntervalIdle()],
    ["holdfast/builderbot", () => new IdleState()],
  ];
  const contenders = sides.map(([name, create]) => {
    const measured: number[] = [];
    busy.set(name, measured);
    return waiting(name, create, measured);
  });
  const base = "interval each";
  const result = await race({ base, operations: USERS, rounds, warmUps: 1, contenders });
  return {
    title: "builderbot: 50,000 idle timers",
    notes: [
      "Time to start and stop one wait. busy: the processor's least time, of 1.2 s in which all",
      "50,000 are pending and none is due; the original wakes each once a second.",
    ],
    timings: result.timings.map((timing): Timing => {
      const least = Math.min(...(busy.get(timing.name) ?? []));
      return Object.assign({}, timing, { extra: { busy: `${least.toFixed(1)} %` } });
    }),
    goals: [],
  };
}
