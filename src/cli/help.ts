/** The texts of `--help`, printed from the table of verbs. */
import { OPTIONS, optionsOf, type VerbName, VERBS, VERB_NAMES } from "./verbs.ts";

const WIDTH = 96;

const STORES = `A store is written as one of
  sqlite:PATH   file:DIRECTORY   redis://HOST…   rediss://HOST…   postgres://HOST…
A keyPrefix of Redis or a table of PostgreSQL other than the default follows a #, as in
redis://HOST/0#shop:
`;

const REST = `-- ends the options, so that an id may begin with a dash.

Exit code: 0 when the work is done, both sides agree, or the record is there; 1 when not, or when a
store or file failed; 2 for wrong usage, also without --write for a verb that has this option.
`;

/** What `holdfast --help` prints. */
export function helpText(): string {
  const width = Math.max(...VERB_NAMES.map((verb) => callOf(verb).length));
  const verbs = VERB_NAMES.map((verb) => `  ${callOf(verb).padEnd(width)}  ${VERBS[verb].does}`);
  return (
    `Usage: holdfast VERB OPERANDS [OPTIONS]\n\n${verbs.join("\n")}\n\n` +
    `holdfast VERB --help prints the options of a verb; --version prints the version.\n\n` +
    `${STORES}${REST}`
  );
}

/** What `holdfast VERB --help` prints. */
export function verbHelp(verb: VerbName): string {
  const { does, text } = VERBS[verb];
  const lines = optionsOf(verb).map((name): readonly [string, string] => {
    const { value } = OPTIONS[name];
    return [`--${name}${value === undefined ? "" : ` ${value}`}`, OPTIONS[name].text];
  });
  const width = Math.max(...lines.map(([name]) => name.length));
  const options = lines.map(([name, about]) => `  ${name.padEnd(width)}  ${about}`);
  const rest = text === undefined ? "" : `${wrapped(text)}\n\n`;
  return (
    `Usage: holdfast ${callOf(verb)} [OPTIONS]\n\n` +
    `${wrapped(`${does[0]?.toUpperCase()}${does.slice(1)}.`)}\n\n${rest}` +
    `${options.join("\n")}\n\n${STORES}${REST}`
  );
}

function callOf(verb: VerbName): string {
  return `${verb} ${VERBS[verb].form}`;
}

/** Words in lines of at most `WIDTH` columns. */
function wrapped(text: string): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line.length + word.length + 1 > WIDTH) {
      lines.push(line);
      line = "";
    }
    line += line === "" ? word : ` ${word}`;
  }
  return [...lines, line].join("\n");
}
