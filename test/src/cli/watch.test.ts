/** `holdfast watch`: what is printed of which changes, and how it ends. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { expect, it, onTestFinished } from "vitest";
import { runTask } from "../../../src/cli/commands.ts";
import { readTask } from "../../../src/cli/options.ts";
import { createRuntime, type Runtime } from "../../../src/runtime/runtime.ts";
import { memoryStore } from "../../../src/stores/memory/store.ts";
import { watchStore } from "../../../src/cli/watch.ts";
import { sqliteStore } from "../../../src/stores/sqlite/store.ts";
import { command } from "../../support/command.ts";
import { testDirectory } from "../../support/directory.ts";
import { programOf } from "../../support/programs.ts";
import { gate, until } from "../../support/waiting.ts";

const dir = testDirectory("watch");
let made = 0;

async function database(): Promise<{ address: string; runtime: Runtime }> {
  made += 1;
  const path = join(dir, `${made}.db`);
  const runtime = createRuntime({ store: sqliteStore({ path }) });
  onTestFinished(() => runtime.close());
  await (await runtime.open("user", "ann")).patchState({ n: 1 });
  return { address: `sqlite:${path}`, runtime };
}

/** Starts a watch; resolves when it watches. */
async function watching(...args: readonly string[]): Promise<{ lines(): Promise<string[]> }> {
  const task = readTask(["watch", ...args]);
  if (!("verb" in task)) throw new Error("no task");
  const out = new PassThrough();
  const text = out.toArray();
  const begun = gate();
  const end = runTask(task, { out, warn: () => begun.open() });
  await begun.promise;
  return {
    async lines() {
      expect(await end).toBe(true);
      out.end();
      return (await text).join("").trimEnd().split("\n");
    },
  };
}

it("prints the changes of a scope with its state, one document in a line", async () => {
  const { address, runtime } = await database();
  const watch = await watching(address, "user", "ann", "--json", "--limit", "3");
  const [ann, bob] = [await runtime.open("user", "ann"), await runtime.open("user", "bob")];
  await bob.patchState({ n: 1 });
  // Each is printed before the next is made: of several the last one would be.
  const seen: unknown[] = [];
  await ann.patchState({ n: 2 });
  const all = watch.lines().then((lines) => seen.push(...lines));
  for (let n = 3; seen.length === 0; n += 1) {
    await ann.patchState({ n });
    await new Promise(setImmediate);
  }
  await all;
  expect(seen).toHaveLength(3);
  const changes = seen.map((line) => JSON.parse(String(line)));
  for (const { version, state, ...scope } of changes) {
    expect(scope).toEqual({ type: "user", id: "ann" });
    expect(state).toEqual({ n: version });
  }
  const versions = changes.map(({ version }) => version);
  expect(versions).toEqual(versions.toSorted((left, right) => left - right));
  expect(new Set(versions).size).toBe(3);
});

it("prints those of a type without their states, and a delete", async () => {
  const { address, runtime } = await database();
  const watch = await watching(address, "user", "--limit", "1");
  await (await runtime.open("org", "x")).patchState({ n: 1 });
  await (await runtime.open("user", "ann")).delete();
  expect(await watch.lines()).toEqual(["user/ann, version 2, deleted"]);
  const prefixed = await watching(address, "user", "--prefix", "b", "--json", "--limit", "1");
  await (await runtime.open("user", "ann")).patchState({ n: 1 });
  await (await runtime.open("user", "bob")).patchState({ n: 1 });
  expect(await prefixed.lines()).toEqual(['{"type":"user","id":"bob","version":1}']);
});

it("ends with 1 on a store that reports nothing", async () => {
  const refused = await command("watch", `file:${dir}`);
  expect(refused.isDone).toBe(false);
  expect(refused.warnings).toEqual(["the file store reports no changes of other processes"]);
});

it("says when changes may be missing, and prints a version once", async () => {
  let report: (key: string, version: number) => void = () => undefined;
  let miss: () => void = () => undefined;
  const store = memoryStore();
  const watched = Object.assign(Object.create(store), {
    supports: { ...store.supports, watch: true },
    load: (keys: readonly string[]) => store.load(keys),
    watch: (changed: typeof report, missed: typeof miss) => {
      [report, miss] = [changed, missed];
      return Promise.resolve(() => Promise.resolve());
    },
  });
  const task = readTask(["watch", "memory", "--json", "--limit", "3"]);
  if (!("verb" in task)) throw new Error("no task");
  const out = new PassThrough();
  const text = out.toArray();
  const begun = gate();
  const end = watchStore(watched, task, { out, warn: () => begun.open() });
  await begun.promise;
  const key = "holdfast/user/ann";
  await store.commit([{ key, expectedVersion: 0, version: 1, state: {} }]);
  for (let times = 0; times < 3; times += 1) report(key, 1);
  await new Promise(setImmediate);
  report(key, 1);
  report("other/user/ann", 1);
  await new Promise(setImmediate);
  miss();
  await store.commit([{ key, expectedVersion: 1, version: 2, state: {} }]);
  report(key, 2);
  expect(await end).toBe(true);
  out.end();
  const lines = (await text).join("").trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    { type: "user", id: "ann", version: 1 },
    { resync: true },
    { type: "user", id: "ann", version: 2 },
  ]);
});

it("ends with 0 when it is interrupted", async () => {
  const { address } = await database();
  const child = spawn(process.execPath, [programOf("src/cli/main.ts"), "watch", address]);
  onTestFinished(() => void child.kill("SIGKILL"));
  let err = "";
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
  await until(() => err.includes("watching"));
  child.kill("SIGINT");
  const [code]: readonly unknown[] = await once(child, "close");
  expect(code).toBe(0);
});
