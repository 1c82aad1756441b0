/** Code blocks of a Markdown page and what the page says about them. */
import type { SourceFile } from "./source-text.ts";

/** A fenced block. */
export interface DocBlock {
  /** Where its first line of code stands: `README.md:12`. */
  readonly place: string;
  /** The first word after the fence: `ts`, `sh`, `text`. */
  readonly language: string;
  /** The rest of that line. */
  readonly note: string;
  readonly code: string;
}

/** A block that is run as a module. */
export interface Example {
  readonly place: string;
  readonly language: "ts" | "js";
  readonly code: string;
  /** What it must print: the `text` block that follows it; absent: anything. */
  readonly output: string | undefined;
  /** The server it is run with; its URL is in REDIS_URL or POSTGRES_URL then. */
  readonly needs?: ServerName;
}

/** A server an example can ask for: `needs redis` after the language. */
export type ServerName = "redis" | "postgres";

/** All fenced blocks of a page, in order. A block that is not closed is an error. */
export function blocksOf(page: SourceFile): DocBlock[] {
  return fencesOf(page).map(({ block }) => block);
}

/**
 * The blocks to run: every `ts` and `js` block without `no-run`. `no-run` needs a reason after it,
 * since an example nobody runs is one nobody keeps true. `needs redis` or `needs postgres` asks for
 * a server.
 */
export function examplesOf(page: SourceFile): Example[] {
  const fences = fencesOf(page);
  return fences.flatMap(({ block }, index) => {
    const { place, language, note, code } = block;
    if (language !== "ts" && language !== "js") return [];
    if (note === "no-run") throw new Error(`${place}: no-run without a reason`);
    if (note.startsWith("no-run ")) return [];
    const needs = note === "needs redis" ? "redis" : "postgres";
    const server = note === `needs ${needs}` ? ({ needs } as const) : {};
    if (note !== "" && !("needs" in server)) throw new Error(`${place}: unknown note "${note}"`);
    const next = fences[index + 1];
    const output =
      next?.adjoins === true && next.block.language === "text" ? next.block.code : undefined;
    return [{ place, language, code, output, ...server }];
  });
}

/** The npm scripts that the `sh` blocks of a page call. */
export function scriptsOf(page: SourceFile): string[] {
  const shell = blocksOf(page).filter(({ language }) => language === "sh");
  return shell.flatMap(({ code }) =>
    [...code.matchAll(/\bnpm (?:run (?:-s )?(?<run>[\w:-]+)|(?<short>test|start)\b)/g)].map(
      ({ groups }) => groups?.["run"] ?? groups?.["short"] ?? "",
    ),
  );
}

interface Fence {
  readonly block: DocBlock;
  /** Nothing but blank lines stands between it and the block before it. */
  readonly adjoins: boolean;
}

function fencesOf({ path, text }: SourceFile): Fence[] {
  const lines = text.split("\n");
  const fences: Fence[] = [];
  let adjoins = false;
  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index] ?? "";
    const opening = /^```(?<language>\S*)(?:\s+(?<note>.*\S))?\s*$/.exec(line);
    if (opening === null) {
      adjoins &&= line.trim() === "";
      continue;
    }
    const end = lines.indexOf("```", index + 1);
    const place = `${path}:${index + 2}`;
    if (end < 0) throw new Error(`${place}: the block is not closed`);
    const { language = "", note = "" } = opening.groups ?? {};
    const code = `${lines.slice(index + 1, end).join("\n")}\n`;
    fences.push({ block: { place, language, note, code }, adjoins });
    adjoins = true;
    index = end;
  }
  return fences;
}
