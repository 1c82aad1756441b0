/** What is sent to a server's search module, and what its replies mean. */
import { describe, expect, it } from "vitest";
import { moduleVersion, openIndexes } from "../../../../src/dialects/vcr/redis-module.ts";
import { LocalIndexes } from "../../../../src/dialects/vcr/redis-local-index.ts";
import {
  createArgs,
  ModuleIndexes,
  readSearchReply,
} from "../../../../src/dialects/vcr/redis-module-index.ts";
import { searchArgs } from "../../../../src/dialects/vcr/redis-module-query.ts";
import { indexDefinition, searchOptions } from "../../../../src/dialects/vcr/index-option.ts";
import { RedisConnection } from "../../../../src/dialects/vcr/redis-connection.ts";
import type { RedisArgument, RedisClient } from "../../../../src/dialects/redis-client.ts";

/** A server that gives recorded answers by command and keeps what it was sent. */
function recorded(answers: Readonly<Record<string, unknown>>) {
  const sent: RedisArgument[][] = [];
  const client: RedisClient = {
    call: (command, ...args) => {
      sent.push([command, ...args]);
      const answer = answers[command];
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    },
    multi: () => {
      throw new Error("not recorded");
    },
    options: { keyPrefix: "p:" },
    on: () => undefined,
    disconnect: () => undefined,
  };
  return { sent, connection: new RedisConnection(client) };
}

const search2 = [["name", "search", "ver", 20638, "path", "/x"]];

describe("the choice of indexes", () => {
  it.each([
    ["no module", [], 0],
    ["the module in use", search2, 20638],
    ["the module of before", [["name", "ft", "ver", 10200]], 0],
    [
      "an old version",
      [
        ["name", "json", "ver", 99999],
        ["name", "search", "ver", 10615],
      ],
      10615,
    ],
  ])("reads %s", (_name, modules, version) => {
    expect(moduleVersion(modules.map((module) => module.map(String)))).toBe(version);
  });

  it("takes the module from version 2 on, and the index in this process otherwise", async () => {
    const refused = Object.assign(new Error("NOPERM"), { name: "ReplyError" });
    const cases = [search2, [["name", "ft", "ver", 10200]], refused] as const;
    const opened = await Promise.all(
      cases.map((modules) => openIndexes(recorded({ MODULE: modules }).connection)),
    );
    expect(opened.map(({ constructor }) => constructor)).toEqual([
      ModuleIndexes,
      LocalIndexes,
      LocalIndexes,
    ]);
  });
});

describe("the search module", async () => {
  const definition = await indexDefinition({
    prefix: { prefixes: ["user:", "u2:"] },
    schema: [
      {
        fieldName: "name",
        type: "TEXT",
        alias: "n",
        weight: 2,
        noStem: true,
        sortable: true,
        unf: true,
      },
      { fieldName: "tags", type: "TAG", separator: ";", caseSensitive: true, noIndex: true },
      { fieldName: "at", type: "GEO" },
    ],
    stopwords: { stopwords: [] },
    scoreField: "s",
    filter: "@n>5",
  });

  it("is told a definition", () => {
    expect(createArgs(definition, "p:state:s:").join(" ")).toBe(
      "ON HASH PREFIX 2 p:state:s:user: p:state:s:u2: FILTER @n>5 SCORE_FIELD s STOPWORDS 0 SCHEMA " +
        "name AS n TEXT WEIGHT 2 NOSTEM SORTABLE UNF " +
        "tags TAG SEPARATOR ; CASESENSITIVE NOINDEX at GEO",
    );
  });

  it("is told the options of a search, with counts that fit", () => {
    const options = searchOptions({
      noContent: true,
      withScores: true,
      filters: [{ numericField: "n", min: -Infinity, max: 5, exclusiveMax: true }],
      geoFilters: [{ geoField: "at", lon: 1, lat: 2, radius: 3, unit: "km" }],
      inKeys: { count: 9, keys: ["user:1"] },
      return: { count: 1, fields: [{ identifier: "a", property: "b" }, { identifier: "c" }] },
      highlight: { fields: ["a"], tags: { open: "<", close: ">" } },
      summarize: { frags: 2, len: 5, separator: "…" },
      sortBy: { field: "n", order: "DESC" },
      params: [{ name: "x", value: "y" }],
      slop: 1,
      inorder: true,
    });
    expect(searchArgs(options, { prefix: "p:s:", version: 80_002 }).join(" ")).toBe(
      "NOCONTENT WITHSCORES FILTER n -inf (5 GEOFILTER at 1 2 3 km INKEYS 1 p:s:user:1 " +
        "RETURN 4 a AS b c SUMMARIZE FRAGS 2 LEN 5 SEPARATOR … HIGHLIGHT FIELDS 1 a TAGS < > " +
        "SLOP 1 INORDER SCORER BM25STD SORTBY n DESC LIMIT 0 10 PARAMS 2 x y DIALECT 2",
    );
    expect(searchArgs({}, { prefix: "", version: 20_638 })).not.toContain("SCORER");
  });

  const hits = {
    total: 2,
    hits: [
      { id: "user:1", score: 1.5, fields: { name: "Alice", __proto__: "x" } },
      { id: "user:2", score: 0.5, fields: {} },
    ],
  };

  it("is understood in both versions of the protocol", () => {
    const shape = { withScores: true };
    const flat = ["2", "user:1", "1.5", ["name", "Alice"], "user:2", "0.5", []];
    const asMap = [
      "attributes",
      [],
      "format",
      "STRING",
      "results",
      [
        ["id", "user:1", "score", "1.5", "extra_attributes", ["name", "Alice"], "values", []],
        ["id", "user:2", "score", "0.5", "extra_attributes", [], "values", []],
      ],
      "total_results",
      "2",
      "warning",
      [],
    ];
    expect(readSearchReply(flat, shape)).toEqual(hits);
    expect(readSearchReply(asMap, shape)).toEqual(hits);
    expect(
      readSearchReply(["1", "a", null, "#3"], {
        noContent: true,
        withPayloads: true,
        withSortKeys: true,
      }),
    ).toEqual({ total: 1, hits: [{ id: "a", payload: null, sortKey: "#3" }] });
    expect(readSearchReply(["0"], {})).toEqual({ total: 0, hits: [] });
  });

  it("is asked by names of the scope and answers with keys", async () => {
    const { sent, connection } = recorded({
      "FT.CREATE": "OK",
      "FT.INFO": ["indexing", 0, "percent_indexed", "1"],
      "FT.SEARCH": [1, "p:state:s:user:1", ["name", "Alice"]],
      "FT.DROPINDEX": "OK",
    });
    const indexes = new ModuleIndexes(connection, 80_002);
    await indexes.create("state:s:", "users", definition);
    const found = await indexes.search("state:s:", "users", { text: "alice", options: {} });
    expect(found).toEqual({ total: 1, hits: [{ id: "user:1", fields: { name: "Alice" } }] });
    await indexes.drop("state:s:", "users", true);
    expect(sent.map(([command, index]) => [command, index])).toEqual(
      ["FT.CREATE", "FT.INFO", "FT.SEARCH", "FT.DROPINDEX"].map((command) => [
        command,
        "p:state:s:users",
      ]),
    );
  });

  it.each([
    ["Index already exists", "INDEX_EXISTS"],
    ["No such index nope", "NO_SUCH_INDEX"],
    ["nope: no such index", "NO_SUCH_INDEX"],
    ["Syntax error at offset 4 near b", "SYNTAX"],
  ])("says %s as %s", async (message, code) => {
    const error = Object.assign(new Error(message), { name: "ReplyError" });
    const { connection } = recorded({ "FT.DROPINDEX": error });
    const dropped = new ModuleIndexes(connection, 80_002).drop("s:", "nope", false);
    await expect(dropped).rejects.toMatchObject({ code });
  });
});
