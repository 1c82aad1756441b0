/** `holdfast ls`: the scopes of a store by their keys. */
import { decodeKey, type KeyParts, keyPrefix } from "../runtime/scope-key.ts";
import type { StateStore } from "../stores/contract.ts";
import { type Task, wrong } from "./options.ts";
import { first, type Printer, printList, scopeWord } from "./printer.ts";

/** Prints the scopes of a namespace, or of a type in it. */
export async function listScopes(
  store: StateStore,
  task: Task,
  printer: Printer,
): Promise<boolean> {
  await printList(task, printer, first(task.limit, scopes(store, scopePrefix(task))), {
    document: ({ type, id }) => ({ type, id }),
    line: ({ type, id }) => scopeWord(type, id),
  });
  return true;
}

/** What the keys of the scopes that a task names begin with. */
export function scopePrefix({ operands: [, type], namespace, prefix, verb }: Task): string {
  if (type === undefined && prefix !== "") throw wrong("--prefix needs a TYPE", verb);
  return keyPrefix(namespace, type) + prefix;
}

async function* scopes(store: StateStore, prefix: string): AsyncGenerator<KeyParts> {
  for await (const key of store.list({ prefix })) {
    const parts = decodeKey(key);
    if (parts !== undefined) yield parts;
  }
}
