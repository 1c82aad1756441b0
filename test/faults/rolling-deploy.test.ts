/**
 * A rolling deploy: a program of version 1 of a kind, one of version 2, and `holdfast migrate`, each
 * a process, on one store at once.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { collect } from "../support/collect.ts";
import { holdfast } from "../support/command.ts";
import { startChild, type Child } from "../support/child.ts";
import { testDirectory } from "../support/directory.ts";
import { onServer } from "../support/places.ts";
import { openStore } from "./open-store.ts";

const COUNT = 20;
const TIMES = process.env["TEST_SCALE"] === "nightly" ? 400 : 40;

const dir = testDirectory("rolling");
const MODULE = join(dir, "kinds.js");
const STEP = "({ n }) => ({ count: n ?? 0 })";
writeFileSync(MODULE, `export const kinds = { note: { version: 2, migrate: { 2: ${STEP} } } };`);

/** Starts one program of the deploy. */
function program(kind: string, place: string, version: string): Child {
  const child = startChild("deployed.ts", [kind, place, version, `${COUNT}`, `${TIMES}`]);
  onTestFinished(() => void child.process.kill("SIGKILL"));
  return child;
}

/** What a program has printed at its end. */
async function endOf(child: Child): Promise<{ added: number; codes: Record<string, number> }> {
  expect(await child.closed).toBe(0);
  return JSON.parse(child.output().trim().split("\n").at(-1) ?? "");
}

/** Lets the two programs and the command work together, and checks what they leave. */
async function deploy(kind: string, place: string, address: string): Promise<void> {
  const old = program(kind, place, "1");
  await old.started;
  const next = program(kind, place, "2");
  const lifted = await holdfast("migrate", address, "--module", MODULE, "--json");
  expect(lifted.code).toBe(0);
  const [before, after] = [await endOf(old), await endOf(next)];
  expect(before.codes).toEqual({ STATE_VERSION: COUNT + 2 });
  expect(before.added).toBeGreaterThanOrEqual(COUNT);
  expect(after).toEqual({ added: (COUNT / 2) * TIMES, codes: {} });

  const store = openStore(kind, place);
  const keys = await collect(store.list({ prefix: "holdfast/note/" }));
  const records = await store.load(keys);
  await store.close();
  let sum = 0;
  for (const record of records) {
    const form = { $holdfast: "record", kindVersion: 2, state: { count: expect.any(Number) } };
    expect(record?.state).toEqual(form); // The old program wrote nothing after the new one.
    sum += Object(record?.state).state.count;
  }
  expect(records).toHaveLength(COUNT);
  expect(sum).toBe(before.added + after.added);
  // Each addition is a version, and so is each lift of the command.
  const [{ lifted: lifts }] = JSON.parse(lifted.out).kinds;
  const versions = records.reduce((total, record) => total + (record?.version ?? 0), 0);
  expect(versions).toBe(sum + lifts);
}

const TIMEOUT = { timeout: 120_000 };
const NAME = "no addition is lost, and the old program is refused what the new one has stored";

it(`sqlite: ${NAME}`, TIMEOUT, async () => {
  const place = testDirectory("rolling-sqlite");
  await deploy("sqlite", place, `sqlite:${join(place, "store.db")}`);
});

for (const server of ["redis", "postgres"] as const)
  await onServer(server, ({ kind, fresh }) => {
    it(`${server}: ${NAME}`, TIMEOUT, async () => {
      const place = fresh();
      await deploy(kind, place, place);
    });
  });
