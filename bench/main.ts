/**
 * `npm run bench` runs every bench, `npm run bench -- micro` the named ones. Builds first, so that
 * the compiled library is measured, prints as it goes and keeps the figures in `results/`.
 *
 * `--store redis` measures on that store; what is kept then has a name of its own, and a part of
 * what the bench measures anyway is printed only. `--rounds N` counts N rounds of each race, and
 * such figures are never kept. `--chart FILE` then draws the kept results of contention; alone it
 * measures nothing.
 */
import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { chartGroups, chartSvg } from "./chart.ts";
import { keepResult, keptSections, machineLine, sectionText, summaryText } from "./report.ts";
import { ServerAbsentError } from "./servers/contract.ts";
import { withServer } from "./servers/server.ts";
import type { Bench, BenchOptions, Section } from "./support.ts";

/** In the order in which they run; each is a file here that exports `bench`. */
const BENCHES = ["micro", "contention", "answers", "durable", "dialects"];

async function find(name: string): Promise<Bench> {
  // A bench file is written to export this shape.
  const { bench } = (await import(`./${name}.ts`)) as { bench: Bench };
  return bench;
}

async function report(bench: Bench, options: BenchOptions): Promise<void> {
  const { subjectLine } = await import("./subject.ts");
  const machine = machineLine();
  console.log(`\n# ${bench.name}\n${machine}\n${subjectLine}`);
  const sections: Section[] = [];
  let server: string | undefined;
  const measured = withServer(options.store, async function* measure(at) {
    server = at?.line;
    if (server !== undefined) console.log(server);
    yield* bench.sections(options);
  });
  for await (const section of measured) {
    sections.push(section);
    console.log(sectionText(section));
  }
  console.log(summaryText(sections));
  const name = bench.keptAs(options.store);
  if (options.rounds !== undefined || name === undefined) return;
  const taken = new Date().toISOString();
  keepResult(name, { name, taken, machine, subject: subjectLine, server, sections });
}

function build(): void {
  const root = fileURLToPath(new URL("../", import.meta.url));
  const done = spawnSync("npx", ["tsc", "-b", "src"], { cwd: root, encoding: "utf8" });
  if (done.status !== 0) console.warn(`the build failed; see \`npm run build\`\n${done.stdout}`);
}

/** What was asked for makes no sense, and the message says why. */
class Misuse extends Error {}

function draw(path: string): void {
  const groups = chartGroups(keptSections("contention"));
  if (groups.length === 0)
    throw new Misuse("no results of contention are kept that could be drawn");
  writeFileSync(path, chartSvg(groups));
  console.log(`${path} shows ${groups.map(({ store }) => store).join(", ")}`);
}

const known = BENCHES.filter((name) => existsSync(new URL(`${name}.ts`, import.meta.url)));
const { values, positionals: asked } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: "string" }, store: { type: "string" }, chart: { type: "string" } },
});
const { store, chart } = values;
const rounds = values.rounds === undefined ? undefined : Math.max(1, Number(values.rounds) || 1);
const strange = asked.filter((name) => !known.includes(name));
const named = asked.length > 0 || chart !== undefined ? asked : known;

async function runAll(): Promise<void> {
  if (strange.length > 0)
    throw new Misuse(`no bench is called ${strange.join(", ")}; there are: ${known.join(", ")}`);
  if (chart !== undefined && rounds !== undefined)
    throw new Misuse("--chart draws what is kept, and with --rounds nothing is: leave one out");
  if (named.length > 0) build();
  for (const name of named) await report(await find(name), { rounds, store });
  if (chart !== undefined) draw(chart);
}

try {
  await runAll();
} catch (error) {
  const isPlain = error instanceof Misuse || error instanceof ServerAbsentError;
  console.error(isPlain ? error.message : error);
  process.exit(1); // Whatever a bench left running goes with it.
}
