/**
 * The output of the engine: progress while it runs, tables at the end.
 */
import type { CheckRow } from "./check.ts";
import type { Tally } from "./counting-store.ts";
import type { Progress } from "./engine.ts";
import type { Input } from "./message.ts";

/** The output streams of the engine. */
export interface Printer {
  readonly out: (text: string) => void;
  readonly warn: (line: string) => void;
}

/** Standard output and standard error. */
export const PRINTER: Printer = {
  out: (text) => void process.stdout.write(text),
  warn: (text) => void process.stderr.write(`${text}\n`),
};

/** Differing scopes that are printed for one line of the check. */
const DIFFERING_SHOWN_MAX = 5;
/** Plain progress lines in one run. */
const PROGRESS_LINES = 10;
/** Updates of the moving line of a terminal in one run. */
const TERMINAL_UPDATES = 200;
const CELL_WIDTH = 11;

/** The data of the tables at the end. */
export interface Summary {
  readonly input: Input;
  readonly progress: Readonly<Progress>;
  readonly tallies: ReadonlyMap<string, Tally>;
  readonly batches: number;
  /** Milliseconds spent on replies. */
  readonly answerMs: number;
  /** Milliseconds spent on reading back. */
  readonly checkMs: number;
  readonly rows: readonly CheckRow[];
}

/** Shows the progress: one moving line on a terminal, else a line at intervals. */
export function progressReporter(total: number, printer: Printer): (progress: Progress) => void {
  const isTerminal = process.stdout.isTTY;
  const every = Math.max(1, Math.ceil(total / (isTerminal ? TERMINAL_UPDATES : PROGRESS_LINES)));
  return ({ answered, before, failed }) => {
    const done = answered + before + failed;
    if (done % every !== 0 && done !== total) return;
    const share = `${Math.floor((100 * done) / total)} %`.padStart(5);
    const text = `${share}  ${done} of ${total} messages`;
    const end = isTerminal && done < total ? "" : "\n";
    printer.out(`${isTerminal ? "\r" : ""}${text}${end}`);
  };
}

/** Prints the tables; returns whether every count was right. */
export function printSummary(summary: Summary, printer: Printer): boolean {
  const { input, progress, answerMs, checkMs, rows } = summary;
  const perSecond = Math.round((1000 * progress.answered) / Math.max(1, answerMs));
  printer.out(`
messages
${line("lines in the input", input.lines)}
${line("bad lines", input.badLines.length)}
${line("messages", input.messages.length)}
${line("answered now", progress.answered)}
${line("  of these taken up", progress.takenUp)}   in the middle, after a process was cut off
${line("answered before", progress.before)}   by another process on this input
${line("failed", progress.failed)}
${line("time", `${seconds(answerMs)} s`)}   ${perSecond} messages a second
${line("time of the check", `${seconds(checkMs)} s`)}

`);
  printer.out(storeTable(summary));
  return printCheck(rows, printer);
}

function storeTable({ tallies, batches, rows }: Summary): string {
  const total: Tally = { mutations: 0, saves: 0, conflicts: 0 };
  const lines = [...tallies].map(([type, tally]) => {
    total.mutations += tally.mutations;
    total.saves += tally.saves;
    total.conflicts += tally.conflicts;
    const scopes = rows.find(({ label }) => label === `${type} scopes`)?.stored ?? "";
    return tallyLine(type, scopes, tally);
  });
  return `${line("store, this process", "scopes", "mutations", "saves", "folds", "conflicts")}
${lines.join("\n")}
${tallyLine("total", "", total)}
  scopes     kept in the store for this input
  mutations  changes that took effect
  saves      records written, in ${batches} commits
  folds      mutations that shared a save with others: mutations - saves
  conflicts  saves refused because another process had written the record first

`;
}

function tallyLine(name: string, scopes: number | string, tally: Tally): string {
  const { mutations, saves, conflicts } = tally;
  return line(name, scopes, mutations, saves, mutations - saves, conflicts);
}

function printCheck(rows: readonly CheckRow[], printer: Printer): boolean {
  printer.out(`${line("check", "input", "store")}\n`);
  for (const { label, expected, stored, differing } of rows) {
    const verdict = differing.length === 0 ? paint("ok", 32) : paint("DIFFERS", 31);
    printer.out(`${line(label, expected, stored)}   ${verdict}\n`);
    for (const text of differing.slice(0, DIFFERING_SHOWN_MAX)) printer.out(`    ${text}\n`);
    const more = differing.length - DIFFERING_SHOWN_MAX;
    if (more > 0) printer.out(`    and ${more} more\n`);
  }
  const wrong = rows.filter(({ differing }) => differing.length > 0).length;
  const isGreen = wrong === 0;
  const verdict = isGreen ? paint("all counts agree", 32) : paint(`${wrong} counts differ`, 31);
  printer.out(`\n${verdict}\n`);
  return isGreen;
}

function line(name: string, ...cells: readonly (number | string)[]): string {
  const padded = cells.map((cell) => String(cell).padStart(CELL_WIDTH));
  return `  ${name.padEnd(22)}${padded.join("")}`;
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(1);
}

function paint(text: string, color: number): string {
  const isPlain = !process.stdout.isTTY || Boolean(process.env["NO_COLOR"]);
  return isPlain ? text : `\u001B[${color}m${text}\u001B[0m`;
}
