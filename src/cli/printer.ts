/** Where a command prints, and in which form. */
import { Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
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
export function wordOf(text: string): string {
  return /^[^\s"\p{C}\p{Z}]+$/u.test(text) ? text : JSON.stringify(text);
}

/** A scope as one word of a line. */
export function scopeWord(type: string, id: string): string {
  return wordOf(`${type}/${id}`);
}

/** How the items of a list are printed. */
export interface ListForm<T> {
  readonly document: (item: T) => unknown;
  readonly line: (item: T) => string;
}

/** Prints a list of any length as it comes: one JSON array, or a line for each item. */
export async function printList<T>(
  { json }: Pick<Task, "json">,
  { out }: Printer,
  items: AsyncIterable<T>,
  form: ListForm<T>,
): Promise<void> {
  const texts = json ? arrayText(items, form) : lineTexts(items, form);
  await pipeline(Readable.from(texts), out, { end: false });
}

async function* arrayText<T>(
  items: AsyncIterable<T>,
  { document }: ListForm<T>,
): AsyncGenerator<string> {
  let start = "[";
  for await (const item of items) {
    yield start + JSON.stringify(document(item));
    start = ",";
  }
  yield start === "[" ? "[]\n" : "]\n";
}

async function* lineTexts<T>(
  items: AsyncIterable<T>,
  { line }: ListForm<T>,
): AsyncGenerator<string> {
  for await (const item of items) yield `${line(item)}\n`;
}

/** The first items of a list. */
export async function* first<T>(count: number, items: AsyncIterable<T>): AsyncGenerator<T> {
  let left = count;
  for await (const item of items) {
    yield item;
    left -= 1;
    if (left <= 0) return;
  }
}
