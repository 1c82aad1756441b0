/** The search engine on ten thousand documents; every answer is compared with a plain scan. */
import { performance } from "node:perf_hooks";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { SearchIndex } from "../../src/dialects/vcr/search/search-index.ts";
import type * as Engine from "../../src/dialects/vcr/search/search-index.ts";
import type * as Stems from "../../src/dialects/vcr/search/stem.ts";
import { urlOf } from "../subject.ts";
import { atMost, median, type Goal, type Section, type Timing } from "../support.ts";
import { createSample, rareWord, type Sample } from "./sample.ts";

const { createSearchIndex }: typeof Engine = await import(
  urlOf("dialects/vcr/search/search-index")
);
const { stemOf }: typeof Stems = await import(urlOf("dialects/vcr/search/stem"));

const DOCUMENTS = 10_000;
const SEARCHES = 201;
const UPDATES = 5000;

const stem = stemOf("english");

/** A query, its target in milliseconds, and what a scan says of one document. */
interface Case {
  readonly name: string;
  readonly query: string;
  readonly target: number;
  readonly matches: (sample: Sample) => boolean;
}

/** A word is found as it is, as its stem, and as any word of the same stem. */
function hasForm(sample: Sample, word: string): boolean {
  const wanted = stem(word);
  return sample.body
    .split(" ")
    .some((other) => other === word || other === wanted || stem(other) === wanted);
}

function createCases(samples: readonly Sample[]): Case[] {
  const [a = "", b = "", c = ""] = (samples[7]?.body ?? "").split(" ");
  const phrase = `${a} ${b} ${c}`;
  const prefix = rareWord.slice(0, 6);
  return [
    { name: "term", query: a, target: 0.5, matches: (sample) => hasForm(sample, a) },
    { name: "rare term", query: rareWord, target: 0.5, matches: (s) => hasForm(s, rareWord) },
    {
      name: "AND",
      query: `${a} ${b}`,
      target: 0.5,
      matches: (sample) => hasForm(sample, a) && hasForm(sample, b),
    },
    {
      name: "phrase",
      query: `"${phrase}"`,
      target: 0.5,
      matches: ({ body }) => ` ${body} `.includes(` ${phrase} `),
    },
    {
      name: "prefix",
      query: `${prefix}*`,
      target: 5,
      matches: ({ body }) => body.split(" ").some((word) => word.startsWith(prefix)),
    },
    {
      name: "range",
      query: "@n:[1000 2999]",
      target: 2,
      matches: ({ n }) => Number(n) >= 1000 && Number(n) <= 2999,
    },
    { name: "tag", query: "@tag:{t7}", target: 0.5, matches: ({ tag }) => tag === "t7" },
    { name: "all", query: "*", target: 5, matches: () => true },
  ];
}

function build(samples: readonly Sample[]): SearchIndex {
  const index = createSearchIndex({
    schema: [
      { fieldName: "body", type: "TEXT" },
      { fieldName: "tag", type: "TAG" },
      { fieldName: "n", type: "NUMERIC" },
    ],
  });
  for (const [at, sample] of samples.entries()) index.put(`d:${at}`, Object.entries(sample));
  return index;
}

/** Milliseconds of each of `count` calls. */
function times(count: number, work: () => void): number[] {
  return Array.from({ length: count }, () => {
    const start = performance.now();
    work();
    return performance.now() - start;
  });
}

function timing(name: string, taken: readonly number[]): Timing {
  const ns = taken.map((ms) => ms * 1e6);
  const [min, max] = [Math.min(...ns), Math.max(...ns)];
  return { name, median: median(ns), min, max, ratio: Number.NaN };
}

function goalOf(work: string, reached: number, limit: number, unit: string): Goal {
  return atMost({ id: "L3", work: `search of 10,000: ${work}` }, reached, limit, unit);
}

/** Bytes in use after a collection; nothing that was compiled for a race is needed any more. */
function usedBytes(): number {
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function query(index: SearchIndex, samples: readonly Sample[], item: Case): Timing {
  const expected = samples.filter(item.matches).length;
  const { total } = index.search(item.query);
  if (expected === 0 || total !== expected) throw new Error(`"${item.name}" finds ${total}`);
  const measured = timing(
    item.name,
    times(SEARCHES, () => void index.search(item.query)),
  );
  return { ...measured, extra: { hits: total } };
}

function update(index: SearchIndex): Timing {
  const changes = Array.from({ length: UPDATES }, (_, at) => {
    const number = (at * 7919) % DOCUMENTS;
    return [`d:${number}`, Object.entries(createSample(number))] as const;
  });
  const taken = changes.flatMap(([id, fields]) => times(1, () => void index.put(id, fields)));
  if (index.size !== DOCUMENTS) throw new Error("an update added a document");
  return timing("update", taken);
}

/** Building, updating and asking an index, and its memory. */
export function searchSection(): Section {
  const samples = Array.from({ length: DOCUMENTS }, (_, at) => createSample(at));
  const before = usedBytes();
  const start = performance.now();
  const index = build(samples);
  const buildS = (performance.now() - start) / 1000;
  const cases = createCases(samples);
  const asked = cases.map((item) => query(index, samples, item));
  const usedMb = (usedBytes() - before) / 2 ** 20;
  const updated = update(index);
  const goals = cases.map(({ name, target }, at) => {
    return goalOf(name, (asked[at]?.median ?? Number.NaN) / 1e6, target, "ms");
  });
  return {
    title: "vcr: search on 10,000 documents of 45 words, a tag and a number",
    notes: [
      "One index, no rounds: times of single calls. Memory is what the index holds after the",
      "searches; only for that a collection is forced, so this section is the last one.",
    ],
    timings: [...asked, updated],
    goals: [
      goalOf("build", buildS, 1.5, "s"),
      goalOf("update", updated.median / 1e6, 0.2, "ms"),
      ...goals,
      goalOf("memory", usedMb, 80, "MB"),
    ],
  };
}
