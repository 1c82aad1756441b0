/** `runs`, `resume` and `cancel`: runs of a program that has ended. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { createRuntime } from "../../../src/runtime/runtime.ts";
import { defineSequencer } from "../../../src/runtime/sequencer/define.ts";
import { sqliteStore } from "../../../src/stores/sqlite/store.ts";
import { command, holdfast } from "../../support/command.ts";
import { testDirectory } from "../../support/directory.ts";
import { programOf } from "../../support/programs.ts";

const dir = testDirectory("run-verbs");

const order = defineSequencer({ name: "order" })
  .step("ask", (context) => context.suspend({ reason: "pay?", data: { sum: 5 } }))
  .step("send", () => "sent");

/** The same in a module, with an answer that it refuses. */
const MODULE = join(dir, "order.js");
writeFileSync(
  MODULE,
  `import { defineSequencer } from ${JSON.stringify(programOf("src/index.ts"))};
   export const order = defineSequencer({ name: "order" })
     .step("ask", ({ suspend }) => suspend("pay?"))
     .step("send", ({ previous }) => {
       if (previous === "no") throw new Error("not paid");
       return { sent: previous, at: new Date(0) };
     });`,
);

/** A database with three suspended runs. */
async function database(): Promise<string> {
  const path = join(mkdtempSync(join(dir, "case-")), "store.db");
  const runtime = createRuntime({ store: sqliteStore({ path }) });
  for (const runId of ["a", "b", "c d"]) await runtime.run(order, { runId }).result;
  await runtime.close();
  return `sqlite:${path}`;
}

it("lists runs, of a status and of a sequencer", async () => {
  const address = await database();
  const all = JSON.parse((await command("runs", address, "--json")).text);
  expect(all).toMatchObject([
    { runId: "a", sequencer: "order", status: "suspended", step: "ask" },
    { runId: "b", suspension: { reason: "pay?", data: { sum: 5 } } },
    { runId: "c d" },
  ]);
  const text = 'a  order  suspended  ask\nb  order  suspended  ask\n"c d"  order  suspended  ask\n';
  expect(await command("runs", address)).toEqual({ isDone: true, text, warnings: [] });
  const none = await command("runs", address, "--status", "failed", "--json");
  expect(none).toMatchObject({ isDone: true, text: "[]\n" });
  expect((await command("runs", address, "--sequencer", "other")).text).toBe("");
  expect((await command("runs", address, "--limit", "1")).text).toBe("a  order  suspended  ask\n");
  await expect(command("runs", address, "--status", "odd")).rejects.toThrow(
    "status must be one of",
  );
});

it("resumes a run with the sequencer of a module, as a process", async () => {
  const address = await database();
  const [{ suspension }] = JSON.parse((await command("runs", address, "--json")).text);
  const words = ["resume", address, "a", '"yes"', "--module", MODULE];
  const wrong = await holdfast(...words, "--suspension", "other");
  expect(wrong.code).toBe(1);
  expect(wrong.err).toMatch(/^holdfast: run "a" waits for [^\n]+, not for other\n$/);
  const done = await holdfast(...words, "--suspension", suspension.id, "--json");
  expect(done).toMatchObject({ code: 0, err: "" });
  expect(JSON.parse(done.out)).toEqual({
    runId: "a",
    status: "completed",
    output: { sent: "yes", at: "1970-01-01T00:00:00.000Z" },
    state: {},
  });
  const failed = await command("resume", address, "b", '"no"', "--module", MODULE);
  expect(failed).toEqual({ isDone: false, text: "", warnings: ["the run failed: not paid"] });
  const runs = JSON.parse((await command("runs", address, "--json", "--status", "failed")).text);
  expect(runs).toMatchObject([{ runId: "b", step: "send", error: { message: "not paid" } }]);
  const missing = await command("resume", address, "x", "--module", MODULE);
  expect(missing).toMatchObject({ isDone: false, warnings: ['there is no run "x"'] });
  const other = join(dir, "none.js");
  writeFileSync(other, "export const kinds = {};");
  const none = command("resume", address, "c d", "--module", other);
  await expect(none).rejects.toThrow('exports no sequencer "order"');
  await expect(command("resume", address, "c d")).rejects.toThrow("resume needs --module");
});

it("cancels a run once, and no completed one", async () => {
  const address = await database();
  const first = await command("cancel", address, "a", "--json");
  expect(first.isDone).toBe(true);
  expect(JSON.parse(first.text)).toEqual({ runId: "a", cancelled: true, status: "cancelled" });
  const again = await command("cancel", address, "a");
  expect(again).toMatchObject({ isDone: true, text: "a  was cancelled before\n" });
  expect((await command("resume", address, "b", '"yes"', "--module", MODULE)).isDone).toBe(true);
  const late = await command("cancel", address, "b", "--module", MODULE);
  expect(late).toMatchObject({ isDone: false, text: "b  was completed before\n" });
  expect(await command("cancel", address, "x")).toMatchObject({ isDone: false, text: "" });
});
