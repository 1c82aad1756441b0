/** Where a command prints, and in which form. */
import type { Writable } from "node:stream";
import type { Task } from "./options.ts";
import type { Terminal } from "./progress.ts";

/** Where a command prints. */
export interface Printer {
  readonly out: Writable;
  readonly warn: (line: string) => void;
  /** Where progress is shown, if anywhere. */
  readonly terminal?: Terminal | undefined;
}

/** Prints the result of a command: its JSON document, or lines of text. */
export function printResult(
  { json }: Pick<Task, "json">,
  { out }: Printer,
  result: { readonly document: unknown; readonly lines: readonly string[] },
): void {
  if (json) out.write(`${JSON.stringify(result.document)}\n`);
  else for (const line of result.lines) out.write(`${line}\n`);
}

/** A text as one word of a line: as it is, or as JSON when a reader could mistake it. */
function wordOf(text: string): string {
  return /^[^\s"\p{C}\p{Z}]+$/u.test(text) ? text : JSON.stringify(text);
}

/** A scope as one word of a line. */
export function scopeWord(type: string, id: string): string {
  return wordOf(`${type}/${id}`);
}
