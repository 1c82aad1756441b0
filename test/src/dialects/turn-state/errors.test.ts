/** The errors of `holdfast/turn-state`, and the table of them on its page. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { createRuntime, memoryStore } from "../../../../src/index.ts";
import { faultyStore } from "../../../../src/testing.ts";
import {
  deriveConversationKey,
  FileStorage,
  MemoryStorage,
  runTurn,
  type Storage,
  TurnState,
} from "../../../../src/turn-state.ts";
import { testDirectory } from "../../../support/directory.ts";
import { readFiles } from "../../../support/repository.ts";

/** Codes of runs, held scopes and sessions of an execution: no call of this dialect has them. */
const OTHERS = new Set([
  "BINDING_MISMATCH",
  "EXCLUSIVE_LOST",
  "HISTORY_GONE",
  "RUN_ABANDONED",
  "RUN_CANCELLED",
  "RUN_LEASED",
  "RUN_NOT_FOUND",
  "SCOPE_EXISTS",
  "SEQUENCER_CHANGED",
  "STEP_TIMEOUT",
  "SUSPENSION_MISMATCH",
  "SUSPENSION_TIMEOUT",
]);

const errors = readFiles(["actors"], ["errors.ts", "holdfast-error.ts"]);
const table = codesOf(/^## Errors$[\s\S]*?(?=^## )/m.exec(textOf("docs/turn-state.md"))?.[0] ?? "");

function textOf(path: string): string {
  return readFiles([path], [""])
    .map(({ text }) => text)
    .join("\n");
}

/** The codes in the first column of the tables of a text. */
function codesOf(page: string): string[] {
  const cells = [...page.matchAll(/^\| (?<cell>`[A-Z_`, ]+`) \|/gm)];
  return cells.flatMap(({ groups }) => groups?.["cell"]?.match(/[A-Z_]+/g) ?? []);
}

/** Every code of the library. */
function allCodes(): string[] {
  const list = /const (?:ERROR_)?CODES = \[(?<codes>[^\]]*)\]/.exec(
    textOf("actors/holdfast-error.ts"),
  );
  return list?.groups?.["codes"]?.match(/[A-Z_]+/g) ?? [];
}

/** The code of an error class, as its constructor gives it. */
function codeOfClass(name: string): string {
  const made = new RegExp(String.raw`class ${name} [\s\S]*?super\(\s*"(?<code>\w+)"`);
  const found = errors.map(({ text }) => made.exec(text)?.groups?.["code"]).find(Boolean);
  return found ?? name;
}

it("are all in the table of the page, and no other code is", () => {
  expect(table.toSorted()).toEqual(
    allCodes()
      .filter((code) => !OTHERS.has(code))
      .toSorted(),
  );
});

it("of the sources are in the table", () => {
  const sources = readFiles(["src/dialects/turn-state", "src/stores/dialect-redis.ts"], [".ts"]);
  const classes = sources.flatMap(({ text }) =>
    [...text.matchAll(/\bnew (?<name>\w+Error)\(/g)].map(({ groups }) => groups?.["name"] ?? ""),
  );
  const coded = [...new Set(classes)].filter((name) => !/^(?:Type|Range|)Error$/.test(name));
  expect(coded).toContain("CorruptStateError");
  expect(coded.map(codeOfClass).filter((code) => !table.includes(code))).toEqual([]);
});

const activity = { channelId: "sms", recipient: { id: "b" }, conversation: { id: "c" } };

/** Runs a turn and a load of `storage`; gives what each rejects with. Neither stores anything. */
async function failuresOf(storage: Parameters<typeof runTurn>[0]): Promise<unknown[]> {
  let ran = false;
  const turn = runTurn(storage, activity, (state) => {
    ran = true;
    state.conversation.set("a", 1);
  });
  const load = TurnState.load(storage, activity);
  const failures = await Promise.all(
    [turn, load].map((call) =>
      call.then(
        () => "nothing failed",
        (error: unknown) => error,
      ),
    ),
  );
  expect(ran).toBe(false);
  return failures;
}

it("of a failed load are in the table, and the handler does not run", async () => {
  const dir = testDirectory("turn-errors");
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, `${encodeURIComponent(deriveConversationKey(activity))}.json`), "{");
  writeFileSync(join(dir, "file"), "");
  const away = createRuntime({
    store: faultyStore(memoryStore(), {
      choose: ({ operation }) => (operation === "load" ? "fail" : undefined),
    }),
  });
  const closed = createRuntime();
  await closed.close();
  const cases: [string, Parameters<typeof runTurn>[0]][] = [
    ["CORRUPT_STATE", new FileStorage(dir)],
    ["STORE_UNAVAILABLE", new FileStorage(join(dir, "file", "below"))],
    ["STORE_UNAVAILABLE", { runtime: away }],
    ["RUNTIME_CLOSED", { runtime: closed }],
    ["STATE_NOT_SERIALIZABLE", holding({ n: 1n })],
  ];
  for (const [code, storage] of cases) {
    expect(await failuresOf(storage)).toMatchObject([{ code }, { code }]);
    expect(table).toContain(code);
  }
  await away.close();
});

it("of a storage of one's own come through as they are", async () => {
  const mine = new Error("the disk is gone");
  const failing = { ...holding({}), read: () => Promise.reject(mine) };
  expect(await failuresOf(failing)).toEqual([mine, mine]);
});

/** A storage of one's own in which every document is this one. */
function holding(document: unknown): Storage {
  const memory = new MemoryStorage();
  return {
    read: (keys) => Promise.resolve(Object.fromEntries(keys.map((key) => [key, document]))),
    write: (changes) => memory.write(changes),
    delete: (keys) => memory.delete(keys),
  };
}
