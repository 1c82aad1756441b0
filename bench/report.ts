/** What a bench measured as text, and as JSON where it is kept. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, totalmem } from "node:os";
import { figure, type Goal, type Section, type Timing } from "./support.ts";

/** One line about where and when the figures were taken. */
export function machineLine(): string {
  const model = cpus()[0]?.model.trim() ?? "unknown processor";
  const load = loadavg().map((average) => average.toFixed(2));
  const memory = `${(totalmem() / 2 ** 30).toFixed(1)} GiB`;
  const cores = `${availableParallelism()} cores`;
  return [model, cores, memory, `Node ${process.version}`, `load ${load.join(" ")}`].join(", ");
}

/** How a report is printed. */
export interface ReportOptions {
  /** Each figure beside its target, `met` or `MISSED`. */
  readonly targets: boolean;
}

/** The text of a section: its notes, its timings with their noise, its table, its figures. */
export function sectionText(section: Section, options: ReportOptions): string {
  const lines = [`\n## ${section.title}`, ...section.notes.map((note) => `   ${note}`)];
  if (section.timings.length > 0) lines.push(...table(timingRows(section.timings)));
  lines.push(...section.timings.filter(isBase).map(noiseLine));
  if (section.table !== undefined) lines.push(...table(section.table));
  if (section.goals.length > 0) lines.push(...table(goalRows(section.goals, options)));
  return lines.join("\n");
}

/** The figures of all sections in one table; with targets also how many are met. */
export function summaryText(sections: readonly Section[], options: ReportOptions): string {
  const goals = sections.flatMap((section) => section.goals);
  if (goals.length === 0) return "";
  const met = goals.filter((goal) => goal.met).length;
  const title = options.targets ? "\n## Targets" : "\n## Reached in this run";
  const closing = options.targets ? [`${met} of ${goals.length} met`] : [];
  return [title, ...table(goalRows(goals, options)), ...closing].join("\n");
}

/** Writes `results/<name>.json` beside this file. */
export function keepResult(name: string, result: object): void {
  const directory = new URL("results/", import.meta.url);
  mkdirSync(directory, { recursive: true });
  writeFileSync(new URL(`${name}.json`, directory), `${JSON.stringify(result, null, 2)}\n`);
}

/** All sections that were kept under `name` or a name that goes on with a dash. */
export function keptSections(name: string): Section[] {
  const directory = new URL("results/", import.meta.url);
  const files = readdirSync(directory).filter(
    (file) => file === `${name}.json` || file.startsWith(`${name}-`),
  );
  return files.toSorted().flatMap((file) => {
    // `keepResult` wrote it.
    const kept = JSON.parse(readFileSync(new URL(file, directory), "utf8")) as Kept;
    return kept.sections;
  });
}

/** What `keepResult` writes for a bench, as far as it is read again. */
interface Kept {
  readonly sections: readonly Section[];
}

function timingRows(timings: readonly Timing[]): string[][] {
  const headings = [...new Set(timings.flatMap(({ extra = {} }) => Object.keys(extra)))];
  const rows = timings.map((timing) => {
    const { name, median, min, max, ratio, extra = {} } = timing;
    const further = headings.map((heading) => String(extra[heading] ?? ""));
    const noise = spread(timing);
    return [name, time(median), time(min), time(max), noise, `${figure(ratio)}×`, ...further];
  });
  return [["contender", "median", "min", "max", "spread", "ratio", ...headings], ...rows];
}

function goalRows(goals: readonly Goal[], { targets }: ReportOptions): string[][] {
  if (!targets) return goals.map(({ work, reached }) => [work, reached]);
  const rows = goals.map(({ id, work, target, reached, met }) => {
    return [id, work, target, reached, met ? "met" : "MISSED"];
  });
  return [["", "work", "target", "reached", ""], ...rows];
}

/** The contender to which the others are compared. */
function isBase({ ratio }: Timing): boolean {
  return ratio === 1;
}

function noiseLine(base: Timing): string {
  if (base.min === base.max) return "   noise of the machine: unknown after one round";
  return `   noise of the machine: ${spread(base)}, the spread of "${base.name}"`;
}

function spread({ median, min, max }: Timing): string {
  return `±${figure(((max - min) / 2 / median) * 100)} %`;
}

function time(ns: number): string {
  if (ns < 1e3) return `${figure(ns)} ns`;
  return ns < 1e6 ? `${figure(ns / 1e3)} µs` : `${figure(ns / 1e6)} ms`;
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows.map((row) =>
    `   ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")}`.trimEnd(),
  );
}
