import { ordinalOf } from "./index-data.ts";
import type { FieldSet, Plan } from "./plan.ts";

/** Ascending positions of one part of a query in one document. */
type Positions = ArrayLike<number>;

/**
 * True when the parts of a query are near each other in a document: within `slop` other words, and
 * on request in order. Parts without positions (tags, ranges, excluded terms) do not count.
 */
export function isNear(
  parts: readonly Plan[],
  document: number,
  slop: number,
  inOrder: boolean,
): boolean {
  const lists: Positions[] = [];
  for (const part of parts) {
    const positions = positionsOf(part, document);
    if (positions.length > 0) lists.push(positions);
  }
  if (lists.length < 2) return true;
  return inOrder ? isNearInOrder(lists, slop) : isNearAnyOrder(lists, slop);
}

function positionsOf(plan: Plan, document: number): Positions {
  if (plan.kind === "term") {
    const entry = plan.posting.find(document);
    if (entry === -1) return [];
    return inFields(plan.posting.positionsAt(entry), plan.fields);
  }
  if (plan.kind !== "union" && plan.kind !== "every") return [];
  const lists = plan.parts.map((part) => positionsOf(part, document));
  const filled = lists.filter((list) => list.length > 0);
  if (filled.length === 1) return filled[0] ?? [];
  const merged = filled.flatMap((list) => Array.from(list));
  return merged.sort((a, b) => a - b);
}

function inFields(positions: readonly number[], fields: FieldSet): Positions {
  if (fields === undefined) return positions;
  return positions.filter((position) => fields.has(ordinalOf(position)));
}

/** Takes one position of each part, and always advances the lowest. */
function isNearAnyOrder(lists: readonly Positions[], slop: number): boolean {
  const cursors = lists.map(() => 0);
  const positions = lists.map((list) => list[0] ?? Infinity);
  let highest = Math.max(...positions);
  for (;;) {
    const lowest = Math.min(...positions);
    // One word for two parts spans nothing, which does not count as near.
    if (lowest !== highest && highest - lowest - (lists.length - 1) <= slop) return true;
    const lagging = positions.indexOf(lowest);
    const cursor = (cursors[lagging] ?? 0) + 1;
    const next = lists[lagging]?.[cursor];
    if (next === undefined) return false;
    cursors[lagging] = cursor;
    positions[lagging] = next;
    highest = Math.max(highest, next);
  }
}

/** Tries each position of the first part and advances each later part to its next position. */
function isNearInOrder(lists: readonly Positions[], slop: number): boolean {
  const cursors = lists.map(() => 0);
  const first = lists[0] ?? [];
  for (let start = 0; start < first.length; start++) {
    let last = first[start] ?? 0;
    let gap = 0;
    for (let part = 1; part < lists.length && gap <= slop; part++) {
      const next = nextAfter(lists[part] ?? [], cursors, part, last);
      if (next === undefined) return false;
      gap += next - last - 1;
      last = next;
    }
    if (gap <= slop) return true;
  }
  return false;
}

/**
 * Advances a part's cursor to its first position after `last`, which only grows: the cursor never
 * moves back.
 */
function nextAfter(
  list: Positions,
  cursors: number[],
  part: number,
  last: number,
): number | undefined {
  let cursor = cursors[part] ?? 0;
  while (cursor < list.length && (list[cursor] ?? 0) <= last) cursor += 1;
  cursors[part] = cursor;
  return list[cursor];
}
