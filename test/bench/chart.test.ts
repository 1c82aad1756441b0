/** The picture of contention: well-formed, complete, to scale, and the same for the same results. */
import { describe, expect, it } from "vitest";
import { chartGroups, chartSvg } from "../../bench/chart.ts";
import type { Section, Timing } from "../../bench/support.ts";

function timing(name: string, tally: { ok: number; lost: number }): Timing {
  const extra = { ok: tally.ok, failed: 1000 - tally.ok, lost: tally.lost };
  return { name, median: 666_000, min: 1, max: 1, ratio: 1, extra };
}

function section(store: string, timings: readonly Timing[]): Section {
  return { title: "", notes: [], timings, goals: [], chart: { store, calls: 1000 } };
}

const sections = [
  section("redis", [
    timing("holdfast", { ok: 1000, lost: 0 }),
    timing("naive", { ok: 12, lost: 0 }),
    timing('a <b> & "c"', { ok: 1000, lost: 750 }),
  ]),
  { title: "another", notes: [], timings: [timing("elsewhere", { ok: 1, lost: 0 })], goals: [] },
  section("sqlite", [timing("holdfast", { ok: 1000, lost: 0 })]),
];
const svg = chartSvg(chartGroups(sections));

/** The tags of the text in order; throws when one is not closed where it must be. */
function tagsOf(xml: string): string[] {
  const open: string[] = [];
  const seen: string[] = [];
  const rest = xml.replaceAll(/<(\/?)([a-z]+)((?: [\w:-]+="[^"<&]*")*)(\/?)>/g, (...match) => {
    const [, closing, name = "", , single] = match as string[];
    if (closing === "/") {
      if (open.pop() !== name) throw new Error(`</${name}> closes nothing`);
      return "";
    }
    seen.push(name);
    if (single !== "/") open.push(name);
    return "";
  });
  if (open.length > 0) throw new Error(`not closed: ${open.join(", ")}`);
  if (/[<>]|&(?!amp;|lt;|gt;|quot;)/.test(rest)) throw new Error("a character is not escaped");
  return seen;
}

/** The widths of the bars of a kind, without the sample of the legend. */
function widths(kind: string): number[] {
  const rects = svg.matchAll(new RegExp(`<rect class="${kind}" [^>]*width="([\\d.]+)"`, "g"));
  return [...rects].map(([, width]) => Number(width)).slice(1);
}

describe("the picture of contention", () => {
  it("is well-formed XML with a title and a description first", () => {
    expect(tagsOf(svg).slice(0, 3)).toEqual(["svg", "title", "desc"]);
  });

  it("is seen to be broken by the check of this test", () => {
    expect(() => tagsOf("<svg><g></svg>")).toThrow("closes nothing");
    expect(() => tagsOf("<svg>")).toThrow("not closed");
    expect(() => tagsOf("<svg>a < b</svg>")).toThrow("not escaped");
    expect(() => tagsOf("<svg>a & b</svg>")).toThrow("not escaped");
  });

  it("has a bar and words for every contender, and none for other sections", () => {
    expect(svg.match(/>holdfast</g)).toHaveLength(2);
    expect(svg).toContain(">naive<");
    expect(svg).toContain(">a &lt;b&gt; &amp; &quot;c&quot;<");
    expect(svg).toContain("naive: 12 of 1,000, 988 refused · 1,500 a second");
    expect(svg).toContain("250 of 1,000, 750 lost · 1,500 a second");
    expect(svg).not.toContain("elsewhere");
  });

  it("is to scale", () => {
    expect(widths("stored")).toEqual([300, 300, 3.6, 75]);
    expect(widths("lost")).toEqual([225]);
    expect(widths("refused")).toEqual([296.4]);
  });

  it("has the stores in its own order, and is the same for the same results", () => {
    expect(svg.indexOf(">sqlite<")).toBeLessThan(svg.indexOf(">redis<"));
    expect(chartSvg(chartGroups(sections.toReversed()))).toBe(svg);
  });

  it("refuses results without tallies", () => {
    const { extra: _, ...bare } = timing("holdfast", { ok: 0, lost: 0 });
    expect(() => chartGroups([section("redis", [bare])])).toThrow("no tally");
  });
});
