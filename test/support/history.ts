/** Scopes with a history, and random changes of them. */
import * as fc from "fast-check";
import type { MutationOptions } from "../../actors/protocol.ts";
import { defineKind, type Kind } from "../../src/runtime/kinds.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import type { HistoryEntry, HistoryOptions } from "../../src/runtime/scope-types.ts";
import type { Scope } from "../../src/runtime/scope.ts";

/** The state of the kinds. */
export interface Doc {
  n?: number;
  text?: string;
  list?: unknown[];
  map?: Record<string, unknown>;
}

/** Kinds that keep many changes, three, and none. */
export const KINDS: Readonly<Record<"doc" | "few" | "plain", Kind<Doc>>> = {
  doc: defineKind<Doc>({ history: 1_000 }),
  few: defineKind<Doc>({ history: 3 }),
  plain: defineKind<Doc>({}),
};

/** Opens a scope. */
export function open(runtime: Runtime, type: string, id = "a"): Promise<Scope<Doc>> {
  return runtime.open<Doc>(type, id);
}

/** All entries of a history. */
export async function historyOf(
  scope: Scope<Doc>,
  options?: HistoryOptions,
): Promise<HistoryEntry[]> {
  const entries: HistoryEntry[] = [];
  for await (const entry of scope.history(options)) entries.push(entry);
  return entries;
}

/** The versions of a history. */
export async function versionsOf(scope: Scope<Doc>, options?: HistoryOptions): Promise<number[]> {
  return (await historyOf(scope, options)).map(({ version }) => version);
}

/** One random change. */
type Act = (scope: Scope<Doc>, options?: MutationOptions) => Promise<unknown>;

const value = fc.oneof(
  fc.integer(),
  fc.constantFrom(Number.NaN, -0, undefined, null),
  fc.string(),
  fc.date({ noInvalidDate: true }),
  fc.array(fc.integer(), { maxLength: 3 }),
  fc.dictionary(fc.string({ maxLength: 3 }), fc.integer(), { maxKeys: 2 }),
);
const key = fc.constantFrom("a", "b", "__proto__", "$holdfast");

/** A random change, also back in the history. */
export const act: fc.Arbitrary<Act> = fc.oneof(
  fc.integer({ min: -2, max: 2 }).map(
    (n): Act =>
      (scope, options) =>
        scope.incState({ n }, options),
  ),
  value.map(
    (each): Act =>
      (scope, options) =>
        scope.pushState("list", each, options),
  ),
  fc.tuple(key, value).map(
    ([name, each]): Act =>
      (scope, options) =>
        scope.setStateRecord("map", name, each, options),
  ),
  key.map(
    (name): Act =>
      (scope, options) =>
        scope.deleteStateRecord("map", name, options),
  ),
  fc.record({ n: fc.integer(), text: fc.string() }).map(
    (next): Act =>
      (scope, options) =>
        scope.setState(next, options),
  ),
  fc.constant<Act>((scope, options) =>
    scope.update((draft) => {
      draft.list?.splice(0, 1);
      draft.text = `${draft.text ?? ""}!`;
    }, options),
  ),
  fc.constant<Act>((scope, options) => scope.undo(options)),
  fc.constant<Act>((scope, options) => scope.redo(options)),
  fc.nat().map(
    (at): Act =>
      (scope, options) =>
        scope.rewind(at % (scope.version + 1), options),
  ),
);

/** Adds one so many times. */
export async function count(scope: Scope<Doc>, times: number): Promise<void> {
  for (let n = 0; n < times; n += 1) await scope.incState({ n: 1 });
}
