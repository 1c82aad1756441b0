/** Reading TypeScript as text: enough to find imports and forbidden words, no more. */

/** A file of the repository; `path` is relative to its root, with forward slashes. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** One import or re-export. */
export interface ImportEdge {
  readonly specifier: string;
  /** What a relative specifier names, from the repository root; undefined for a package. */
  readonly target: string | undefined;
  readonly line: number;
  /** `import type`, `export type`: nothing is loaded at run time. */
  readonly typeOnly: boolean;
  /** `import(…)`: loaded only when the code runs. */
  readonly dynamic: boolean;
}

/**
 * What the scanner blanks out. A template is taken as a whole: a forbidden word inside `${…}` is not
 * seen here, the linter still sees it. A slash starts a regular expression where no value precedes it.
 */
const token = new RegExp(
  [
    String.raw`(?<comment>\/\/[^\n]*|\/\*[\s\S]*?\*\/)`,
    String.raw`(?<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')`,
    String.raw`(?<template>${"`"}(?:\\[\s\S]|[^${"`"}\\])*${"`"})`,
    String.raw`(?<=[(,=:[!&|?{};+]\s*|\breturn\s+|=>\s*|^\s*)(?<regexp>\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n])+\/[a-z]*)`,
  ].join("|"),
  "gm",
);

/** The text with comments and the insides of literals blanked; offsets and lines stay true. */
export function maskLiterals(text: string): string {
  return text.replaceAll(token, (whole) => {
    if (whole.startsWith("//") || whole.startsWith("/*")) return blank(whole);
    const end = whole.startsWith("/") ? "" : whole.charAt(0);
    return whole.charAt(0) + blank(whole.slice(1, whole.length - end.length)) + end;
  });
}

/** The 1-based line of an offset. */
export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}

/** Every import, re-export and dynamic import with a literal specifier, in order. */
export function importsOf(file: SourceFile): ImportEdge[] {
  const masked = maskLiterals(file.text);
  const statement =
    /\b(?:import|export)\s+(?<type>type\s+)?[\w\s{},*$]*?\bfrom\s*"(?<named> *)"|\bimport\s*(?<call>\(\s*)?"(?<bare> *)"/dg;
  return [...masked.matchAll(statement)].map((match) => {
    const [start, end] = match.indices?.groups?.["named"] ??
      match.indices?.groups?.["bare"] ?? [0, 0];
    const specifier = file.text.slice(start, end);
    return {
      specifier,
      target: specifier.startsWith(".") ? resolveFrom(file.path, specifier) : undefined,
      line: lineAt(file.text, start),
      typeOnly: match.groups?.["type"] !== undefined,
      dynamic: match.groups?.["call"] !== undefined,
    };
  });
}

function blank(text: string): string {
  return text.replaceAll(/[^\n]/g, " ");
}

function resolveFrom(path: string, specifier: string): string {
  const base = new URL(path, "file:///");
  return decodeURIComponent(new URL(specifier, base).pathname.slice(1));
}
