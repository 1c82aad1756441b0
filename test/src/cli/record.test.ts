/** `holdfast get` and `holdfast rm`: one record, whatever its state. */
import { join } from "node:path";
import { expect, it } from "vitest";
import { readTask } from "../../../src/cli/options.ts";
import { defineKind } from "../../../src/runtime/kinds.ts";
import { createRuntime } from "../../../src/runtime/runtime.ts";
import { sqliteStore } from "../../../src/stores/sqlite/store.ts";
import { command } from "../../support/command.ts";
import { testDirectory } from "../../support/directory.ts";

const dir = testDirectory("cli-record");
const NO_TEXT = {
  "~standard": {
    version: 1 as const,
    vendor: "test",
    validate: (value: unknown) =>
      JSON.stringify(value) === "{}" ? { value: {} } : { issues: [{ message: "no" }] },
  },
};

it("prints and deletes a record that its kind cannot open any more", async () => {
  const path = join(dir, "store.db");
  const address = `sqlite:${path}`;
  const old = createRuntime({ store: sqliteStore({ path }), kinds: { note: defineKind() } });
  const scope = await old.open("note", "a/b");
  await scope.setState({ text: "old" });
  await old.close();
  const open = () => {
    const kinds = { note: defineKind({ schema: NO_TEXT }) };
    return createRuntime({ store: sqliteStore({ path }), kinds });
  };
  const refusing = open();
  await expect(refusing.open("note", "a/b")).rejects.toMatchObject({ code: "STATE_INVALID" });
  await refusing.close();

  const got = await command("get", address, "note", "a/b");
  expect(got.isDone).toBe(true);
  const record = { type: "note", id: "a/b", version: 1, state: { text: "old" } };
  expect(JSON.parse(got.text)).toEqual(record);
  await expect(command("rm", address, "note", "a/b")).rejects.toThrow(
    "rm deletes only with --write",
  );
  expect((await command("get", address, "note", "a/b")).isDone).toBe(true);
  const removed = await command("rm", address, "note", "a/b", "--write");
  expect(removed).toMatchObject({ isDone: true, text: "deleted note/a/b, version 1\n" });
  for (const words of [["get"], ["rm", "--write"]]) {
    const gone = await command(...words, address, "note", "a/b");
    expect(gone).toMatchObject({ isDone: false, text: "" });
    expect(gone.warnings.join()).toContain("it was deleted (version 2)");
    const unknown = await command(...words, address, "note", "a/b", "--namespace", "shop");
    expect(unknown.isDone).toBe(false);
    expect(unknown.warnings.join()).toContain('no record "shop/note/a/b"');
  }
  const again = open();
  expect((await again.open("note", "a/b")).version).toBe(2);
  await again.close();
});

it("prints the state of a record without its keys of once, which other commands keep", async () => {
  const [path, copied, read] = ["once.db", "copy.db", "read.db"].map((name) => join(dir, name));
  const file = join(dir, "once.jsonl");
  const address = `sqlite:${path}`;
  const pay = async (at: string | undefined): Promise<[number, object]> => {
    const runtime = createRuntime({ store: sqliteStore({ path: at ?? "" }) });
    const scope = await runtime.open<{ n?: number }>("user", "ann");
    const answer = await scope.transact((draft) => (draft.n = (draft.n ?? 0) + 1), { once: "k" });
    await runtime.close();
    return [answer, scope.state];
  };
  await pay(path);
  const got = await command("get", address, "user", "ann");
  const record = { type: "user", id: "ann", version: 1, state: { n: 1 } };
  expect(JSON.parse(got.text)).toEqual(record);

  expect((await command("copy", address, `sqlite:${copied}`)).isDone).toBe(true);
  expect((await command("export", address, file)).isDone).toBe(true);
  expect((await command("import", file, `sqlite:${read}`)).isDone).toBe(true);
  for (const at of [path, copied, read]) {
    expect((await command("check", address, `sqlite:${at}`)).isDone).toBe(true);
    expect(await pay(at)).toEqual([1, { n: 1 }]); // The key is there, so nothing runs.
  }
  const store = sqliteStore({ path: read ?? "" });
  const state = { $holdfast: "record", state: { n: 1 }, once: [] };
  const [key, version] = ["holdfast/user/ann", 1];
  await store.commit([{ key, expectedVersion: 1, version: 2, state: undefined }]);
  await store.erase?.([key]);
  await store.commit([{ key, expectedVersion: 0, version, state }]);
  await store.close();
  const differs = await command("check", address, `sqlite:${read}`);
  expect(differs.isDone).toBe(false);
  expect(differs.warnings).toEqual(['"holdfast/user/ann": version 1 has other keys of once']);
});

it("refuses operands and options that are not its own", () => {
  expect(() => readTask(["get", "sqlite:a", "note"])).toThrow("too few operands");
  expect(() => readTask(["get", "sqlite:a", "note", "a", "--write"])).toThrow("no option of get");
  expect(() => readTask(["rm", "sqlite:a", "note", "a", "--prefix", "x"])).toThrow("no option");
});
