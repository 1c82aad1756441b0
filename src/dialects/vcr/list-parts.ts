/**
 * A stored list, and its changes.
 *
 * Up to `PART_MAX` items are one array. A longer list is stored in parts, `{ parts: [[…], […]] }`:
 * a change copies one part and the table of parts, and its patches name items. A release that
 * supports only plain arrays treats such a list as damaged: it rejects the list's commands with
 * `CORRUPT_STATE` and does not change the record.
 *
 * Invariants
 *  L1  A list in parts has at least one part, and no part is empty. Only `without` and `spliced`
 *      make one, and no part they make has more than `PART_MAX` items.
 *  L2  The patches of an edit lead from the list before to the list after, and the inverse back.
 *  L3  A longer array, as older releases stored it, is read as it is and is put in parts by its
 *      first change.
 */
import type { Patch } from "../../../actors/protocol.ts";

/**
 * The maximum number of items in a part: near the root of the number of items of the intended
 * lists.
 */
export const PART_MAX = 512;
/** At this many times the necessary number of parts, a list is put in parts again. */
const SPARSE = 4;

type Items = readonly string[];
type Path = readonly (string | number)[];

/** The value stored under `list`: JSON texts. Frozen, or private. */
export type StoredList = Items | { readonly parts: readonly Items[] };

/** A list after a change. Without patches nothing has changed. */
export interface ListEdit {
  readonly list: StoredList;
  readonly patches: readonly Patch[];
  readonly inverse: readonly Patch[];
}

/** The index, how many items to remove there, and the items to insert there. */
export interface Splice {
  readonly at: number;
  readonly remove: number;
  readonly add: Items;
}

/** The number of items of each list in parts that was checked or made here (L1). */
const lengths = new WeakMap<object, number>();

/** True for a `StoredList`, as far as reading requires. */
export function isStoredList(value: unknown): value is StoredList {
  if (Array.isArray(value)) return true;
  if (typeof value !== "object" || value === null || !("parts" in value)) return false;
  if (lengths.has(value)) return true;
  const { parts } = value;
  if (!Array.isArray(parts) || parts.length === 0) return false;
  if (!parts.every((part) => Array.isArray(part) && part.length > 0)) return false;
  inParts(value as { parts: readonly Items[] }); // Sound: it was checked above.
  return true;
}

/** Records the length of a list in parts. */
function inParts<L extends { readonly parts: readonly Items[] }>(list: L): L {
  let length = 0;
  for (const part of list.parts) length += part.length;
  lengths.set(list, length);
  return list;
}

/** The parts of a list in their order; an empty array is one empty part. */
export function partsOf(list: StoredList): readonly Items[] {
  return "parts" in list ? list.parts : [list];
}

/** The number of items. */
export function lengthOf(list: StoredList): number {
  return "parts" in list ? (lengths.get(list) ?? 0) : list.length;
}

/** The items from `start` up to `end`, which is not included; a new array. */
export function itemsOf(list: StoredList, start = 0, end: number = lengthOf(list)): string[] {
  const items: string[] = [];
  let first = 0;
  for (const part of partsOf(list)) {
    const last = Math.min(part.length, end - first);
    for (let at = Math.max(0, start - first); at < last; at++) items.push(part[at] ?? "");
    first += part.length;
    if (first >= end) break;
  }
  return items;
}

/** The index of the first item that `test` accepts; -1 when there is none. */
export function positionOf(list: StoredList, test: (item: string) => boolean): number {
  let first = 0;
  for (const part of partsOf(list)) {
    const found = part.findIndex(test);
    if (found >= 0) return first + found;
    first += part.length;
  }
  return -1;
}

/** The list after a splice; `at` and `at + remove` are in the list. */
export function spliced(list: StoredList, { at, remove, add }: Splice): ListEdit {
  if (!("parts" in list)) return editWhole(list, withSplice(list, { at, remove, add }));
  const edit = new PartsEdit(list.parts);
  const last = list.parts.length - 1;
  // From the end, so that the indexes of the remaining parts do not change.
  let end = lengthOf(list);
  const isLast = at === end;
  for (let index = last; index >= 0; index--) {
    const part = list.parts[index] ?? [];
    const start = end - part.length;
    const takes = start <= at && (at < end || (isLast && index === last));
    const from = Math.max(at, start);
    const gone = Math.max(0, Math.min(at + remove, end) - from);
    if (gone > 0 || takes) {
      const splice = { at: from - start, remove: gone, add: takes ? add : [] };
      edit.replace(index, withSplice(part, splice), growthOf(at, isLast));
    }
    if (start <= at) break;
    end = start;
  }
  return edit.done();
}

/** The list without the items that `test` rejects; tested from the end if `reversed`. */
export function without(
  list: StoredList,
  test: (item: string) => boolean,
  reversed: boolean,
): ListEdit {
  const parts = partsOf(list);
  const kept = (reversed ? parts.toReversed() : parts).map((part) =>
    reversed ? part.toReversed().filter(test).toReversed() : part.filter(test),
  );
  if (reversed) kept.reverse();
  const length = kept.reduce((sum, part) => sum + part.length, 0);
  if (!("parts" in list)) return editWhole(list, kept.flat());
  if (parts.length > SPARSE * Math.ceil(length / PART_MAX)) return editWhole(list, kept.flat());
  const edit = new PartsEdit(parts);
  for (let index = parts.length - 1; index >= 0; index--)
    edit.replace(index, kept[index] ?? [], "middle");
  return edit.done();
}

/** Where a part that is too long has grown. */
type Growth = "start" | "middle" | "end";

function growthOf(at: number, isLast: boolean): Growth {
  if (isLast) return "end";
  return at === 0 ? "start" : "middle";
}

/** A frozen array is copied by a spread: its `slice` takes many times as long. */
function withSplice(items: Items, { at, remove, add }: Splice): string[] {
  const next = [...items];
  next.splice(at, remove, ...add);
  return next;
}

/** An edit of a list that is one array, or becomes one, or is put in parts again. */
function editWhole(before: StoredList, items: Items): ListEdit {
  const path = ["list"];
  if (!("parts" in before) && before.length <= PART_MAX && items.length <= PART_MAX)
    return { list: Object.freeze(items), ...patchesBetween(path, before, items) };
  if (lengthOf(before) === items.length && positionOf(before, differsFrom(items)) < 0)
    return { list: before, patches: [], inverse: [] };
  const parts = cut(items, "end").map((part) => Object.freeze(part));
  const list =
    items.length > PART_MAX
      ? inParts(Object.freeze({ parts: Object.freeze(parts) }))
      : Object.freeze([...items]);
  return {
    list,
    patches: [{ op: "replace", path, value: list }],
    inverse: [{ op: "replace", path, value: before }],
  };
}

/** A test for all items in order: true for an item that `items` does not have at its index. */
function differsFrom(items: Items): (item: string) => boolean {
  let at = 0;
  return (item) => item !== items[at++];
}

/** Pieces of at most `PART_MAX` items; the piece with room is where the list has grown. */
function cut(items: Items, growth: Growth): Items[] {
  if (items.length <= PART_MAX) return items.length === 0 ? [] : [items];
  const size = growth === "middle" ? Math.ceil(items.length / 2) : PART_MAX;
  if (size > PART_MAX) return cut(items, "end");
  const rest = growth === "start" ? items.length % size : 0;
  const pieces: Items[] = rest === 0 ? [] : [items.slice(0, rest)];
  for (let at = rest; at < items.length; at += size) pieces.push(items.slice(at, at + size));
  return pieces;
}

/** The replacement of parts, from the last to the first. */
class PartsEdit {
  readonly #before: readonly Items[];
  readonly #parts: Items[];
  readonly #patches: Patch[] = [];
  readonly #inverse: Patch[] = [];

  constructor(parts: readonly Items[]) {
    this.#before = parts;
    this.#parts = [...parts];
  }

  /** Replaces the part `index` by `items`: in no part, in one, or in more. */
  replace(index: number, items: Items, growth: Growth): void {
    const before = this.#before[index] ?? [];
    const pieces = cut(items, growth).map((piece) => Object.freeze(piece));
    const kept = growth === "start" ? pieces.length - 1 : 0;
    const piece = pieces[kept];
    if (piece === undefined) return this.#remove(index, before);
    const { patches, inverse } = patchesBetween(["list", "parts", index], before, piece);
    if (patches.length === 0 && pieces.length === 1) return;
    this.#note(patches, inverse);
    this.#parts.splice(index, 1, ...pieces);
    pieces.forEach((each, at) => {
      if (at !== kept) this.#added(index + at, each);
    });
  }

  done(): ListEdit {
    const list = inParts(Object.freeze({ parts: Object.freeze(this.#parts) }));
    return { list, patches: this.#patches, inverse: this.#inverse };
  }

  #remove(index: number, before: Items): void {
    const path = ["list", "parts", index];
    this.#parts.splice(index, 1);
    this.#note([{ op: "remove", path }], [{ op: "add", path, value: before }]);
  }

  #added(index: number, value: Items): void {
    const path = ["list", "parts", index];
    this.#note([{ op: "add", path, value }], [{ op: "remove", path }]);
  }

  #note(patches: readonly Patch[], inverse: readonly Patch[]): void {
    this.#patches.push(...patches);
    this.#inverse.unshift(...inverse);
  }
}

/** The change of one array: item by item when few change, else as a whole. */
function patchesBetween(path: Path, before: Items, next: Items): Omit<ListEdit, "list"> {
  const shorter = Math.min(before.length, next.length);
  let start = 0;
  while (start < shorter && before[start] === next[start]) start += 1;
  let same = 0;
  while (same < shorter - start && before.at(-1 - same) === next.at(-1 - same)) same += 1;
  const gone = before.slice(start, before.length - same);
  const come = next.slice(start, next.length - same);
  if (gone.length + come.length > 2 + next.length / SPARSE)
    return {
      patches: [{ op: "replace", path, value: next }],
      inverse: [{ op: "replace", path, value: before }],
    };
  const at = [...path, start];
  return {
    patches: itemPatches(at, gone, come),
    inverse: itemPatches(at, come, gone),
  };
}

/** Removes and inserts items at one index. */
function itemPatches(path: Path, gone: Items, come: Items): Patch[] {
  const [only] = come;
  if (gone.length === 1 && come.length === 1) return [{ op: "replace", path, value: only }];
  const removed = gone.map((): Patch => ({ op: "remove", path }));
  // Each is inserted before the previous one.
  return [...removed, ...come.toReversed().map((value): Patch => ({ op: "add", path, value }))];
}
