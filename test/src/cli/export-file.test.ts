/** Exports: what is written is read back, and what is not whole is refused at its line. */
import * as fc from "fast-check";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Json } from "../../../actors/protocol.ts";
import { DamagedFileError, readExport, toLines } from "../../../src/cli/export-file.ts";
import type { KeyedRecord } from "../../../src/cli/transfer.ts";
import { collect } from "../../support/collect.ts";
import { testDirectory } from "../../support/directory.ts";
import { jsonStates, propertyRuns } from "../../support/state-value.ts";

const path = join(testDirectory("export"), "export.jsonl");

async function linesOf(records: readonly KeyedRecord[]): Promise<string[]> {
  async function* groups(): AsyncGenerator<readonly KeyedRecord[]> {
    yield records;
  }
  const text = (await collect(toLines(groups()))).join("");
  return text.split(/(?<=\n)/);
}

async function read(text: string | Buffer, batch = 2): Promise<KeyedRecord[]> {
  writeFileSync(path, text);
  return (await collect(readExport(path, batch))).flat();
}

const records: readonly KeyedRecord[] = [
  { key: "a", version: 1, state: { n: 1 } },
  { key: "line\u2028\r\n\ud800", version: 2 ** 53 - 1, state: "\u2029\r", leftMs: 0.5 },
  { key: "", version: 3, state: null },
  { key: "__proto__", version: 4, state: JSON.parse('{"__proto__":{"records":1}}') as Json },
];
const whole = await linesOf(records);

describe("an export", () => {
  it("is a first line, one line for each record and a last line", () => {
    expect(whole[0]).toBe('{"holdfast":1}\n');
    expect(whole[1]).toBe('{"key":"a","version":1,"state":{"n":1}}\n');
    expect(whole.at(-1)).toMatch(/^\{"records":4,"crc32":\d+\}\n$/);
    expect(whole).toHaveLength(6);
  });

  it("is read back as it was, also without the last newline", async () => {
    expect(await read(whole.join(""))).toEqual(records);
    expect(await read(whole.join("").trimEnd(), 1)).toEqual(records);
  });

  it("of any states is read back as it was", async () => {
    const some = fc.array(fc.record({ key: fc.string(), state: jsonStates }), { maxLength: 5 });
    const property = fc.asyncProperty(some, async (list) => {
      // The generator makes JSON values only; JSON makes of them what a store would.
      const given = list.map(({ key, state }, n) => {
        const plain = JSON.parse(JSON.stringify(state)) as Json;
        return { key, version: n + 1, state: plain };
      });
      expect(await read((await linesOf(given)).join(""))).toEqual(given);
    });
    await fc.assert(property, { numRuns: Math.min(propertyRuns, 100) });
  });

  it("of nothing has its first and its last line", async () => {
    const empty = await linesOf([]);
    expect(empty).toHaveLength(2);
    expect(await read(empty.join(""))).toEqual([]);
  });

  it("of a long line is read in pieces", async () => {
    const long = [{ key: "k", version: 1, state: "é".repeat(300_000) }];
    expect(await read((await linesOf(long)).join(""))).toEqual(long);
  });

  it("may be edited when it says no checksum", async () => {
    const edited = [...whole.slice(0, 2), '{"records":1}\n'].join("");
    expect(await read(edited)).toEqual(records.slice(0, 1));
  });
});

const [first = "", a = "", b = "", ...rest] = whole;

describe("a file", () => {
  it.each<[string, string | Buffer, number, string]>([
    ["that is empty", "", 1, "ends before its last line"],
    ["of another program", '{"name":"x"}\n', 1, "not the first line of an export"],
    ["of a later format", '{"holdfast":2}\n', 1, "format 2, this library reads 1"],
    ["of no JSON", "\u007fELF\n", 1, "not JSON"],
    ["cut between two lines", first + a, 3, "ends before its last line"],
    ["cut inside a line", first + a.slice(0, 10), 2, "not JSON"],
    ["with a list on a line", `${first}[]\n`, 2, "not an object"],
    ["with an empty line", `${first}\n`, 2, "not JSON"],
    ["with bytes that are no text", Buffer.from(`${first}"\xff"\n`, "latin1"), 2, "not JSON"],
    ["that lacks a record", [first, a, ...rest].join(""), 5, "should count 3 records and counts 4"],
    ["with a changed byte", whole.join("").replace('"n":1', '"n":7'), 6, "checksum"],
    ["that goes on", whole.join("") + a, 7, "follows the last line"],
    ["with no key", first + a.replace('"key"', '"kex"'), 2, "no key"],
    ["with version 0", first + a.replace(":1,", ":0,"), 2, "no version"],
    ["with a broken version", first + a.replace(":1,", ":1.5,"), 2, "no version"],
    ["with no state", first + a.replace('"state"', '"stat"'), 2, "no state"],
    ["with no time left", first + b.replace("0.5}", "0}"), 2, "leftMs"],
  ])("%s is refused at its line", async (_what, text, line, reason) => {
    const failure = expect(read(text)).rejects;
    await failure.toBeInstanceOf(DamagedFileError);
    const where = `${path}, line ${line} is damaged: `;
    await failure.toMatchObject({ message: expect.stringContaining(where) });
    await failure.toMatchObject({ message: expect.stringContaining(reason) });
  });
});
