/** `set`, `history`, `at` and `rewind`, on types that no module declares and on declared ones. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { defineKind, type Kinds } from "../../../src/runtime/kinds.ts";
import { createRuntime } from "../../../src/runtime/runtime.ts";
import type { Scope } from "../../../src/runtime/scope.ts";
import { sqliteStore } from "../../../src/stores/sqlite/store.ts";
import { command, holdfast } from "../../support/command.ts";
import { testDirectory } from "../../support/directory.ts";

const dir = testDirectory("scope-verbs");
type Fields = Record<string, unknown>;

function fresh(): string {
  return join(mkdtempSync(join(dir, "case-")), "store.db");
}

/** Runs a program on a database. */
async function program<T>(
  path: string,
  kinds: Kinds,
  work: (open: (type: string, id: string) => Promise<Scope<Fields>>) => Promise<T>,
): Promise<T> {
  const runtime = createRuntime({ store: sqliteStore({ path }), kinds });
  const result = await work((type, id) => runtime.open<Fields>(type, id));
  await runtime.close();
  return result;
}

const NOTE = { note: defineKind({ history: 100 }) };

/** A note with three versions: n is 1, 2 and 3. */
async function counted(): Promise<string> {
  const path = fresh();
  await program(path, NOTE, async (open) => {
    const note = await open("note", "a/b c");
    for (const n of [1, 2, 3]) await note.patchState({ n }, { meta: { by: "Ann" } });
  });
  return path;
}

it("set replaces a state, makes a scope, and prints no value", async () => {
  const path = fresh();
  const address = `sqlite:${path}`;
  await program(path, { card: defineKind({ version: 3, ttlMs: 60_000 }) }, async (open) => {
    const card = await open("card", "x");
    await card.transact((draft) => void (draft["n"] = 1), { once: "k" });
  });
  const state = '{"at":{"$holdfast":"date","value":"2026-01-02T03:04:05.000Z"},"secret":"s3"}';
  const missing = command("set", address, "card", "x", state);
  await expect(missing).rejects.toThrow("set writes only with --write");
  const done = await command("set", address, "card", "x", state, "--write", "--json");
  expect(JSON.parse(done.text)).toEqual({ type: "card", id: "x", version: 2, changed: true });
  const same = await command("set", address, "card", "x", state, "--write");
  expect(same).toMatchObject({ isDone: true, text: "unchanged card/x, version 2\n" });
  const { leftMs, ...record } = JSON.parse((await command("get", address, "card", "x")).text);
  expect(record).toEqual({ type: "card", id: "x", version: 2, state: JSON.parse(state) });
  expect(leftMs).toBeGreaterThan(0);
  expect(leftMs).toBeLessThanOrEqual(60_000);
  await program(path, { card: defineKind({ version: 3 }) }, async (open) => {
    const card = await open("card", "x");
    expect(card.state).toEqual({ at: new Date("2026-01-02T03:04:05Z"), secret: "s3" });
    expect(await card.transact(() => "again", { once: "k" })).toBe(undefined);
  });
  const made = await command("set", address, "card", "new", '{"n":1}', "--write");
  expect(made).toMatchObject({ isDone: true, text: "made card/new, version 1\n" });
});

it.each([
  ["{", "the value is not JSON"],
  ["5", "the state must be a JSON object"],
  ["[]", "the state must be a JSON object"],
  ['{"a":{"$holdfast":"odd"}}', "the state has a tag that cannot be read"],
])("set refuses %s, and makes nothing", async (json, reason) => {
  const address = `sqlite:${await counted()}`;
  await expect(command("set", address, "user", "x", json, "--write")).rejects.toThrow(reason);
  const runs = command("set", address, "sequencer", "x", "{}", "--write");
  await expect(runs).rejects.toThrow("runs of sequencers are no scopes");
  expect((await command("ls", address)).text).toBe('"note/a/b c"\n');
});

it("set and rewind with a module check the state as its program does", async () => {
  const path = await counted();
  const module = join(dir, "kinds.js");
  const source = `
    const validate = (value) => typeof value.n === "number" ? { value } : { issues: [{ message: "no", path: ["n"] }] };
    export const kinds = {
      note: { history: 100, initial: { n: 0 }, schema: { "~standard": { version: 1, vendor: "t", validate } } },
    };
  `;
  writeFileSync(module, source);
  const words = [`sqlite:${path}`, "note", "a/b c"];
  const options = ["--write", "--module", module];
  const refused = command("set", ...words, '{"n":"s3"}', ...options);
  await expect(refused).rejects.toMatchObject({ code: "STATE_INVALID" });
  expect((await command("set", ...words, '{"n":9}', ...options)).isDone).toBe(true);
  const back = await command("rewind", ...words, "0", ...options);
  expect(back).toMatchObject({ isDone: true, text: 'rewound "note/a/b c", version 5\n' });
  expect(JSON.parse((await command("get", ...words)).text).state).toEqual({ n: 0 });
});

it("history prints the changes, newest first", async () => {
  const path = await counted();
  const words = ["history", `sqlite:${path}`, "note", "a/b c"];
  const text = (await command(...words)).text.trimEnd().split("\n");
  expect(text).toHaveLength(3);
  expect(text[0]).toMatch(/^version 3 {2}20\d\d-[-T:.\d]+Z {2}patch, 1 patch$/);
  const all = JSON.parse((await command(...words, "--json")).text);
  expect(all).toMatchObject([
    { version: 3, operation: "patch", meta: { by: "Ann" } },
    { version: 2, patches: [{ op: "replace", path: ["n"], value: 2 }] },
    { version: 1 },
  ]);
  const some = await command(...words, "--json", "--before", "3", "--after", "1");
  expect(JSON.parse(some.text)).toMatchObject([{ version: 2 }]);
  expect(JSON.parse((await command(...words, "--json", "--limit", "1")).text)).toHaveLength(1);
  const plain = fresh();
  await program(plain, {}, async (open) => (await open("user", "a")).patchState({ n: 1 }));
  const none = await command("history", `sqlite:${plain}`, "user", "a", "--json");
  expect(none).toEqual({ isDone: true, text: "[]\n", warnings: [] });
});

it("at prints the state of a version and of a date; rewind makes it the newest", async () => {
  const path = await counted();
  const words = [`sqlite:${path}`, "note", "a/b c"];
  const first = JSON.parse((await command("at", ...words, "1")).text);
  const { timestamp } = first;
  expect(first).toEqual({ type: "note", id: "a/b c", version: 1, timestamp, state: { n: 1 } });
  const now = JSON.parse((await command("at", ...words, new Date().toISOString())).text);
  expect(now).toMatchObject({ version: 3, state: { n: 3 } });
  const later = await command("at", ...words, "4");
  expect(later).toMatchObject({ isDone: false, warnings: [expect.stringContaining("not yet")] });
  await expect(command("at", ...words, "0")).rejects.toThrow("version 0 is the initial state");
  await expect(command("at", ...words, "soon")).rejects.toThrow("neither a version nor a date");
  await expect(command("rewind", ...words, "1")).rejects.toThrow("only with --write");
  const done = await command("rewind", ...words, "1", "--write", "--json");
  expect(JSON.parse(done.text)).toEqual({ type: "note", id: "a/b c", version: 4, changed: true });
  await program(path, NOTE, async (open) => {
    const note = await open("note", "a/b c");
    expect(note.state).toEqual({ n: 1 });
    expect(await note.undo()).toBe(true);
    expect((await note.at(3)).state).toEqual({ n: 3 }); // Nothing is missing between.
  });
});

it("set adds to the history of a scope, and to no other", async () => {
  const path = await counted();
  const address = `sqlite:${path}`;
  await command("set", address, "note", "a/b c", '{"n":7}', "--write");
  await command("set", address, "user", "ann", '{"n":7}', "--write");
  await command("set", address, "user", "ann", '{"n":8}', "--write");
  expect(JSON.parse((await command("at", address, "note", "a/b c", "2")).text).state).toEqual({
    n: 2,
  });
  expect((await command("history", address, "user", "ann", "--json")).text).toBe("[]\n");
});

it.each(["history", "at", "rewind", "get", "rm"])(
  "%s of a missing scope ends with 1",
  async (verb) => {
    const address = `sqlite:${await counted()}`;
    const version = verb === "at" || verb === "rewind" ? ["1"] : [];
    const write = verb === "rewind" || verb === "rm" ? ["--write"] : [];
    const missing = await command(verb, address, "note", "other", ...version, ...write);
    expect(missing).toMatchObject({ isDone: false, text: "" });
    expect(missing.warnings.join()).toContain('no record "holdfast/note/other"');
  },
);

it("takes ids with any characters", async () => {
  const files = mkdtempSync(join(dir, "files-"));
  const address = `file:${files}`;
  const all = ["-x", "../../etc", "a\nb", "é\u2028 \"'%/"];
  for (const id of all) {
    const done = await command("set", "--write", "--json", address, "--", "user", id, '{"n":1}');
    expect(JSON.parse(done.text)).toEqual({ type: "user", id, version: 1, changed: true });
    expect(JSON.parse((await command("get", address, "--", "user", id)).text)).toMatchObject({
      id,
    });
  }
  const listed = JSON.parse((await command("ls", address, "user", "--json")).text);
  expect(listed).toEqual(all.map((id) => ({ type: "user", id })));
});

it("ends with 2 without --write and with 1 for a missing scope, as a process", async () => {
  const address = `sqlite:${await counted()}`;
  const refused = await holdfast("set", address, "note", "-x", "{}");
  expect(refused).toMatchObject({ code: 2, out: "" });
  const written = await holdfast("set", address, "--write", "--", "note", "-x", '{"n":1}');
  expect(written).toEqual({ code: 0, out: "made note/-x, version 1\n", err: "" });
  expect(await holdfast("get", address, "note", "other")).toMatchObject({ code: 1, out: "" });
});
