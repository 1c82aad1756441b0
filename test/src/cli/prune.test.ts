/** `prune` removes the oldest changes of histories, and nothing else. */
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { defineKind } from "../../../src/runtime/kinds.ts";
import { createRuntime } from "../../../src/runtime/runtime.ts";
import { sqliteStore } from "../../../src/stores/sqlite/store.ts";
import { command, holdfast } from "../../support/command.ts";
import { testDirectory } from "../../support/directory.ts";
import { rejection } from "../../support/waiting.ts";

const dir = testDirectory("prune");
const kinds = { note: defineKind({ history: 100 }), plain: defineKind() };

/** Two notes with 30 and 5 changes, and a scope without a history. */
async function written(): Promise<string> {
  const path = join(mkdtempSync(join(dir, "case-")), "store.db");
  const runtime = createRuntime({ store: sqliteStore({ path }), kinds });
  for (const [type, id, count] of [
    ["note", "a/b", 30],
    ["note", "c", 5],
    ["plain", "x", 3],
  ] as const) {
    const scope = await runtime.open(type, id);
    for (let n = 1; n <= count; n += 1) await scope.patchState({ n });
  }
  await runtime.close();
  return path;
}

it("removes all but the newest changes, also under a program that runs", async () => {
  const path = await written();
  const runtime = createRuntime({ store: sqliteStore({ path }), kinds });
  const note = await runtime.open("note", "a/b");
  const address = `sqlite:${path}`;
  const one = await command("prune", address, "note", "a/b", "--keep", "10", "--write", "--json");
  expect(JSON.parse(one.text)).toEqual({ type: "note", id: "a/b", version: 30, removed: 20 });
  expect((await note.at(21)).state).toEqual({ n: 21 });
  for (const gone of [note.at(20), note.rewind(20), note.at(0)])
    expect(await rejection(gone)).toMatchObject({ code: "HISTORY_GONE", oldest: 21 });
  const all = await command("prune", address, "--keep=3", "--write");
  expect(all).toMatchObject({ isDone: true, text: "removed 9 changes of 2 scopes\n" });
  expect(await note.undo()).toBe(true);
  expect(note.state).toEqual({ n: 29 });
  const versions: number[] = [];
  for await (const { version } of note.history()) versions.push(version);
  expect(versions).toEqual([31, 30, 29, 28]);
  // A reader from a version that is no longer kept receives one snapshot.
  const reader = note.changes({ since: 5 })[Symbol.asyncIterator]();
  expect((await reader.next()).value).toMatchObject({ type: "snapshot", version: 31 });
  await reader.return?.();
  await runtime.close();
  const none = await command("prune", address, "note", "c", "--keep", "0", "--write");
  expect(none.text).toBe("removed 3 changes of note/c\n");
  const again = await command("prune", address, "note", "c", "--keep", "0", "--write");
  expect(again.text).toBe("removed 0 changes of note/c\n");
  expect((await command("get", address, "note", "c")).text).toContain(
    '"version":5,"state":{"n":5}',
  );
});

it("selects by type and prefix", async () => {
  const address = `sqlite:${await written()}`;
  const options = ["--keep", "4", "--write", "--json"];
  const plain = await command("prune", address, "plain", ...options);
  expect(JSON.parse(plain.text)).toEqual({ scopes: 0, removed: 0 });
  const some = await command("prune", address, "note", "--prefix", "c", ...options);
  expect(JSON.parse(some.text)).toEqual({ scopes: 1, removed: 1 });
});

it.each([
  [[], "prune needs --keep N"],
  [["--write"], "prune needs --keep N"],
  [["--keep", "-1", "--write"], "--keep needs a value"],
  [["--keep=1.5", "--write"], "--keep must be a whole number"],
  [["note", "c", "--prefix", "c", "--keep", "1", "--write"], "an ID and --prefix exclude"],
])("ends with 2 and removes nothing for %j", async (words, reason) => {
  const path = await written();
  await expect(command("prune", `sqlite:${path}`, ...words)).rejects.toThrow(reason);
  expect(
    JSON.parse((await command("history", `sqlite:${path}`, "note", "c", "--json")).text),
  ).toHaveLength(5);
});

it("needs no --write beside --keep, and ends with 1 for a scope that is not there", async () => {
  const address = `sqlite:${await written()}`;
  const removed = await holdfast("prune", address, "note", "c", "--keep", "3", "--json");
  expect(removed).toMatchObject({ code: 0 });
  expect(JSON.parse(removed.out)).toMatchObject({ id: "c", removed: 2 });
  const missing = await holdfast("prune", address, "note", "none", "--keep", "3", "--write");
  expect(missing).toMatchObject({ code: 1, out: "" });
});
