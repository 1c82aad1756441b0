import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type {
  SearchDefinition,
  SearchField,
} from "../../../../../src/dialects/vcr/search/schema.ts";
import { SearchError } from "../../../../../src/dialects/vcr/search/search-error.ts";
import {
  createSearchIndex,
  type SearchIndex,
} from "../../../../../src/dialects/vcr/search/search-index.ts";

// Answers recorded from a real search server. The file is not part of the repository.
const ORACLE_PATH =
  process.env["SEARCH_ORACLE"] ??
  fileURLToPath(new URL("../../../../../../shared/data/vcr-search-oracle.json", import.meta.url));

const SCORE_TOLERANCE = 1e-6;

interface OracleAnswer {
  readonly error?: string;
  readonly hits?: readonly (readonly [id: string, score: number])[];
}

interface OracleCase {
  readonly q: string;
  readonly d: number;
  readonly v80: OracleAnswer;
}

interface OracleSet {
  readonly create: readonly string[];
  readonly docs: readonly (readonly [id: string, fields: Record<string, string>])[];
  readonly cases: readonly OracleCase[];
}

const TYPES: Readonly<Record<string, SearchField["type"]>> = {
  TEXT: "TEXT",
  TAG: "TAG",
  NUMERIC: "NUMERIC",
  GEO: "GEO",
};

function readDefinition(create: readonly string[]): SearchDefinition {
  const schemaAt = create.indexOf("SCHEMA");
  const schema: SearchField[] = [];
  const words = create.slice(schemaAt + 1);
  for (const [at, word] of words.entries()) {
    const type = TYPES[word];
    if (type === undefined) continue;
    const weight = words[at + 1] === "WEIGHT" ? Number(words[at + 2]) : 1;
    schema.push({ fieldName: words[at - 1] ?? "", type, weight });
  }
  const scoreAt = create.indexOf("SCORE_FIELD");
  return {
    schema,
    ...(create.includes("STOPWORDS") ? { stopwords: [] } : {}),
    ...(scoreAt === -1 ? {} : { scoreField: create[scoreAt + 1] ?? "" }),
  };
}

function readIndex(set: OracleSet): SearchIndex {
  const index = createSearchIndex(readDefinition(set.create));
  for (const [id, fields] of set.docs) {
    // The server drops line breaks and so joins the words around them; this engine splits there on
    // purpose. Without the breaks both read the same words.
    const entries = Object.entries(fields).map(([name, value]): [string, string] => [
      name,
      value.replaceAll("\n", ""),
    ]);
    index.put(id, entries);
  }
  return index;
}

function ask(index: SearchIndex, query: string): OracleAnswer {
  try {
    const { hits } = index.search(query, {
      withScores: true,
      noContent: true,
      limit: { offset: 0, num: 100 },
    });
    return { hits: hits.map(({ id, score }) => [id, score ?? Number.NaN]) };
  } catch (error) {
    if (!(error instanceof SearchError)) throw error;
    return { error: error.message };
  }
}

function hitSet({ hits }: OracleAnswer): string {
  return hits === undefined ? "refused" : JSON.stringify(hits.map(([id]) => id).toSorted());
}

function hasSameScores(expected: OracleAnswer, received: OracleAnswer): boolean {
  const scores = new Map(received.hits);
  return (expected.hits ?? []).every(
    ([id, score]) => Math.abs((scores.get(id) ?? Infinity) - score) <= SCORE_TOLERANCE,
  );
}

interface Tally {
  rows: number;
  sets: number;
  scoredRows: number;
  scores: number;
  orders: number;
  readonly misses: string[];
}

function tallySet(set: OracleSet, tally: Tally): void {
  const index = readIndex(set);
  for (const { q, d, v80: expected } of set.cases) {
    if (d !== 2) continue;
    tally.rows += 1;
    const received = ask(index, q);
    if (hitSet(expected) !== hitSet(received)) {
      tally.misses.push(`hit set of ${q}`);
      continue;
    }
    tally.sets += 1;
    if ((expected.hits ?? []).length === 0) continue;
    tally.scoredRows += 1;
    if (!hasSameScores(expected, received)) {
      tally.misses.push(`scores of ${q}`);
      continue;
    }
    tally.scores += 1;
    const ids = (answer: OracleAnswer) => JSON.stringify(answer.hits?.map(([id]) => id));
    if (ids(expected) === ids(received)) tally.orders += 1;
    else tally.misses.push(`order of ${q}`);
  }
}

function percent(part: number, whole: number): string {
  return `${part} of ${whole} (${((100 * part) / whole).toFixed(1)} %)`;
}

const isHere = existsSync(ORACLE_PATH);
if (!isHere) console.log("skipped: the recorded search answers are not here (SEARCH_ORACLE)");

describe.skipIf(!isHere)("the recorded search server", () => {
  it("gives the same hits, order and scores", () => {
    const oracle: { sets: Record<string, OracleSet> } = JSON.parse(
      readFileSync(ORACLE_PATH, "utf8"),
    );
    const tally: Tally = { rows: 0, sets: 0, scoredRows: 0, scores: 0, orders: 0, misses: [] };
    for (const set of Object.values(oracle.sets)) tallySet(set, tally);
    console.log(
      `hit sets ${percent(tally.sets, tally.rows)}, ` +
        `scores ${percent(tally.scores, tally.scoredRows)}, ` +
        `order ${percent(tally.orders, tally.scores)}; differs: ${tally.misses.join("; ")}`,
    );
    expect(tally.rows).toBeGreaterThan(100);
    expect(tally.sets / tally.rows).toBeGreaterThanOrEqual(0.98);
    expect(tally.scores / tally.scoredRows).toBeGreaterThanOrEqual(0.94);
    expect(tally.orders).toBe(tally.scores);
  });
});
