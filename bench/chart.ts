/**
 * A picture of what became of the calls on one counter, as SVG text, from the kept results alone:
 * the same results give the same picture, byte by byte. Bars are to scale, and all they say is also
 * said in words by `<desc>`. Colours follow the reader's light or dark mode.
 */
import type { Section, Timing } from "./support.ts";

/** Stores of the picture, from top to bottom. */
const ORDER = ["sqlite", "redis", "postgres"];

/** What became of the calls of a contender. */
export interface ChartRow {
  readonly name: string;
  /** Answered as done and stored. */
  readonly stored: number;
  /** Answered as done, but not stored. */
  readonly lost: number;
  /** Answered with an error. */
  readonly refused: number;
  /** Updates that took effect, per second; of the median round. */
  readonly rate: number;
}

/** The contenders on a store. */
export interface ChartGroup {
  readonly store: string;
  readonly calls: number;
  readonly rows: readonly ChartRow[];
}

const WIDTH = 880;
const BAR_LEFT = 275;
const BAR_WIDTH = 300;
const ROW = 22;
const HEAD = 34;
const TOP = 62;

const STYLE = `text{font:13px system-ui,sans-serif;fill:#1f2328}
.store{font-weight:600;font-size:15px}.ours{font-weight:600}.note{fill:#59636e}
.stored{fill:#2563eb}.lost{fill:#d1242f}.refused{fill:#d1d9e0}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.note{fill:#9198a1}
.stored{fill:#6ea8fe}.lost{fill:#ff7b72}.refused{fill:#3d444d}}`;

/** The groups of kept results, in the order of the picture; sections without tallies say nothing. */
export function chartGroups(sections: readonly Section[]): ChartGroup[] {
  return ORDER.flatMap((store) => {
    const section = sections.find(({ chart }) => chart?.store === store);
    if (section?.chart === undefined) return [];
    const { calls } = section.chart;
    return [{ store, calls, rows: section.timings.map((timing) => rowOf(timing, calls)) }];
  });
}

function rowOf({ name, median, extra = {} }: Timing, calls: number): ChartRow {
  const succeeded = Number(extra["ok"]);
  const lost = Number(extra["lost"]);
  if (!Number.isFinite(succeeded) || !Number.isFinite(lost))
    throw new Error(`the result of "${name}" has no tally`);
  const refused = calls - succeeded;
  return { name, stored: succeeded - lost, lost, refused, rate: 1e9 / median };
}

/** The picture. */
export function chartSvg(groups: readonly ChartGroup[]): string {
  const body: string[] = [];
  let y = TOP;
  for (const { store, calls, rows } of groups) {
    y += HEAD;
    body.push(text(0, y - 10, store, "store"));
    for (const row of rows) {
      body.push(...bar(row, calls, y));
      y += ROW;
    }
  }
  const height = y + 8;
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" ` +
      `width="${WIDTH}" height="${height}" role="img" aria-labelledby="title desc">`,
    `<title id="title">${escaped(titleOf(groups))}</title>`,
    `<desc id="desc">${escaped(groups.map(words).join(" "))}</desc>`,
    `<style>${STYLE}</style>`,
    text(0, 18, titleOf(groups), "store"),
    ...legend(),
    ...body,
    "</svg>",
  ].join("\n")}\n`;
}

function titleOf(groups: readonly ChartGroup[]): string {
  const calls = groups[0]?.calls ?? 0;
  return `${count(calls)} concurrent +1 on one stored counter: what became of them`;
}

function legend(): string[] {
  const entries = [
    { kind: "stored", label: "stored", x: 0 },
    { kind: "lost", label: "answered as done, but lost", x: 85 },
    { kind: "refused", label: "refused with an error", x: 290 },
  ];
  return entries.flatMap(({ kind, label, x }) => [
    `<rect class="${kind}" x="${x}" y="34" width="12" height="12"/>`,
    text(x + 18, 45, label, "note"),
  ]);
}

function bar(row: ChartRow, calls: number, y: number): string[] {
  const parts = (["stored", "lost", "refused"] as const).filter((kind) => row[kind] > 0);
  let x = BAR_LEFT;
  const rects = parts.map((kind) => {
    const width = (row[kind] / calls) * BAR_WIDTH;
    const rect = `<rect class="${kind}" x="${places(x)}" y="${y}" width="${places(width)}" height="14"/>`;
    x += width;
    return rect;
  });
  const label = text(0, y + 12, row.name, row.name === "holdfast" ? "ours" : "");
  return [label, ...rects, text(BAR_LEFT + BAR_WIDTH + 10, y + 12, tally(row, calls), "note")];
}

function tally({ stored, lost, refused, rate }: ChartRow, calls: number): string {
  const parts = [`${count(stored)} of ${count(calls)}`];
  if (lost > 0) parts.push(`${count(lost)} lost`);
  if (refused > 0) parts.push(`${count(refused)} refused`);
  return `${parts.join(", ")} · ${count(Number(rate.toPrecision(2)))} a second`;
}

function words({ store, calls, rows }: ChartGroup): string {
  const each = rows.map((row) => `${row.name}: ${tally(row, calls)}`);
  return `On ${store}: ${each.join("; ")}.`;
}

function text(x: number, y: number, content: string, kind: string): string {
  const attribute = kind === "" ? "" : ` class="${kind}"`;
  return `<text${attribute} x="${x}" y="${y}">${escaped(content)}</text>`;
}

function count(value: number): string {
  return value.toLocaleString("en");
}

function places(value: number): string {
  return String(Number(value.toFixed(2)));
}

function escaped(content: string): string {
  return content
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
