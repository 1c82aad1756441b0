/** The texts of `--help`. */
import { expect, it } from "vitest";
import { helpText, verbHelp } from "../../../src/cli/help.ts";
import { optionsOf, VERB_NAMES, VERBS } from "../../../src/cli/verbs.ts";

function widest(text: string): number {
  return Math.max(...text.split("\n").map(({ length }) => length));
}

it("has every verb, with its form", () => {
  for (const verb of VERB_NAMES) expect(helpText()).toContain(`\n  ${verb} ${VERBS[verb].form} `);
  expect(widest(helpText())).toBeLessThanOrEqual(110);
});

it.each(VERB_NAMES)("of %s has its form and its options", (verb) => {
  const text = verbHelp(verb);
  expect(text).toContain(`Usage: holdfast ${verb} ${VERBS[verb].form} [OPTIONS]\n`);
  for (const name of optionsOf(verb)) expect(text).toContain(`\n  --${name} `);
  expect(widest(text)).toBeLessThanOrEqual(110);
});
