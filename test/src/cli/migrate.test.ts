/** `holdfast migrate`: which records are written, what stays with them, and what an end leaves. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { expect, it } from "vitest";
import { migrate } from "../../../src/cli/migrate.ts";
import { readTask } from "../../../src/cli/options.ts";
import { defineKind, type Kinds } from "../../../src/runtime/kinds.ts";
import { createRuntime, type Runtime } from "../../../src/runtime/runtime.ts";
import type { StateStore } from "../../../src/stores/contract.ts";
import { memoryStore } from "../../../src/stores/memory/store.ts";
import { sqliteStore } from "../../../src/stores/sqlite/store.ts";
import { collect } from "../../support/collect.ts";
import { command, type Done, holdfast } from "../../support/command.ts";
import { testDirectory } from "../../support/directory.ts";

const dir = testDirectory("migrate");

interface Fields extends Record<string, unknown> {
  name?: string;
  names?: string[];
}

/** A program of version 2: a name became a list of names. */
const SOURCE = `
  let lifted = 0;
  const names = (state) => {
    lifted += 1;
    if (lifted === Number(process.env.KILL_AT)) process.kill(process.pid, "SIGKILL");
    if (state.name === "odd") throw new Error("the secret of " + state.name);
    return { names: [state.name] };
  };
  export const kinds = { note: { version: 2, migrate: { 2: names } }, plain: {} };
`;
const MODULE = join(dir, "kinds.js");
writeFileSync(MODULE, SOURCE);

function fresh(): string {
  return join(mkdtempSync(join(dir, "case-")), "store.db");
}

/** A database in which version 1 stored so many notes. */
async function database(count: number, name = (n: number) => `n${n}`): Promise<string> {
  const path = fresh();
  const runtime = createRuntime({ store: sqliteStore({ path }), kinds: { note: defineKind() } });
  const ids = Array.from({ length: count }, (_, n) => n);
  await Promise.all(
    ids.map(async (n) => {
      const scope = await runtime.open<Fields>("note", `${n}`);
      await scope.patchState({ name: name(n) });
    }),
  );
  await runtime.close();
  return path;
}

/** The versions of all notes, and how many have the new form. */
async function notesOf(path: string): Promise<{ versions: number[]; lifted: number }> {
  const store = sqliteStore({ path });
  const keys = await collect(store.list({ prefix: "holdfast/note/" }));
  const records = await store.load(keys);
  await store.close();
  const lifted = records.filter((record) => JSON.stringify(record).includes('"kindVersion":2'));
  return { versions: records.map((record) => record?.version ?? 0), lifted: lifted.length };
}

it("lifts what is left after it was killed, and nothing twice", { timeout: 60_000 }, async () => {
  const path = await database(230);
  const words = ["migrate", `sqlite:${path}`, "--module", MODULE];
  process.env["KILL_AT"] = "150";
  expect((await holdfast(...words, "--batch", "50")).code).toBe(-1);
  delete process.env["KILL_AT"];
  expect(await notesOf(path)).toMatchObject({ lifted: 100 });
  const left = await holdfast(...words, "--check", "--json");
  expect(left).toMatchObject({ code: 1, err: "" });
  expect(JSON.parse(left.out)).toEqual({
    written: false,
    kinds: [
      { type: "note", version: 2, read: 230, lifted: 130, current: 100, newer: 0, failed: 0 },
    ],
    failures: [],
  });
  const rest = "note (version 2): read 230, lifted 130, current 100, newer 0, failed 0\n";
  expect(await holdfast(...words)).toEqual({ code: 0, err: "", out: rest });
  const again = "note (version 2): read 230, lifted 0, current 230, newer 0, failed 0\n";
  expect(await holdfast(...words)).toEqual({ code: 0, err: "", out: again });
  const { versions, lifted } = await notesOf(path);
  expect(lifted).toBe(230);
  expect(new Set(versions)).toEqual(new Set([2])); // One write each.
  expect((await holdfast(...words, "--check")).code).toBe(0);
});

it("leaves a record that fails as it is, and names it without its values", async () => {
  const path = await database(30, (n) => (n === 7 ? "odd" : "even"));
  const words = ["migrate", `sqlite:${path}`, "--module", MODULE];
  const reason = /^note\/7, version 1: .*the step to version 2 threw/;
  const dry = await command(...words, "--dry-run");
  expect(dry.text).toBe("note (version 2): read 30, to lift 29, current 0, newer 0, failed 1\n");
  expect(dry).toMatchObject({ isDone: false, warnings: [expect.stringMatching(reason)] });
  expect(await notesOf(path)).toMatchObject({ lifted: 0 });
  const done = await command(...words, "--json");
  expect(done).toMatchObject({ isDone: false, warnings: [expect.stringMatching(reason)] });
  const { kinds, failures } = JSON.parse(done.text);
  expect(kinds).toMatchObject([{ read: 30, lifted: 29, failed: 1 }]);
  const named = { type: "note", id: "7", version: 1, reason: expect.stringContaining("threw") };
  expect(failures).toEqual([named]);
  expect(done.text + done.warnings.join()).not.toContain("secret");
  const got = await command("get", `sqlite:${path}`, "note", "7");
  expect(JSON.parse(got.text)).toEqual({
    type: "note",
    id: "7",
    version: 1,
    state: { name: "odd" },
  });
});

it("needs a module that is there, with kinds", async () => {
  const path = await database(1);
  await expect(command("migrate", `sqlite:${path}`)).rejects.toThrow("migrate needs --module FILE");
  const absent = command("migrate", `sqlite:${path}`, "--module", join(dir, "absent.js"));
  await expect(absent).rejects.toThrow("there is no module at");
  const odd = join(dir, "odd.js");
  writeFileSync(odd, "export const kinds = 5;");
  await expect(command("migrate", `sqlite:${path}`, "--module", odd)).rejects.toThrow(
    "exports `kinds`",
  );
  const other = join(dir, "other.js");
  writeFileSync(other, "export const kind = { note: { version: 2 } };");
  await expect(command("migrate", `sqlite:${path}`, "--module", other)).rejects.toThrow(
    "the module exports no kinds",
  );
  writeFileSync(join(dir, "plain.js"), "export default { note: {} };");
  const none = await command("migrate", `sqlite:${path}`, "--module", join(dir, "plain.js"));
  expect(none).toMatchObject({ isDone: true, text: "" });
  expect(none.warnings).toEqual(["the module has no kind with a version over 1"]);
});

/** Lifts on a store that is open here. */
async function lift(store: StateStore, kinds: Kinds, ...options: string[]): Promise<Done> {
  const task = readTask(["migrate", "memory", "--json", ...options]);
  if (!("verb" in task)) throw new Error("no task");
  const out = new PassThrough();
  const warnings: string[] = [];
  const isDone = await migrate(store, kinds, task, { out, warn: (line) => warnings.push(line) });
  out.end();
  return { isDone, text: (await out.toArray()).join(""), warnings };
}

function countsOf({ text }: Done): unknown {
  return JSON.parse(text).kinds;
}

const KINDS = {
  note: defineKind({
    version: 2,
    ttlMs: 9_000_000,
    history: 10,
    migrate: { 2: ({ name }: Fields) => ({ names: [name] }) },
  }),
};

/** A runtime that leaves its store open. */
function runtimeOn(store: StateStore, kinds: Kinds): Runtime {
  return createRuntime({ store, kinds });
}

it("keeps the time, the keys of once and a history without a gap", async () => {
  const store = memoryStore();
  const old = runtimeOn(store, { note: defineKind({ ttlMs: 60_000, history: 10 }) });
  const scope = await old.open<Fields>("note", "a");
  await scope.transact((draft) => void (draft.name = "Ann"), { once: "k" });
  expect(countsOf(await lift(store, KINDS))).toMatchObject([{ lifted: 1, current: 0 }]);
  const [record] = await store.load(["holdfast/note/a"]);
  expect(record?.leftMs).toBeLessThanOrEqual(60_000);
  const next = runtimeOn(store, KINDS);
  const lifted = await next.open<Fields>("note", "a");
  expect([lifted.state, lifted.version]).toEqual([{ names: ["Ann"] }, 2]);
  expect(await lifted.transact(() => "other", { once: "k" })).toBe(undefined);
  const [newest] = await collect(lifted.history());
  expect(newest).toMatchObject({ version: 2, operation: "migrate", patches: [] });
  expect((await lifted.at(1)).state).toEqual({ names: ["Ann"] });
  await lifted.patchState({ more: 1 });
  expect(await lifted.undo()).toBe(true);
  expect(lifted.state).toEqual({ names: ["Ann"] });
  expect(await lifted.undo()).toBe(true); // What the older program has made.
  expect(lifted.state).toEqual({});
  await Promise.all([old.close(), next.close()]);
});

it("skips runs, memory, newer records and those of other kinds", async () => {
  const store = memoryStore();
  const runtime = runtimeOn(store, { note: defineKind({ version: 3 }), other: defineKind() });
  await (await runtime.open("note", "new")).patchState({ n: 1 });
  await (await runtime.open("other", "a")).patchState({ n: 1 });
  const key = "holdfast/sequencer/run";
  await store.commit([{ key, expectedVersion: 0, version: 1, state: { runId: "run" } }]);
  const step = { version: 2, migrate: { 2: () => ({}) } };
  const kinds = { ...KINDS, sequencer: step, typing: { ...step, durability: "volatile" as const } };
  const counts = { read: 1, lifted: 0, current: 0, newer: 1, failed: 0 };
  expect(countsOf(await lift(store, kinds))).toEqual([{ type: "note", version: 2, ...counts }]);
  expect(await store.load([key])).toEqual([{ version: 1, state: { runId: "run" } }]);
  await runtime.close();
});

it("lifts what a program writes meanwhile, as it is then", async () => {
  const path = fresh();
  const [store, other] = [sqliteStore({ path }), sqliteStore({ path })];
  const key = "holdfast/note/a";
  await other.commit([{ key, expectedVersion: 0, version: 1, state: { name: "Ann" } }]);
  let [calls, writes] = [0, 1];
  const kinds = (last: number): Kinds => ({
    note: defineKind({
      version: 2,
      migrate: {
        2: ({ name }: Fields) => {
          calls += 1;
          const write = {
            key,
            expectedVersion: writes,
            version: writes + 1,
            state: { name: "Bob" },
          };
          // The store does its work before it returns its promise.
          if (calls <= last) void other.commit([write]).then(() => (writes += 1));
          return { names: [name] };
        },
      },
    }),
  });
  expect(countsOf(await lift(store, kinds(2)))).toMatchObject([{ read: 1, lifted: 1, failed: 0 }]);
  const state = { $holdfast: "record", state: { names: ["Bob"] }, kindVersion: 2 };
  expect(await other.load([key])).toEqual([{ version: 4, state }]);
  const second = { key, expectedVersion: 4, version: 5, state: { name: "Cid" } };
  await other.commit([second]);
  [calls, writes] = [0, 5];
  const busy = await lift(store, kinds(Infinity));
  expect(countsOf(busy)).toMatchObject([{ read: 1, lifted: 0, failed: 1 }]);
  expect(busy.warnings).toEqual(["note/a, version 15: programs write it all the time"]);
  await Promise.all([store.close(), other.close()]);
});

it("counts a damaged record, and one that the schema refuses, as failed", async () => {
  const store = memoryStore();
  const keys = ["a", "b", "c"].map((id) => `holdfast/note/${id}`);
  const states = [{ $holdfast: "odd" }, { name: "Ann" }, { name: "" }];
  const write = (key: string, at: number) => ({
    key,
    expectedVersion: 0,
    version: 1,
    state: states[at],
  });
  await store.commit(keys.map(write));
  const schema = {
    "~standard": {
      version: 1 as const,
      vendor: "test",
      validate: (value: unknown) =>
        JSON.stringify(value) === '{"names":[""]}'
          ? { issues: [{ message: "no" }] }
          : { value: Object(value) },
    },
  };
  const kinds = { note: defineKind({ ...KINDS.note, schema }) };
  const done = await lift(store, kinds);
  expect(countsOf(done)).toMatchObject([{ read: 3, lifted: 1, failed: 2 }]);
  expect(done.warnings).toEqual([
    expect.stringMatching(/^note\/a, version 1: /),
    expect.stringMatching(/^note\/c, version 1: /),
  ]);
  const records = await store.load(keys);
  expect(records.map((record) => record?.version)).toEqual([1, 2, 1]);
  await store.close();
});
