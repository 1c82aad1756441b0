/** Rules about the text of files. Each takes files and gives one line per violation. */
import { lineAt, maskLiterals, type SourceFile } from "./source-text.ts";

/** Lines a shipped file may have. */
const maxLines = 300;
/** Columns a line of a shipped file may have. */
const maxColumns = 100;

/** Files that are longer than `maxLines`. */
export function tooLong(files: readonly SourceFile[]): string[] {
  return files.flatMap(({ path, text }) => {
    const count = text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
    return count > maxLines ? [`${path}: ${count} lines, at most ${maxLines}`] : [];
  });
}

/** Lines that are wider than `maxColumns`. */
export function tooWide(files: readonly SourceFile[]): string[] {
  return files.flatMap(({ path, text }) =>
    text.split("\n").flatMap((line, index) => {
      const wide = line.length > maxColumns;
      return wide ? [`${path}:${index + 1}: ${line.length} columns, at most ${maxColumns}`] : [];
    }),
  );
}

/** The type `any`. The linter finds it too; this holds also where the linter was told to be silent. */
export function anyTypes(files: readonly SourceFile[]): string[] {
  return inCode(files, /(?:[:|&<,]|\bas|=>)\s*any\b(?=\s*(?:[;,)>\]|&}=[]|$))/gm, "no any");
}

/** `value!` and `field!: T`. The formatter guarantees that no other `!` follows a value directly. */
export function nonNullAssertions(files: readonly SourceFile[]): string[] {
  return inCode(files, /[\w)\]"'`]!(?!=)/g, "no non-null assertion");
}

/** Casts, and type arguments of calls on a scope or a runtime. */
export function typesByHand(files: readonly SourceFile[]): string[] {
  const found = /\bas (?!const\b)[A-Za-z{[(]|\.(?:open|transact|update|run|suspend|runOnce)</g;
  return inCode(
    files.map(({ path, text }) => ({ path, text: withoutRenames(text) })),
    found,
    "the types follow from the kinds",
  );
}

/** `import { a as b }` blanked, lines kept. */
function withoutRenames(text: string): string {
  return text.replace(/^(?:import|export) (?:type )?[{*][^;]*;/gm, (found) =>
    found.replace(/[^\n]/g, " "),
  );
}

/** Comments that silence the compiler. */
export function compilerSilencers(files: readonly SourceFile[]): string[] {
  return inText(files, /@ts-(?:ignore|nocheck|expect-error)/g, "no comment that silences tsc");
}

/** Comments that silence the linter or the formatter. */
export function linterSilencers(files: readonly SourceFile[]): string[] {
  return inText(
    files,
    /(?:(?:ox|es)lint-disable|oxfmt-ignore|prettier-ignore)/g,
    "no lint-disable",
  );
}

/** Classes that are made around a mutation, and would lose what they do not pass on by hand. */
export function handWrappers(files: readonly SourceFile[]): string[] {
  const found = /\bimplements Mutation \{(?:(?!\n\})[^])*?\n  constructor\([^)]*: Mutation\b/g;
  const others = files.filter(({ path }) => path !== "actors/scope/wrapped-mutation.ts");
  return inCode(others, found, "a mutation around another extends WrappedMutation");
}

/** Tests that keep the others from running. */
export function focusedTests(files: readonly SourceFile[]): string[] {
  return inCode(files, /\b(?:it|test|describe|suite|bench)(?:\.\w+)*\.only\b/g, "no focused test");
}

/**
 * Words that make a person of a thing in the code, or have no one meaning here. `CONTRIBUTING.md`
 * says what to write in their place.
 */
const wordsOut = [
  "told",
  "heard",
  "hears",
  "whoever",
  "nobody",
  "somebody",
  "anybody",
  "everybody",
  "on paper",
  "doors?",
];

/** Words that are out, in comments, names and texts alike. */
export function outWords(files: readonly SourceFile[]): string[] {
  const words = new RegExp(`(?<![\\w-])(?:${wordsOut.join("|")})(?![\\w-])`, "gi");
  return inText(files, words, "a word that is out");
}

/** Paths that exist on one machine only. */
export function machinePaths(files: readonly SourceFile[]): string[] {
  return inText(
    files,
    /(?<![\w.:/-])\/(?:home|Users|root|work)\/\w|\b[A-Z]:\\Users\b/g,
    "no machine path",
  );
}

/** Built-ins that each realm has its own of; an error of the platform is none of a test runner's. */
const builtIns =
  "(?:\\w*Error|DOMException|Promise|(?:Weak)?(?:Map|Set)|Date|RegExp|Array|Object|Function|" +
  "(?:Shared)?ArrayBuffer|DataView|Buffer|\\w+Array|Abort(?:Signal|Controller)|Headers|URL)";

/** Error classes of the library, which have the names of no built-in. */
const ownErrors = "(?!(?:Type|Range|Syntax|Reference|Eval|URI|Aggregate)?Error\\b)\\w+Error\\b";

/**
 * `instanceof` of a built-in, which is false for one of another realm, and of a class in a variable,
 * which may be one; `actors/realm.ts` and `util.types` say what a value is in any realm.
 */
export function realmBound(files: readonly SourceFile[]): string[] {
  const pattern = new RegExp(
    `\\binstanceof\\s+(?!${ownErrors})(?:globalThis\\.)?(?:${builtIns}\\b|[a-z]\\w*)`,
    "g",
  );
  return inCode(files, pattern, "no instanceof of a built-in");
}

/** Work that was left for later. */
export function leftovers(files: readonly SourceFile[]): string[] {
  return inText(files, /\b(?:TODO|FIXME|XXX)\b/g, "no leftover mark");
}

function inCode(files: readonly SourceFile[], pattern: RegExp, rule: string): string[] {
  const masked = files.map(({ path, text }) => ({ path, text: maskLiterals(text) }));
  return inText(masked, pattern, rule);
}

function inText(files: readonly SourceFile[], pattern: RegExp, rule: string): string[] {
  return files.flatMap(({ path, text }) =>
    [...text.matchAll(pattern)].map((match) => `${path}:${lineAt(text, match.index)}: ${rule}`),
  );
}

/** Calls that change a scope. */
const changes =
  "(?:patchState|setState|incState|pushState|appendState|setStateRecord|deleteStateRecord|" +
  "atomicState|update)";

/**
 * Functions that change a scope and then return or send its `.state` as their result: it may have
 * the changes of other calls by then, so five replies at once say 5, 5, 5, 5, 5. A function that is
 * named `wrong` shows that.
 */
export function statesAsResult(files: readonly SourceFile[]): string[] {
  return files.flatMap(({ path, text }) =>
    [
      ...maskLiterals(text).matchAll(
        new RegExp(`\\bawait (?<scope>[\\w.?]+?)\\??\\.${changes}\\(`, "g"),
      ),
    ]
      .map(({ index, groups }) => ({ index, scope: groups?.["scope"] ?? "" }))
      .filter(({ index, scope }) => givesState(text.slice(index, endOfBlock(text, index)), scope))
      .filter(({ index }) => !/\b(?:const|function) wrong\b[^;]*$/.test(text.slice(0, index)))
      .map(
        ({ index }) => `${path}:${lineAt(text, index)}: the state after a call is not its result`,
      ),
  );
}

/** Where the block around `start` ends; the end of the text is no end of a function. */
function endOfBlock(text: string, start: number): number {
  const masked = maskLiterals(text);
  let depth = 0;
  for (let at = start; at < masked.length; at += 1) {
    if (masked[at] === "{") depth += 1;
    if (masked[at] === "}") depth -= 1;
    if (depth < 0) return at;
  }
  return start;
}

function givesState(block: string, scope: string): boolean {
  const name = scope.replaceAll(/\W+/g, String.raw`\W+`);
  return new RegExp(
    String.raw`\b(?:return\b|(?:reply|respond|send|end|say)\()[^;]*\b${name}\W+state\b`,
  ).test(block);
}
