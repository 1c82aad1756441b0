/** `npm run bench`: compiles the library, runs benches and prints as they go; see `--help`. */
import { writeFileSync } from "node:fs";
import { BUILD_VARIABLE } from "./build-variable.ts";
import { chartGroups, chartSvg } from "./chart.ts";
import { helpText, Misuse, parseCommand, type Command } from "./command.ts";
import { keepResult, keptSections, machineLine, sectionText, summaryText } from "./report.ts";
import { ServerAbsentError } from "./servers/contract.ts";
import { withServer } from "./servers/server.ts";
import type { Bench, Section } from "./support.ts";

async function find(name: string): Promise<Bench> {
  // The command line knows those only that export this shape.
  const { bench } = (await import(`./${name}.ts`)) as { bench: Bench };
  return bench;
}

async function report(bench: Bench, command: Command): Promise<void> {
  const { subjectLine } = await import("./subject.ts");
  const machine = machineLine();
  console.log(`\n# ${bench.name}\n${machine}\n${subjectLine}`);
  const sections: Section[] = [];
  let server: string | undefined;
  const measured = withServer(command.store, async function* measure(at) {
    server = at?.line;
    if (server !== undefined) console.log(server);
    yield* bench.sections(command);
  });
  for await (const section of measured) {
    sections.push(section);
    console.log(sectionText(section, command));
  }
  console.log(summaryText(sections, command));
  const name = command.keep ? bench.keptAs(command.store) : undefined;
  if (name === undefined) return;
  const taken = new Date().toISOString();
  keepResult(name, { name, taken, machine, subject: subjectLine, server, sections });
}

async function build(): Promise<void> {
  // Loaded when asked for: `--help` needs no compiler.
  const { buildLibrary } = await import("./build.ts");
  process.env[BUILD_VARIABLE] = await buildLibrary("published");
}

function draw(path: string): void {
  const groups = chartGroups(keptSections("contention"));
  if (groups.length === 0)
    throw new Misuse("no results of contention are kept that could be drawn");
  writeFileSync(path, chartSvg(groups));
  console.log(`${path} shows ${groups.map(({ store }) => store).join(", ")}`);
}

async function run(): Promise<void> {
  const command = parseCommand(process.argv.slice(2));
  if (command === "help") {
    console.log(helpText());
    return;
  }
  if (command.benches.length > 0) await build();
  const benches = await Promise.all(command.benches.map(find));
  const printed = benches.find((bench) => bench.keptAs(command.store) === undefined);
  if (command.keep && printed !== undefined)
    throw new Misuse(`${printed.name} on ${command.store} is printed only: leave --keep out`);
  for (const bench of benches) await report(bench, command);
  if (command.chart !== undefined) draw(command.chart);
}

try {
  await run();
} catch (error) {
  const isPlain = error instanceof Misuse || error instanceof ServerAbsentError;
  console.error(isPlain ? error.message : error);
  process.exit(1); // Whatever a bench left running goes with it.
}
