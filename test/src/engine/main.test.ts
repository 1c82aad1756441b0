/** The engine as people start it: a process of its own, with files, pipes and exit codes. */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { sqliteStore } from "../../../src/sqlite.ts";
import { testDirectory } from "../../support/directory.ts";
import { programOf } from "../../support/programs.ts";

const PROGRAM = programOf("src/engine/main.ts");
const TIMEOUT_MS = 120_000;
const SAMPLE_SIZE = 634;

const directory = testDirectory("engine");

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the engine; `stdin` is written to it, `"silent"` leaves it a pipe nobody writes to. */
function engine(args: readonly string[], stdin?: string): Promise<Ended> {
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    stdio: [stdin === undefined ? "ignore" : "pipe", "pipe", "pipe"],
  });
  const texts = { out: "", err: "" };
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => (texts.out += chunk));
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => (texts.err += chunk));
  if (stdin !== undefined && stdin !== "silent") child.stdin?.end(stdin);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal, ...texts }));
  });
}

function dataDir(): string {
  return mkdtempSync(join(directory, "data-"));
}

function inputFile(lines: readonly (string | object)[]): string {
  const path = join(mkdtempSync(join(directory, "input-")), "input.jsonl");
  const text = lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line)));
  writeFileSync(path, `${text.join("\n")}\n`);
  return path;
}

/** Twenty sessions of five users in two organisations, three messages each, interleaved. */
function smallInput(): string {
  const lines = Array.from({ length: 60 }, (_, index) => {
    const session = index % 20;
    const text = ["Hello", "A table in Oslo", "On Friday at 7 pm for 2"][Math.floor(index / 20)];
    return { user: `u${session % 5}`, session: `s${session}`, org: `o${session % 2}`, text };
  });
  return inputFile(lines);
}

/** The number after a label of the tables. */
function count({ out }: Ended, label: string): number {
  const found = new RegExp(`^ +${label} +(\\d+)`, "m").exec(out)?.[1];
  if (found === undefined) throw new Error(`no "${label}" in:\n${out}`);
  return Number(found);
}

function expectGreen(ended: Ended): void {
  expect(ended.err).toBe("");
  expect(ended.out).toContain("all counts agree");
  expect(ended.out).not.toContain("DIFFERS");
  expect(ended.code).toBe(0);
}

describe("the sample", { timeout: TIMEOUT_MS }, () => {
  it("is what a silent pipe gets, and is found answered the next time", async () => {
    const dir = dataDir();
    const first = await engine(["--data-dir", dir], "silent");
    expect(first.err).toContain("nothing on standard input");
    expectGreen({ ...first, err: "" });
    expect(count(first, "answered now")).toBe(SAMPLE_SIZE);
    expect(count(first, "request answers")).toBe(SAMPLE_SIZE);
    const again = await engine(["--data-dir", dir]);
    expectGreen(again);
    expect(count(again, "answered now")).toBe(0);
    expect(count(again, "answered before")).toBe(SAMPLE_SIZE);
  });

  it("is taken up where SIGKILL cut it off", async () => {
    const dir = dataDir();
    const killed = await engine(["--data-dir", dir, "--crash-after", "300"]);
    expect(killed.signal).toBe("SIGKILL");
    const again = await engine(["--data-dir", dir]);
    expectGreen(again);
    expect(count(again, "answered before")).toBeGreaterThan(200);
    expect(count(again, "of these taken up")).toBeGreaterThan(0);
    expect(count(again, "answered now") + count(again, "answered before")).toBe(SAMPLE_SIZE);
  });
});

/** Where to crash, one after the other, and with how many in flight. */
const crashes =
  process.env["TEST_SCALE"] === "nightly"
    ? Array.from({ length: 60 }, (_, n) => ({ points: [n + 1, 1 + (n % 7)], inFlight: 1 + n }))
    : [
        { points: [17, 9], inFlight: 5 },
        { points: [60], inFlight: 64 },
      ];

describe("a crash", { timeout: TIMEOUT_MS }, () => {
  it.each(crashes)("at $points with $inFlight in flight counts nothing twice", async (one) => {
    const args = ["--input", smallInput(), "--data-dir", dataDir()];
    const flight = ["--in-flight", String(one.inFlight)];
    const [first, ...later] = one.points.map(String);
    const killed = await engine([...args, ...flight, "--crash-after", first ?? "1"]);
    expect(killed.signal).toBe("SIGKILL");
    // There may be too little left for a further crash.
    for (const point of later) await engine([...args, ...flight, "--crash-after", point]);
    const last = await engine([...args, ...flight]);
    expectGreen(last);
    expect(count(last, "user messages")).toBe(60);
    expect(count(last, "answered now") + count(last, "answered before")).toBe(60);
  });
});

describe("the input", { timeout: TIMEOUT_MS }, () => {
  it("may come from a pipe and have bad lines, which are reported and counted", async () => {
    const input = inputFile([
      { user: "a", session: "s", text: "Hi" },
      "{ not json",
      "",
      { user: "a", session: 7, text: "Hi" },
      { user: "b", session: "s", text: "Hi" },
      { user: "__proto__", session: "__proto__", org: "constructor", text: "in Rome at 5" },
      '{"user":"a","session":"s","text":"?","slots":{"__proto__":"x","toString":1}}',
    ]);
    const ended = await engine(["--data-dir", dataDir()], readFileSync(input, "utf8"));
    expect(ended.out).toContain("3 messages from standard input");
    expect(ended.err.trim().split("\n")).toEqual([
      "line 2: not JSON",
      "line 4: session must be a string",
      "line 5: its session belongs to another user since line 1",
    ]);
    expect(count(ended, "lines in the input")).toBe(6);
    expect(count(ended, "bad lines")).toBe(3);
    expect(count(ended, "request answers")).toBe(3);
    expect(count(ended, "session slot values")).toBe(4);
    expect(ended.code).toBe(0);
  });

  it("may be dialogues", async () => {
    const turn = (speaker: string, text: string, slots?: object): object => ({
      speaker,
      text,
      ...(slots === undefined ? {} : { state: { Boats_1: { intent: "Find", slots } } }),
    });
    const turns = [
      turn("USER", "A boat to Cork", { to: "Cork" }),
      turn("SYSTEM", "When?"),
      turn("USER", "Friday", { to: "Cork", day: "Friday" }),
    ];
    const input = inputFile([{ id: "1_00000", services: ["Boats_1"], turns }, { id: "1_00001" }]);
    const args = ["--input", input, "--format", "dialogues", "--data-dir", dataDir()];
    const ended = await engine(args);
    expect(ended.err.trim()).toBe("line 2: services must be an array");
    expect(count(ended, "session messages")).toBe(2);
    expect(count(ended, "session slots")).toBe(2);
    expect(ended.code).toBe(0);
  });
});

describe("the check", { timeout: TIMEOUT_MS }, () => {
  it("names the scope that was changed behind the engine's back, until --fresh", async () => {
    const dir = dataDir();
    const args = ["--input", smallInput(), "--data-dir", dir];
    expectGreen(await engine(args));
    await countOneMore(join(dir, "engine.db"), "/user/u3");
    const again = await engine(args);
    expect(again.code).toBe(1);
    expect(again.out).toMatch(/user messages +60 +61 +DIFFERS\n +u3: expected 12, stored 13\n/);
    expect(again.out).toMatch(/user changes +80 +81 +DIFFERS/);
    expect(again.out).toMatch(/session messages +60 +60 +ok/);
    const fresh = await engine([...args, "--fresh"]);
    expectGreen(fresh);
    expect(count(fresh, "answered now")).toBe(60);
  });
});

async function countOneMore(path: string, ending: string): Promise<void> {
  const store = sqliteStore({ path });
  try {
    for await (const key of store.list()) {
      if (!key.endsWith(ending)) continue;
      const [record] = await store.load([key]);
      const state = record?.state;
      if (record === undefined || typeof state !== "object" || state === null) continue;
      const messages = "messages" in state ? Number(state["messages"]) + 1 : 1;
      const { version } = record;
      const write = { key, expectedVersion: version, version: version + 1 };
      const next = Object.fromEntries([...Object.entries(state), ["messages", messages]]);
      await store.commit([{ ...write, state: next }]);
    }
  } finally {
    await store.close();
  }
}

describe("the command line", { timeout: TIMEOUT_MS }, () => {
  it.each([
    { args: ["--nonsense"], reason: "Unknown option '--nonsense'" },
    { args: ["--input", join(directory, "absent")], reason: "cannot read the input: ENOENT" },
  ])("refuses $args.0", async ({ args, reason }) => {
    const ended = await engine(args);
    expect(ended.err).toContain(reason);
    expect(ended.out).toBe("");
    expect(ended.code).toBe(2);
  });
});
