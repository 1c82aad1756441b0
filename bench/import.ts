/** The bench of the import: what each entry point adds to the start of a process. */
import { spawnSync } from "node:child_process";
import { performance } from "node:perf_hooks";
import manifest from "../package.json" with { type: "json" };
import { isBuilt, urlOf } from "./subject.ts";
import { atMost, figure, median, type Bench, type Section, type Timing } from "./support.ts";

const ROUNDS = 15;
/** Rounds before the counted ones: they fill the caches of the system. */
const WARM_UPS = 2;
const BASE = "node -e";

/** Milliseconds over bare node that an entry point may take. */
const LIMITS: ReadonlyMap<string, number> = new Map([
  ["holdfast", 40],
  ["holdfast/vcr", 80],
]);

/** I1: every entry point, each alone in a fresh process. */
export const bench: Bench = {
  name: "import",
  keptAs: (store) => (store === undefined ? "import" : undefined),
  async *sections({ rounds }) {
    yield importSection(rounds);
  },
};

/** What each contender runs, by its name: nothing, or the import of an entry point. */
function programs(): Map<string, string> {
  const code = new Map([[BASE, ""]]);
  for (const [subpath, output] of Object.entries(manifest.exports)) {
    const module = /^\.\/dist\/src\/(.+)\.js$/.exec(output)?.[1];
    if (module !== undefined)
      code.set(`holdfast${subpath.slice(1)}`, `import ${JSON.stringify(urlOf(module))};`);
  }
  return code;
}

function importSection(rounds = ROUNDS): Section {
  const code = programs();
  const names = [...code.keys()];
  const samples = new Map(names.map((name) => [name, [] as number[]]));
  for (let round = -WARM_UPS; round < rounds; round++)
    for (const [place] of names.entries()) {
      const name = names[(place + round + WARM_UPS) % names.length] ?? BASE;
      const time = startMs(code.get(name) ?? "");
      if (round >= 0) samples.get(name)?.push(time);
    }
  const bare = samples.get(BASE) ?? [];
  const over = new Map(
    [...samples].map(([name, times]) => [
      name,
      median(times.map((time, round) => time - (bare[round] ?? Number.NaN))),
    ]),
  );
  const timings = [...samples].map(([name, times]): Timing => ({
    name,
    median: median(times) * 1e6,
    min: Math.min(...times) * 1e6,
    max: Math.max(...times) * 1e6,
    ratio: median(times) / median(bare),
    extra: name === BASE ? {} : { "over bare node": `${figure(over.get(name) ?? 0)} ms` },
  }));
  return {
    title: "I1: an entry point imported by a fresh process that does nothing else",
    notes: [
      isBuilt ? "The compiled library." : "The sources through tsx: no fresh build.",
      "From the start of the process to its end. Over bare node: the median of the differences",
      "to the bare process of the same round.",
    ],
    timings,
    goals: [...LIMITS].map(([name, limit]) => {
      const place = { id: "I1", work: `import "${name}" over bare node` };
      return atMost(place, over.get(name) ?? Number.NaN, limit, "ms");
    }),
  };
}

function startMs(code: string): number {
  const flags = isBuilt ? [] : ["--import", "tsx"];
  const start = performance.now();
  const done = spawnSync(process.execPath, [...flags, "--input-type=module", "-e", code]);
  if (done.status !== 0) throw new Error(`the import failed: ${String(done.stderr)}`);
  return performance.now() - start;
}
