/** The text of a report: what a user reads, and what is there only beside targets. */
import { describe, expect, it } from "vitest";
import { sectionText, summaryText } from "../../bench/report.ts";
import { atMost, type Section } from "../../bench/support.ts";

const section: Section = {
  title: "K0: a call",
  notes: ["one call each"],
  timings: [
    { name: "bare", median: 100, min: 90, max: 130, ratio: 1 },
    { name: "ours", median: 250, min: 240, max: 260, ratio: 2.5, extra: { rate: "4k/s" } },
  ],
  goals: [
    atMost({ id: "K0", work: "a call" }, 2.5, 2, "× bare"),
    atMost({ id: "K0", work: "a short call" }, 1.5, 2, "× bare"),
  ],
};
const plain = { targets: false };

describe("a section", () => {
  it("shows times, ratios, the noise of the machine and what was reached", () => {
    expect(sectionText(section, plain).split("\n")).toEqual([
      "",
      "## K0: a call",
      "   one call each",
      "   contender  median  min      max     spread   ratio  rate",
      "   bare       100 ns  90.0 ns  130 ns  ±20.0 %  1.00×",
      "   ours       250 ns  240 ns   260 ns  ±4.00 %  2.50×  4k/s",
      '   noise of the machine: ±20.0 %, the spread of "bare"',
      "   a call        2.50 × bare",
      "   a short call  1.50 × bare",
    ]);
  });

  it("does not call one round quiet", () => {
    const timings = [{ name: "bare", median: 100, min: 100, max: 100, ratio: 1 }];
    const text = sectionText({ title: "T", notes: [], timings, goals: [] }, plain);
    expect(text).toContain("\n   noise of the machine: unknown after one round");
  });

  it("has a target beside each figure when they are asked for", () => {
    expect(sectionText(section, { targets: true }).split("\n").slice(-3)).toEqual([
      "       work          target      reached",
      "   K0  a call        ≤ 2 × bare  2.50 × bare  MISSED",
      "   K0  a short call  ≤ 2 × bare  1.50 × bare  met",
    ]);
  });

  it("shows a table of its own, and no noise where nothing was timed", () => {
    const table = [
      ["file", "calls"],
      ["a.ts", "7"],
    ];
    const text = sectionText({ title: "T", notes: [], timings: [], goals: [], table }, plain);
    expect(text).toBe("\n## T\n   file  calls\n   a.ts  7");
  });
});

describe("the summary", () => {
  it("has the figures of all sections, and no verdict", () => {
    const text = summaryText([section, { ...section, goals: section.goals.slice(1) }], plain);
    expect(text.split("\n").slice(1)).toEqual([
      "## Reached in this run",
      "   a call        2.50 × bare",
      "   a short call  1.50 × bare",
      "   a short call  1.50 × bare",
    ]);
    expect(text).not.toMatch(/met|missed|target|≤/i);
  });

  it("counts with targets how many are met", () => {
    const text = summaryText([section], { targets: true });
    expect(text).toContain("## Targets");
    expect(text.endsWith("\n1 of 2 met")).toBe(true);
  });

  it("is not there when nothing is to be summed up", () => {
    expect(summaryText([{ ...section, goals: [] }], { targets: true })).toBe("");
  });
});
