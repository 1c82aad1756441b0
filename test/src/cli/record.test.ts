/** `holdfast get` and `holdfast rm`: one record, whatever its state. */
import { PassThrough } from "node:stream";
import { join } from "node:path";
import { expect, it } from "vitest";
import { runTask } from "../../../src/cli/commands.ts";
import { readTask } from "../../../src/cli/options.ts";
import { defineKind } from "../../../src/runtime/kinds.ts";
import { createRuntime } from "../../../src/runtime/runtime.ts";
import { sqliteStore } from "../../../src/stores/sqlite/store.ts";
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

async function run(...args: readonly string[]) {
  const task = readTask(args);
  if (typeof task === "string") throw new Error(task);
  const out = new PassThrough();
  const warnings: string[] = [];
  const isDone = await runTask(task, { out, warn: (line) => warnings.push(line) });
  out.end();
  return { isDone, text: (await out.toArray()).join(""), warnings };
}

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

  const got = await run("get", address, "note", "a/b");
  expect(got.isDone).toBe(true);
  expect(JSON.parse(got.text)).toEqual({
    key: "holdfast/note/a/b",
    version: 1,
    state: { text: "old" },
  });
  const asked = await run("rm", address, "note", "a/b");
  expect(asked).toMatchObject({ isDone: true, text: expect.stringContaining("would delete") });
  expect((await run("get", address, "note", "a/b")).isDone).toBe(true);
  const removed = await run("rm", address, "note", "a/b", "--write");
  expect(removed).toMatchObject({ isDone: true, text: 'deleted "holdfast/note/a/b", version 1\n' });
  for (const command of ["get", "rm"]) {
    const gone = await run(command, address, "note", "a/b");
    expect(gone).toMatchObject({ isDone: false, text: "" });
    expect(gone.warnings.join()).toContain("it was deleted (version 2)");
    const unknown = await run(command, address, "note", "a/b", "--namespace", "shop");
    expect(unknown.isDone).toBe(false);
    expect(unknown.warnings.join()).toContain('no record "shop/note/a/b"');
  }
  const again = open();
  expect((await again.open("note", "a/b")).version).toBe(2);
  await again.close();
});

it("refuses operands and options that are not its own", () => {
  expect(() => readTask(["get", "sqlite:a", "note"])).toThrow("too few operands");
  expect(() => readTask(["get", "sqlite:a", "note", "a", "--write"])).toThrow("no option of get");
  expect(() => readTask(["rm", "sqlite:a", "note", "a", "--prefix", "x"])).toThrow("no option");
});
