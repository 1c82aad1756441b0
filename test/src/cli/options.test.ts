/** What the command line may say, and what it is told otherwise. */
import { describe, expect, it } from "vitest";
import { openStore } from "../../../src/cli/open-store.ts";
import { readTask, UsageError } from "../../../src/cli/options.ts";

describe("a command line", () => {
  it("gives a task", () => {
    expect(readTask(["copy", "a", "b"])).toMatchObject({
      verb: "copy",
      operands: ["a", "b"],
      prefix: "",
      batch: 100,
      limit: Infinity,
      checkOnly: false,
      dryRun: false,
      check: false,
      module: undefined,
      write: false,
      json: false,
      namespace: "holdfast",
    });
    const words = ["--prefix", "app/", "copy", "a", "--check-only", "b", "--batch=7"];
    expect(readTask(words)).toMatchObject({ prefix: "app/", checkOnly: true, batch: 7 });
  });

  it("may ask for help, whatever else it says", () => {
    expect(readTask(["-h"])).toEqual({ help: null });
    expect(readTask(["frobnicate", "--help"])).toEqual({ help: null });
    expect(readTask(["copy", "--help", "--frobnicate"])).toEqual({ help: "copy" });
    expect(readTask(["--version"])).toEqual({ version: true });
  });

  it("ends its options at --, so that operands may begin with a dash", () => {
    const words = ["get", "--namespace", "shop", "--", "a", "--json", "-id"];
    expect(readTask(words)).toMatchObject({
      operands: ["a", "--json", "-id"],
      namespace: "shop",
      json: false,
    });
    expect(readTask(["copy", "a", "b", "--prefix=-x"])).toMatchObject({ prefix: "-x" });
  });

  it.each([
    [[], "no verb"],
    [["frobnicate"], 'unknown verb "frobnicate"; there are ls, get, '],
    [["toString", "a", "b"], "unknown verb"],
    [["copy", "a"], "too few operands for holdfast copy FROM TO"],
    [["export"], "too few operands for holdfast export STORE [FILE]"],
    [["export", "a", "b", "c"], "too many operands for holdfast export STORE [FILE]"],
    [
      ["copy", "a", "b", "--force"],
      "--force is no option of copy; it has --prefix, --check-only, --batch, --json, --help " +
        "(see holdfast copy --help)",
    ],
    [["copy", "a", "b", "-f"], "--f is no option of copy"],
    [["copy", "a", "b", "--toString"], "--toString is no option of copy"],
    [["copy", "a", "b", "--prefix"], "--prefix needs a value: --prefix TEXT"],
    [["copy", "a", "b", "--prefix", "--json"], "--prefix needs a value; one that begins with"],
    [["copy", "a", "b", "--json=yes"], "--json has no value"],
    [["ls", "a", "--limit", "0"], "--limit must be a whole number from 1 or more"],
    [["history", "a", "note", "x", "--after", "-1"], "--after needs a value; one that begins"],
    [["import", "sqlite:a", "b.jsonl"], "holdfast import FILE STORE: a store stands where"],
    [["export", "b.jsonl", "redis://h"], "holdfast export STORE [FILE]: a store stands where"],
    [["check", "a", "b", "--check-only"], "--check-only is no option of check"],
    [["import", "a", "b", "--prefix", "x"], "--prefix is no option of import"],
    [["copy", "a", "b", "--batch", "0"], "--batch must be a whole number"],
    [["copy", "a", "b", "--batch", "10001"], "--batch must be a whole number"],
    [["copy", "a", "b", "--batch", "1e3"], "--batch must be a whole number"],
  ])("%j is refused", (args, reason) => {
    expect(() => readTask(args)).toThrow(UsageError);
    expect(() => readTask(args)).toThrow(reason);
  });
});

describe("the address of a store", () => {
  const secret = "the-password";

  it.each([
    ["sqlite:absent.db", "there is no store at absent.db"],
    ["file:absent", "there is no store at absent"],
    ["sqlite:", "a store is written as sqlite:PATH"],
    ["store.db", "a store is written as sqlite:PATH"],
    [`me:${secret}@host`, 'unknown kind of store "me"'],
    [`mysql://me:${secret}@host/db`, 'unknown kind of store "mysql"'],
    [`redis://:${secret}#s@host`, "a # in a password is written %23"],
    [`redis://:${secret}@host#`, "a name follows the #"],
    [`redis://:${secret}@host/abc`, "db is a whole number"],
    [`redis://:${secret}@host#{a}`, "`keyPrefix` must be a text without braces"],
    [`postgres://me:${secret}@host/db#Bad-Name`, "table must be a name"],
    [`postgres://me:${secret}@host:port/db`, "url must be postgres://"],
  ])("%s is refused, and its password is not repeated", async (address, reason) => {
    const refusal = await openStore(address, "must exist").catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(UsageError);
    expect(String(refusal)).toContain(reason);
    expect(String(refusal)).not.toContain(secret);
  });
});
