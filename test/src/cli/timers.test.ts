/** `holdfast timers`. */
import { join } from "node:path";
import { expect, it } from "vitest";
import { defineKind } from "../../../src/runtime/kinds.ts";
import { createRuntime } from "../../../src/runtime/runtime.ts";
import { ledgerKey } from "../../../src/runtime/timers/timer-keys.ts";
import { sqliteStore } from "../../../src/stores/sqlite/store.ts";
import { command, holdfast } from "../../support/command.ts";
import { testDirectory } from "../../support/directory.ts";

const dir = testDirectory("cli-timers");

const YEAR = new Date("2099-01-01");
const NEXT = new Date("2099-01-02");

/** A database with timers, of two types, with an id that looks like a path. */
async function database(name: string): Promise<{ path: string; address: string }> {
  const path = join(dir, `${name}.db`);
  const timed = defineKind({ timers: { remind: () => undefined } });
  const kinds = { order: timed, mail: timed };
  const runtime = createRuntime({ store: sqliteStore({ path }), kinds });
  const order = await runtime.open("order", "o 1");
  await order.schedule("remind", { at: NEXT }, { when: new Date(0) }, { key: "b" });
  await order.schedule("remind", { at: NEXT }, 0, { key: "a" });
  await order.schedule("remind", { at: YEAR }, 1, { key: "a" }); // Its hint of before may stay.
  await order.unschedule("none");
  // In a note of the record, not yet in the ledger.
  await (
    await runtime.open("order", "x/y")
  ).update((draft, { schedule }) => {
    draft["n"] = 1;
    schedule("remind", { at: YEAR }, undefined, { key: "noted" });
  });
  const when = { cron: "0 9 1 1 *", timeZone: "UTC" };
  await (await runtime.open("mail", "m")).schedule("remind", when, 0, { key: "yearly" });
  const gone = await runtime.open("order", "gone");
  await gone.patchState({ n: 1 });
  await gone.schedule("remind", { at: YEAR });
  await gone.delete();
  await (await runtime.open("order", "plain")).patchState({ n: 1 });
  await runtime.close();
  return { path, address: `sqlite:${path}` };
}

const a = '2099-01-01T00:00:00.000Z  "order/o 1"  remind  a\n';
const b = '2099-01-02T00:00:00.000Z  "order/o 1"  remind  b\n';
const noted = "2099-01-01T00:00:00.000Z  order/x/y  remind  noted\n";

it("lists timers by type and time, of a type, of a scope, so many", async () => {
  const { address } = await database("list");
  const { isDone, text, warnings } = await command("timers", address);
  expect({ isDone, warnings }).toEqual({ isDone: true, warnings: [] });
  const lines = text.split("\n").slice(0, -1);
  expect(lines[0]).toMatch(/^20\d\d-01-01T09:00:00\.000Z {2}mail\/m {2}remind {2}yearly {2}"0 9 1/);
  expect(new Set(lines.slice(1, 3))).toEqual(new Set([a.trim(), noted.trim()])); // At one time.
  expect(lines.slice(3)).toEqual([b.trim()]);
  expect((await command("timers", address, "order", "o 1")).text).toBe(a + b);
  expect((await command("timers", address, "order", "x/y")).text).toBe(noted);
  expect((await command("timers", address, "order", "o 1", "--limit", "1")).text).toBe(a);
  expect((await command("timers", address, "order")).text.split("\n")).toHaveLength(4);
  const other = await command("timers", address, "--namespace", "other", "--json");
  expect(other).toEqual({ isDone: true, text: "[]\n", warnings: [] });
});

it("prints an array of plain JSON, as a process", async () => {
  const { address } = await database("json");
  const { code, out, err } = await holdfast("timers", address, "order", "o 1", "--json");
  expect({ code, err }).toEqual({ code: 0, err: "" });
  const shared = { type: "order", id: "o 1", name: "remind", failures: 0 };
  const [first, second] = [YEAR, NEXT].map((date) => date.toISOString());
  expect(JSON.parse(out)).toEqual([
    { ...shared, key: "a", at: first, due: first, payload: 1 },
    { ...shared, key: "b", at: second, due: second, payload: { when: new Date(0).toISOString() } },
  ]);
  const [mail] = JSON.parse((await command("timers", address, "mail", "--json")).text);
  expect(mail).toMatchObject({ id: "m", cron: "0 9 1 1 *", timeZone: "UTC" });
});

it("tells a scope without timers from one that is not there", async () => {
  const { address } = await database("none");
  const plain = await command("timers", address, "order", "plain");
  expect(plain).toEqual({ isDone: true, text: "", warnings: [] });
  const none = { isDone: false, text: "[]\n" };
  expect(await command("timers", address, "order", "nobody", "--json")).toEqual({
    ...none,
    warnings: ["there is no scope order/nobody, and no timer of it"],
  });
  expect(await command("timers", address, "order", "gone", "--json")).toMatchObject(none);
});

it("names a scope whose timers are damaged, and lists the others", async () => {
  const { path, address } = await database("damaged");
  const key = ledgerKey("holdfast", "order", "o 1");
  const store = sqliteStore({ path });
  const [record] = await store.load([key]);
  const version = record?.version ?? 0;
  await store.commit([{ key, expectedVersion: version, version: version + 1, state: { rows: 5 } }]);
  await store.close();
  const { isDone, text, warnings } = await command("timers", address, "order");
  expect(isDone).toBe(false);
  expect(text).toBe(noted);
  expect(warnings).toEqual([expect.stringMatching(/^the timers of "order\/o 1" cannot be read: /)]);
});
