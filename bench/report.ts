/**
 * Prints what a bench measured, each target beside what was reached, and keeps it as JSON.
 */
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

/** The text of a section: its timings, then its goals. */
export function sectionText(section: Section): string {
  const lines = [`\n## ${section.title}`, ...section.notes.map((note) => `   ${note}`)];
  if (section.timings.length > 0) lines.push(...table(timingRows(section.timings)));
  if (section.goals.length > 0) lines.push(...table(goalRows(section.goals)));
  return lines.join("\n");
}

/** The goals of all sections in one table, and how many are met. */
export function summaryText(sections: readonly Section[]): string {
  const goals = sections.flatMap((section) => section.goals);
  const met = goals.filter((goal) => goal.met).length;
  return ["\n## Targets", ...table(goalRows(goals)), `${met} of ${goals.length} met`].join("\n");
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
  const rows = timings.map(({ name, median, min, max, ratio, extra = {} }) => {
    const spread = `±${figure(((max - min) / 2 / median) * 100)} %`;
    const further = headings.map((heading) => String(extra[heading] ?? ""));
    return [name, time(median), time(min), time(max), spread, `${figure(ratio)}×`, ...further];
  });
  return [["contender", "median", "min", "max", "spread", "ratio", ...headings], ...rows];
}

function goalRows(goals: readonly Goal[]): string[][] {
  const rows = goals.map(({ id, work, target, reached, met }) => {
    return [id, work, target, reached, met ? "met" : "MISSED"];
  });
  return [["", "work", "target", "reached", ""], ...rows];
}

function time(ns: number): string {
  if (ns < 1e3) return `${figure(ns)} ns`;
  return ns < 1e6 ? `${figure(ns / 1e3)} µs` : `${figure(ns / 1e6)} ms`;
}

function table(rows: readonly string[][]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows.map((row) =>
    `   ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")}`.trimEnd(),
  );
}
