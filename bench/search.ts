/**
 * Measures the search engine: build, update, memory and the common queries over ten thousand
 * documents. Every answer is checked against a plain scan before its time is printed.
 */
import { strict as assert } from "node:assert";
import { cpus } from "node:os";
import type { SearchOptions } from "../src/ops/search/option.ts";
import { createSearchIndex, type SearchIndex } from "../src/ops/search/search-index.ts";
import { stemOf } from "../src/ops/search/stem.ts";

const DOCUMENTS = 10_000;
const WORDS_PER_DOCUMENT = 45;
const VOCABULARY = 8_000;
const SAMPLES = 201;
const SEED = 20_260_101;

/** A small generator of repeatable numbers from 0 to 1. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const random = createRandom(SEED);
const ENDINGS = ["", "s", "ing", "ed", "er", "ly"];
const SYLLABLES = ["ba", "con", "du", "fer", "gol", "ha", "jin", "ko", "lum", "mor", "ne", "pra"];

function createWord(number: number): string {
  let rest = number;
  let word = "";
  do {
    word += SYLLABLES[rest % SYLLABLES.length] ?? "";
    rest = Math.floor(rest / SYLLABLES.length);
  } while (rest > 0);
  return word + (ENDINGS[number % ENDINGS.length] ?? "");
}

const vocabulary = Array.from({ length: VOCABULARY }, (_, number) => createWord(number + 20));

/** Picks a word; early ones are far more frequent, as in a natural text. */
function pickWord(): string {
  return vocabulary[Math.floor(VOCABULARY * random() ** 3)] ?? "";
}

interface Sample {
  readonly body: string;
  readonly tag: string;
  readonly n: string;
}

function createSample(number: number): Sample {
  const body = Array.from({ length: WORDS_PER_DOCUMENT }, pickWord).join(" ");
  return { body, tag: `t${number % 50}`, n: String(number) };
}

function median(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[times.length >> 1] ?? 0;
}

function report(name: string, value: number, unit: string, target: number): void {
  const verdict = value <= target ? "ok" : "OVER";
  console.log(
    `${name.padEnd(32)}${value.toFixed(3).padStart(10)} ${unit}  (≤ ${target}) ${verdict}`,
  );
}

function usedBytes(): number {
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function build(samples: readonly Sample[]): SearchIndex {
  const index = createSearchIndex({
    schema: [
      { fieldName: "body", type: "TEXT" },
      { fieldName: "tag", type: "TAG" },
      { fieldName: "n", type: "NUMERIC" },
    ],
  });
  for (const [number, sample] of samples.entries()) {
    index.put(`d:${number}`, Object.entries(sample));
  }
  return index;
}

/** A query, its options, and what a scan says of one document. */
interface Case {
  readonly name: string;
  readonly query: string;
  readonly target: number;
  readonly matches: (sample: Sample) => boolean;
  readonly options?: SearchOptions;
}

const has = (words: string) => (sample: Sample) => ` ${sample.body} `.includes(` ${words} `);

const stem = stemOf("english");

/** A word is found as it is, as its stem, and as any word of the same stem. */
const hasForm = (word: string) => (sample: Sample) =>
  sample.body
    .split(" ")
    .some((other) => other === word || other === stem(word) || stem(other) === stem(word));

function createCases(samples: readonly Sample[]): Case[] {
  const [a = "", b = "", c = ""] = (samples[7]?.body ?? "").split(" ");
  const rare = vocabulary[VOCABULARY - 10] ?? "";
  const prefix = rare.slice(0, 6);
  return [
    { name: "term", query: a, target: 0.5, matches: hasForm(a) },
    { name: "rare term", query: rare, target: 0.5, matches: hasForm(rare) },
    {
      name: "AND",
      query: `${a} ${b}`,
      target: 0.5,
      matches: (sample) => hasForm(a)(sample) && hasForm(b)(sample),
    },
    { name: "phrase", query: `"${a} ${b} ${c}"`, target: 0.5, matches: has(`${a} ${b} ${c}`) },
    {
      name: "NOT",
      query: `${a} -${b}`,
      target: 0.5,
      matches: (sample) => hasForm(a)(sample) && !hasForm(b)(sample),
    },
    {
      name: "prefix",
      query: `${prefix}*`,
      target: 5,
      matches: ({ body }) => body.split(" ").some((word) => word.startsWith(prefix)),
    },
    {
      name: "number range, sorted",
      query: "@n:[1000 2999]",
      target: 2,
      matches: ({ n }) => Number(n) >= 1000 && Number(n) <= 2999,
      options: { sortBy: { field: "n", order: "DESC" } },
    },
    { name: "tag", query: "@tag:{t7}", target: 0.5, matches: ({ tag }) => tag === "t7" },
    { name: "all", query: "*", target: 5, matches: () => true },
  ];
}

function runCase(index: SearchIndex, samples: readonly Sample[], item: Case): void {
  const expected = samples.filter(item.matches).length;
  assert.equal(index.search(item.query, item.options).total, expected, item.name);
  assert.ok(expected > 0, `${item.name} finds nothing`);
  const times: number[] = [];
  for (let sample = 0; sample < SAMPLES; sample++) {
    const start = performance.now();
    index.search(item.query, item.options);
    times.push(performance.now() - start);
  }
  report(`${item.name} (${expected} hits)`, median(times), "ms", item.target);
}

function main(): void {
  const samples = Array.from({ length: DOCUMENTS }, (_, number) => createSample(number));
  console.log(
    `${cpus()[0]?.model ?? "?"} × ${cpus().length}, Node ${process.version}, seed ${SEED}`,
  );
  const before = usedBytes();
  const start = performance.now();
  const index = build(samples);
  const buildMs = performance.now() - start;
  assert.equal(index.search("*").total, DOCUMENTS);
  report("build 10,000", buildMs / 1000, "s ", 1.5);
  for (const item of createCases(samples)) runCase(index, samples, item);
  // The prefix query has made the tree of terms by now, so it is counted too.
  report("memory", (usedBytes() - before) / 2 ** 20, "MB", 80);
  const updates: number[] = [];
  for (let round = 0; round < 5000; round++) {
    const number = Math.floor(random() * DOCUMENTS);
    const fields = Object.entries(createSample(number));
    const from = performance.now();
    index.put(`d:${number}`, fields);
    updates.push(performance.now() - from);
  }
  assert.equal(index.size, DOCUMENTS);
  report("update", median(updates), "ms", 0.2);
  report("update, slowest", Math.max(...updates), "ms", 200);
}

main();
