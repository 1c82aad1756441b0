import { describe, expect, it } from "vitest";
import { HELP, readOptions, UsageError } from "../../../src/engine/options.ts";

describe("readOptions", () => {
  it("has the documented defaults", () => {
    expect(readOptions([])).toEqual({
      input: undefined,
      format: "messages",
      inFlight: 64,
      dataDir: "./.holdfast",
      fresh: false,
      crashAfter: undefined,
      serve: false,
      port: undefined,
      help: false,
    });
  });

  it("takes every option that the help lists", () => {
    const options = readOptions(
      ["--input", "-", "--format", "dialogues", "--in-flight=3", "--data-dir", "d"].concat([
        "--fresh",
        "--crash-after",
        "7",
        "--help",
      ]),
    );
    expect(options).toEqual({
      input: "-",
      format: "dialogues",
      inFlight: 3,
      dataDir: "d",
      fresh: true,
      crashAfter: 7,
      serve: false,
      port: undefined,
      help: true,
    });
    for (const name of [
      "input",
      "format",
      "in-flight",
      "data-dir",
      "fresh",
      "crash-after",
      "serve",
      "port",
      "help",
    ])
      expect(HELP).toContain(`--${name}`);
  });

  it.each([
    { args: ["--nonsense"], reason: "Unknown option '--nonsense'" },
    { args: ["extra"], reason: "Unexpected argument 'extra'" },
    { args: ["--input"], reason: "argument missing" },
    { args: ["--input", ""], reason: "--input must not be empty" },
    { args: ["--in-flight", "0"], reason: "--in-flight must be a whole number from 1" },
    { args: ["--in-flight", "10001"], reason: "--in-flight must be a whole number from 1" },
    { args: ["--crash-after", "1.5"], reason: "--crash-after must be a whole number" },
    { args: ["--port", "7000"], reason: "--port is the port of --serve" },
    { args: ["--serve", "--port", "65536"], reason: "--port must be a whole number from 1" },
    { args: ["--serve", "--fresh"], reason: "--fresh means nothing with it" },
    { args: ["--format", "csv"], reason: "--format must be messages or dialogues" },
  ])("refuses $args", ({ args, reason }) => {
    expect(() => readOptions(args)).toThrow(UsageError);
    expect(() => readOptions(args)).toThrow(reason);
  });
});
