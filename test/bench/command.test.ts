/** The command line of the benches: what it lets through, and what it refuses and why. */
import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { helpText, Misuse, parseCommand, type Command } from "../../bench/command.ts";

/** The command of arguments that do not ask for help. */
function commandOf(...args: readonly string[]): Command {
  const command = parseCommand(args);
  if (command === "help") throw new Error("help was asked for");
  return command;
}

/** All benches but the one that is a part of them. */
const all = commandOf("all").benches;

describe("the command line of the benches", () => {
  it("compares, prints no targets and keeps nothing unless asked", () => {
    expect(commandOf()).toEqual({
      benches: ["compare"],
      rounds: undefined,
      store: undefined,
      chart: undefined,
      keep: false,
      targets: false,
    });
  });

  it("reads every option", () => {
    const args = ["contention", "--store", "redis", "--keep", "--targets", "--chart", "a.svg"];
    expect(commandOf(...args)).toMatchObject({
      benches: ["contention"],
      store: "redis",
      keep: true,
      targets: true,
      chart: "a.svg",
    });
    expect(commandOf("micro", "--rounds", "2").rounds).toBe(2);
  });

  it("runs a bench once, and with all those that can use the store", () => {
    expect(commandOf("micro", "micro", "answers").benches).toEqual(["micro", "answers"]);
    expect(all).not.toContain("compare");
    expect(commandOf("all", "--store", "postgres").benches).toEqual([
      "contention",
      "answers",
      "durable",
      "time",
      "sequencer",
      "langgraph",
    ]);
  });

  it("measures nothing to draw what is kept", () => {
    expect(commandOf("--chart", "a.svg")).toMatchObject({ benches: [], chart: "a.svg" });
  });

  it.each([
    [["--fast"], "Unknown option '--fast'; see --help"],
    [["--rounds"], "--rounds"],
    [["--rounds", "0"], "a whole number from 1 to 999999, received 0"],
    [["--rounds", "1.5"], "received 1.5"],
    [["--rounds", "many"], "received many"],
    [["--keep=no"], "--keep"],
    [["memory"], "no bench is called memory; there are: compare, micro,"],
    [["all", "memory"], "no bench is called memory"],
    [["toString"], "no bench is called toString"],
    [["--store", "redis"], "compare takes no --store; received redis"],
    [["micro", "--store", "sqlite"], "micro takes no --store"],
    [
      ["durable", "--store", "file"],
      "durable takes --store sqlite, redis, postgres; received file",
    ],
    [["all", "--store", "oracle"], "no bench uses --store oracle"],
    [["--chart", "a.svg", "--store", "redis"], "no bench uses --store redis"],
    [["micro", "--keep", "--rounds", "3"], "leave --rounds out"],
    [["contention", "--chart", "a.svg"], "add --keep, or name no bench"],
    [["--chart", "a.svg", "--keep"], "--keep needs a bench"],
  ])("of %j is refused", (args, reason) => {
    expect(() => parseCommand(args)).toThrow(Misuse);
    expect(() => parseCommand(args)).toThrow(reason);
  });

  it("explains every bench and every option", () => {
    expect(parseCommand(["micro", "--help"])).toBe("help");
    expect(parseCommand(["-h"])).toBe("help");
    const help = helpText();
    for (const name of ["compare", ...all, "all"]) expect(help).toContain(`\n  ${name} `);
    for (const name of ["store", "rounds", "targets", "keep", "chart", "help"])
      expect(help).toContain(`--${name}`);
    for (const line of help.split("\n")) expect(line.length).toBeLessThanOrEqual(100);
  });

  it("knows benches that are there", () => {
    for (const name of ["compare", ...all]) {
      const file = new URL(`../../bench/${name}.ts`, import.meta.url);
      expect(existsSync(file), name).toBe(true);
    }
  });
});
