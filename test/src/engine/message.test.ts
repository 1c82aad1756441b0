import { describe, expect, it } from "vitest";
import { readMessages } from "../../../src/engine/message.ts";

function read(...lines: readonly unknown[]): ReturnType<typeof readMessages> {
  const texts = lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line)));
  return readMessages(texts.join("\r\n"), "messages");
}

const good = { user: "u", session: "s", text: "Hi" };

describe("readMessages", () => {
  it("numbers messages and keeps line numbers", () => {
    const { messages, lines } = read(good, "", { ...good, session: "t", org: "o" });
    expect(lines).toBe(2);
    expect(messages).toEqual([
      { ...good, number: 1, line: 1 },
      { ...good, session: "t", org: "o", number: 2, line: 3 },
    ]);
  });

  it("takes null for absent and ignores further fields", () => {
    const { messages } = read({ ...good, org: null, slots: null, at: 12 });
    expect(messages).toEqual([{ ...good, number: 1, line: 1 }]);
  });

  it.each([
    ["nope", "not JSON"],
    ["[]", "the line must be an object"],
    ["null", "the line must be an object"],
    [{ ...good, user: undefined }, "user must be a string"],
    [{ ...good, user: " " }, "user must not be blank"],
    [{ ...good, session: "x".repeat(257) }, "session must have at most 256 characters"],
    [{ ...good, text: 3 }, "text must be a string"],
    [{ ...good, org: 3 }, "org must be a string"],
    [{ ...good, slots: [] }, "slots must be an object"],
    [
      { ...good, slots: { a: {} } },
      'slots must contain strings, numbers or booleans, "a" does not',
    ],
  ])("sets %j aside", (line, reason) => {
    const { messages, badLines } = read(line, good);
    expect(badLines).toEqual([{ line: 1, reason }]);
    expect(messages).toHaveLength(1);
  });

  it("holds a session to the user and org of its first message", () => {
    const { badLines } = read(good, { ...good, user: "v" }, { ...good, org: "o" }, good);
    expect(badLines).toEqual([
      { line: 2, reason: "its session belongs to another user since line 1" },
      { line: 3, reason: "its session belongs to another org, or to none, since line 1" },
    ]);
  });

  it("takes names of Object's own members as ordinary ones", () => {
    const line = '{"user":"__proto__","session":"toString","text":"","slots":{"__proto__":"x"}}';
    const { messages } = read(line);
    expect(Object.entries(messages[0]?.slots ?? {})).toEqual([["__proto__", "x"]]);
    expect(read('{"__proto__":{"user":"u","session":"s","text":""}}').badLines).toHaveLength(1);
  });
});
