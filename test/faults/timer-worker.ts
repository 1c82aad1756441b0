/**
 * A child process whose runtime fires the timers of all processes: `kind place role value count`.
 *
 *   due      prints `up`; after a line on stdin with a time sets `count` timers that are due then,
 *            each in a scope of its own; prints `ready`, and after a line how many it has fired
 *   rest     the same without timers of its own
 *   endless  after a line on stdin sets timers in a few scopes without end, by `schedule` and by
 *            recipes in turn; prints the number of each when it is stored, such as `value-7`
 *
 * A recipe notes `set value-7` in its state, and the handler counts `fired value-7`. The handler of
 * `tick` counts `ticks`.
 */
import { once } from "node:events";
import { writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { defineKind, type Kind } from "../../src/runtime/kinds.ts";
import { createRuntime, type Runtime } from "../../src/runtime/runtime.ts";
import type { Scope } from "../../src/runtime/scope.ts";
import { openStore } from "./open-store.ts";

type Counts = Record<string, number>;

const [, , kind = "", place = "", role = "", value = "", count = "0"] = process.argv;
/** Scopes of endless work, and loops on them. */
const SCOPES = 12;
const LOOPS = 4;
/** Milliseconds: the latest a timer is due, the longest a handler works, and between two timers. */
const LATEST_MS = 80;
const HANDLER_MS = 10;
const PAUSE_MS = 4;

let fired = 0;
const JOB: Kind<Counts, "job" | "tick"> = defineKind<Counts, "job" | "tick">({
  timers: {
    job: async (scope, { payload }) => {
      await scope.incState({ [`fired ${String(payload)}`]: 1 });
      await sleep(Math.random() * HANDLER_MS);
      fired += 1;
    },
    tick: async (scope) => void (await scope.incState({ ticks: 1 })),
  },
});
const runtime: Runtime = createRuntime({
  store: openStore(kind, place),
  kinds: { job: JOB },
  timers: { pollMs: 20 },
  exclusiveLeaseMs: role === "endless" ? 500 : 60_000,
  mutationTimeoutMs: 300_000,
  // A killed process loses its sections: handlers of others fail by that, too, and run again.
  ...(role === "endless" && { logger: { warn: () => undefined, error: () => undefined } }),
});

function opened(id: string): Promise<Scope<Counts>> {
  return runtime.open<Counts>("job", id);
}

async function setOne(number: string, id: string, isRecipe: boolean): Promise<void> {
  const scope = await opened(id);
  const when = { afterMs: Math.random() * LATEST_MS };
  if (!isRecipe) return void (await scope.schedule("job", when, number));
  await scope.transact((draft, { schedule }) => {
    draft[`set ${number}`] = 1;
    schedule("job", when, number);
  });
}

async function setForever(loop: number): Promise<void> {
  for (let n = loop; ; n += LOOPS) {
    const number = `${value}-${n}`;
    await setOne(number, `s${Math.floor(Math.random() * SCOPES)}`, n % 3 === 0);
    // Synchronous: the line is in the pipe before anything else happens.
    writeSync(1, `${number}\n`);
    await sleep(PAUSE_MS);
  }
}

async function setDue(number: string, at: Date): Promise<void> {
  await (await opened(number)).schedule("job", { at }, number);
}

if (role === "endless") {
  await once(process.stdin, "data"); // The parent starts a child before it kills another one.
  await Promise.all(Array.from({ length: LOOPS }, (_, loop) => setForever(loop)));
}
if (role === "due") {
  process.stdout.write("up\n");
  const [line]: unknown[] = await once(process.stdin, "data");
  const numbers = Array.from({ length: Number(count) }, (_, n) => `${process.pid}-${n}`);
  await Promise.all(numbers.map((number) => setDue(number, new Date(Number(line)))));
}
process.stdout.write("ready\n");
await once(process.stdin, "data");
await runtime.close();
process.stdout.write(`${fired}\n`);
process.stdin.destroy();
