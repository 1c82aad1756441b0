/** What is told of calls that were repeated in vain. */
import { describe, expect, it } from "vitest";
import {
  createRepeat,
  OutOfTimeError,
  reasonOf,
} from "../../../../src/stores/shared/retry-until.ts";

const repeat = createRepeat({
  timeoutMs: 60,
  server: "the server",
  judge: (cause) => ({ kind: "later", cause }),
});

describe("a call that is repeated in vain", () => {
  it("R4: tells what went wrong before its time was over", async () => {
    const refused = new Error("connection refused");
    const failure = repeat.read(async (_deadline, attempt) => {
      throw attempt === 0 ? refused : new OutOfTimeError("no time left");
    });
    await expect(failure).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      message: expect.stringContaining("(connection refused)"),
      cause: refused,
    });
  });

  it("R4: tells that there was no time when there was nothing else", async () => {
    const failure = repeat.write(() => Promise.reject(new OutOfTimeError("no time left")));
    await expect(failure).rejects.toThrow("(no time left)");
  });

  it("tells all reasons when several addresses were tried", () => {
    const tried = new AggregateError([new Error("refused ::1"), new Error("refused 127.0.0.1")]);
    expect(reasonOf(tried)).toBe("refused ::1, refused 127.0.0.1");
    expect(reasonOf(new TypeError())).toBe("TypeError");
  });
});
