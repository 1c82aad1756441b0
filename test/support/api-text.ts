/** What the entry points export and which options there are, read from the sources as text. */
import { posix } from "node:path";
import type { SourceFile } from "./source-text.ts";

/** One exported name and where it is declared. */
export interface Declaration {
  readonly name: string;
  readonly path: string;
  /** True when a docstring stands right before it. */
  readonly isDocumented: boolean;
}

const DECLARED =
  /^export (?:declare )?(?:async )?(?:abstract )?(?:class|function\*?|const|interface|type|enum) (?<name>\w+)/gm;

/** The declarations behind an entry point. A name that is found nowhere has no docstring. */
export function exportsOf(path: string, files: readonly SourceFile[]): Declaration[] {
  const text = files.find((file) => file.path === path)?.text ?? "";
  const declared = [...text.matchAll(DECLARED)].map(({ index, groups }) => ({
    name: groups?.["name"] ?? "",
    path,
    isDocumented: text.slice(0, index).trimEnd().endsWith("*/"),
  }));
  const first = declared.filter(
    ({ name }, index) => declared.findIndex((other) => other.name === name) === index,
  );
  return [...first, ...passedOn(path, text, files)];
}

function passedOn(path: string, text: string, files: readonly SourceFile[]): Declaration[] {
  const statement = /^export (?:type )?(?:\*|\{(?<names>[^}]*)\}) from "(?<specifier>\.[^"]+)";/gm;
  return [...text.matchAll(statement)].flatMap(({ groups }) => {
    const target = posix.join(posix.dirname(path), groups?.["specifier"] ?? "");
    const found = exportsOf(target, files);
    const names = groups?.["names"];
    if (names === undefined) return found;
    return names
      .split(",")
      .map((each) =>
        each
          .trim()
          .replace(/^type /, "")
          .replace(/ as .*$/, ""),
      )
      .filter((name) => name !== "")
      .map(
        (name) =>
          found.find((each) => each.name === name) ?? { name, path: target, isDocumented: false },
      );
  });
}

/**
 * The names of the members of an interface, those it extends included. The first of `files` that
 * declares it counts.
 */
export function membersOf(name: string, files: readonly SourceFile[]): string[] {
  const start = new RegExp(String.raw`^export interface ${name}\b(?<head>[^{]*)\{`, "m");
  for (const { text } of files) {
    const found = start.exec(text);
    if (found === null) continue;
    const body = text.slice(found.index, text.indexOf("\n}", found.index));
    const own = [...body.matchAll(/^ {2}(?:readonly )?(?<member>\w+)\??:/gm)];
    const bases = found.groups?.["head"]?.match(/\b[A-Z]\w+\b/g) ?? [];
    return [
      ...own.map(({ groups }) => groups?.["member"] ?? ""),
      ...bases.flatMap((base) => (base === name ? [] : membersOf(base, files))),
    ];
  }
  return [];
}

/** The names in code of a page: in blocks and in backticks. */
export function namesInCode(page: SourceFile): string[] {
  const code = page.text.match(/^```[\s\S]*?^```$|`[^`\n]+`/gm) ?? [];
  return code.flatMap((each) => each.match(/\w+/g) ?? []);
}
