/** `holdfast ls`. */
import { join } from "node:path";
import { expect, it } from "vitest";
import { createRuntime } from "../../../src/runtime/runtime.ts";
import { sqliteStore } from "../../../src/stores/sqlite/store.ts";
import { command } from "../../support/command.ts";
import { testDirectory } from "../../support/directory.ts";

const dir = testDirectory("ls");

it("lists a namespace, a type, a prefix, so many", async () => {
  const path = join(dir, "store.db");
  const address = `sqlite:${path}`;
  const runtime = createRuntime({ store: sqliteStore({ path }) });
  for (const [type, id] of [
    ["user", "ann"],
    ["user", "an 1"],
    ["user", "bob"],
    ["org", "x/y"],
  ])
    await (await runtime.open(type ?? "", id ?? "")).patchState({ n: 1 });
  await (await runtime.open("session", "s", { userId: "ann" })).patchState({ n: 1 });
  await runtime.close();
  const text = 'org/x/y\nsession/s\n"user/an 1"\nuser/ann\nuser/bob\n';
  expect(await command("ls", address)).toEqual({ isDone: true, text, warnings: [] });
  const some = await command("ls", address, "user", "--prefix", "an", "--json");
  expect(JSON.parse(some.text)).toEqual([
    { type: "user", id: "an 1" },
    { type: "user", id: "ann" },
  ]);
  expect((await command("ls", address, "user", "--limit", "1")).text).toBe('"user/an 1"\n');
  expect((await command("ls", address, "--limit", "1", "--json")).text).toBe(
    '[{"type":"org","id":"x/y"}]\n',
  );
  expect((await command("ls", address, "--namespace", "other", "--json")).text).toBe("[]\n");
  await expect(command("ls", address, "--prefix", "a")).rejects.toThrow("--prefix needs a TYPE");
});
