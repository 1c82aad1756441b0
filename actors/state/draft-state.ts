/**
 * The draft state: the state under construction, and the only place where a state is written.
 *
 * A draft is written copy-on-write, one level at a time, and makes immer-format patches by hand
 * (immer drafts cost 20 to 140 times as much). A node is copied at most once until the state is
 * exposed: copies made here are *owned* and written in place; `expose` freezes them and ends the
 * ownership.
 *
 *        root (owned after the first write)          expose() freezes the owned nodes only:
 *       /   |    \                                   all others are frozen already.
 *    field field  field (owned after a write below it)
 *             \
 *              values (frozen when they came in)
 *
 * It does not decide what a mutation means (mutations do), when it runs (the executor does) or
 * whether it counts (the committer does).
 *
 * Invariants
 *  A1  A write method either writes completely or throws before it wrote anything.
 *  A2  Every node reachable from `#state` is frozen or owned; no code outside has seen an owned
 *      node.
 *  A3  An equal write changes nothing: no copy, no patch, `changed` stays as it was.
 *  A4  Replaying `patches` on the state at `begin` gives the state now; `inverse` undoes it,
 *      applied in its own order.
 *  A5  Only own properties are read, and `__proto__` is written as an ordinary own key.
 *  A6  The extras of the draft are those of its state object.
 */
import { StateTypeError } from "../errors.ts";
import { difference } from "./diff.ts";
import { equal } from "./equal.ts";
import { type Extras, extrasOf, setExtras, withExtras } from "./extras.ts";
import { copyArray, copyRecord } from "./patches.ts";
import type { Patch, ScopeIdentity } from "../protocol.ts";
import { isPlainObject, typeName } from "./copy.ts";
import { addSize, carrySize, dropSize } from "./size.ts";

/** A plain object node of a state. */
export type RecordNode = Record<string, unknown>;

type Path = readonly (string | number)[];

/** Reads an own property; anything inherited reads as missing. */
export function ownValue(node: object, key: string): unknown {
  return Object.hasOwn(node, key) ? (node as RecordNode)[key] : undefined;
}

/** Adds a key to a node, or overwrites it. */
function assign(node: RecordNode, key: string, value: unknown): void {
  if (key !== "__proto__") {
    node[key] = value;
    return;
  }
  const descriptor = { value, writable: true, enumerable: true, configurable: true };
  Object.defineProperty(node, key, descriptor);
}

/** The patches that remove the elements `from` … `to - 1`, the last one first, and then `rest`. */
function removals(field: string, from: number, to: number, rest: readonly Patch[]): Patch[] {
  const removed: Patch[] = [];
  for (let at = to - 1; at >= from; at -= 1) removed.push({ op: "remove", path: [field, at] });
  return [...removed, ...rest];
}

/** The state under construction; see the head of this file. */
export class DraftState {
  /** True when something was written since `begin`. */
  changed = false;
  /** The changes since `begin`, or `null` when they are not recorded. */
  patches: Patch[] | null = null;
  /** The inverse of the changes, in the order in which to apply it; `null` as above. */
  inverse: Patch[] | null = null;
  /** The scope of the state; named in errors. */
  readonly scope: ScopeIdentity;
  #state: RecordNode;
  #rootOwned = false;
  #owned: Set<object> | null = null;

  /** `state` must be deep-frozen. */
  constructor(state: object, scope: ScopeIdentity) {
    this.scope = scope;
    // `copyIn` has checked that a state is a plain object; its fields are read as unknown.
    this.#state = state as RecordNode;
  }

  /** Starts a new change; records patches if `recording`, inverse patches if `undoable`. */
  begin(recording: boolean, undoable: boolean = recording): void {
    this.changed = false;
    this.patches = recording ? [] : null;
    this.inverse = undoable ? [] : null;
  }

  /** The state for readers: deep-frozen. Ends the ownership of all nodes. */
  expose(): object {
    if (this.#rootOwned) {
      if (this.#owned !== null) for (const node of this.#owned) Object.freeze(node);
      this.#owned = null;
      this.#rootOwned = false;
      Object.freeze(this.#state);
    }
    return this.#state;
  }

  /** Replaces the state by another deep-frozen one without recording a change. */
  reset(state: object): void {
    this.#state = state as RecordNode; // A plain object, as in the constructor.
    this.#rootOwned = false;
    this.#owned = null;
    this.changed = false;
  }

  /** The value of a field; `undefined` when missing. For internal use: it may be owned. */
  get(field: string): unknown {
    return ownValue(this.#state, field);
  }

  /** Writes one field. `value` must be frozen. */
  set(field: string, value: unknown): void {
    const had = Object.hasOwn(this.#state, field);
    const before = had ? this.#state[field] : undefined;
    if (had && (typeof value === "object" ? equal(before, value) : Object.is(before, value)))
      return;
    if (this.patches !== null) this.#recordSet([field], had, before, value);
    const root = this.#rootOwned ? this.#state : this.#ownRoot();
    if (had) root[field] = value; // An own key, so even `__proto__` is simply overwritten.
    else assign(root, field, value);
    this.changed = true;
  }

  /** Replaces the whole state. `next` must be frozen. */
  replace(next: object): void {
    if (equal(this.#state, next)) return;
    const before = this.expose();
    this.#take(next);
    this.#record(
      { op: "replace", path: [], value: next },
      { op: "replace", path: [], value: before },
    );
    this.changed = true;
  }

  /** Appends to the array in `field`; a missing field starts as an empty array. */
  push(field: string, value: unknown): void {
    this.append(field, [value]);
  }

  /** Appends frozen values in order, as `push` does; the cost does not depend on the array. */
  append(field: string, values: readonly unknown[]): void {
    const before = this.get(field);
    if (before !== undefined && !Array.isArray(before))
      throw this.#wrongType(field, "an array", before);
    if (values.length === 0) return;
    if (before === undefined) return this.#create(field, [...values], Object.freeze([...values]));
    const node = this.#ownField(field, before);
    const from = node.length;
    for (const value of values) {
      this.patches?.push({ op: "add", path: [field, node.length], value });
      node.push(value);
      addSize(node, value);
    }
    if (this.inverse !== null) this.inverse = removals(field, from, node.length, this.inverse);
    this.changed = true;
  }

  /** Writes one key of the record in `field`; a missing field starts as an empty record. */
  setKey(field: string, key: string, value: unknown): void {
    const before = this.get(field);
    if (before === undefined) {
      const created: RecordNode = {};
      assign(created, key, value);
      return this.#create(field, created, Object.freeze({ ...created }));
    }
    if (!isPlainObject(before)) throw this.#wrongType(field, "a record", before);
    const had = Object.hasOwn(before, key);
    const current = had ? before[key] : undefined;
    if (had && equal(current, value)) return;
    if (this.patches !== null) this.#recordSet([field, key], had, current, value);
    const node = this.#ownField(field, before);
    if (had) dropSize(node, current, key);
    assign(node, key, value);
    addSize(node, value, key);
    this.changed = true;
  }

  /** Removes one key of the record in `field`; nothing happens when either is missing. */
  deleteKey(field: string, key: string): void {
    const before = this.get(field);
    if (before === undefined) return;
    if (!isPlainObject(before)) throw this.#wrongType(field, "a record", before);
    if (!Object.hasOwn(before, key)) return;
    const value = before[key];
    this.#record({ op: "remove", path: [field, key] }, { op: "add", path: [field, key], value });
    const node = this.#ownField(field, before);
    delete node[key];
    dropSize(node, value, key);
    this.changed = true;
  }

  /** Adopts a state that other code made from the present one; an equal one changes nothing. */
  adopt(next: object): void {
    const before = this.expose();
    const found = difference(before, next, this.scope, this.patches !== null);
    if (found.state !== before) this.take(found.state, found.patches, found.inverse);
  }

  /** Takes a frozen state made elsewhere, with the patches that lead to it and back. */
  take(next: object, patches: readonly Patch[], inverse: readonly Patch[]): void {
    this.#take(next);
    this.#rootOwned = false;
    this.#owned = null;
    if (this.patches !== null) this.patches = this.patches.concat(patches);
    if (this.inverse !== null) this.inverse = inverse.concat(this.inverse);
    this.changed = true;
  }

  /** What the record keeps beside the state; it stays when the state is replaced. */
  get extras(): Extras | null {
    return extrasOf(this.#state);
  }

  /** Changes the extras: a change of the record without a patch of the state. */
  keep(extras: Extras): void {
    setExtras(this.#ownRoot(), extras);
    this.changed = true;
  }

  /** Makes a frozen object the state, with the present extras (A6). */
  #take(next: object): void {
    this.#state = withExtras(next, this.extras) as RecordNode; // A plain object, by the callers.
  }

  /** Puts a new container into a field. It is owned; the patch gets a frozen twin of it. */
  #create(field: string, container: object, twin: object): void {
    const had = Object.hasOwn(this.#state, field);
    if (this.patches !== null) this.#recordSet([field], had, undefined, twin);
    assign(this.#ownRoot(), field, container);
    this.#own(container);
    this.changed = true;
  }

  #ownRoot(): RecordNode {
    if (!this.#rootOwned) {
      const extras = extrasOf(this.#state);
      this.#state = copyRecord(this.#state);
      if (extras !== null) setExtras(this.#state, extras);
      this.#rootOwned = true;
    }
    return this.#state;
  }

  #own(node: object): void {
    if (this.#owned === null) this.#owned = new Set();
    this.#owned.add(node);
  }

  #ownField<N extends unknown[] | RecordNode>(field: string, node: N): N {
    if (this.#owned?.has(node) === true) return node;
    // The copy has the shape of the node: an array stays an array, a record a record.
    const copy = (Array.isArray(node) ? copyArray(node) : copyRecord(node)) as N;
    carrySize(node, copy);
    assign(this.#ownRoot(), field, copy);
    this.#own(copy);
    return copy;
  }

  #recordSet(path: Path, had: boolean, before: unknown, value: unknown): void {
    // A replaced container is no longer part of the state and never written again.
    if (typeof before === "object" && before !== null && this.#owned?.delete(before) === true)
      Object.freeze(before);
    this.#record(
      { op: had ? "replace" : "add", path, value },
      had ? { op: "replace", path, value: before } : { op: "remove", path },
    );
  }

  #record(patch: Patch, inverse: Patch): void {
    if (this.patches !== null) this.patches.push(patch);
    if (this.inverse !== null) this.inverse.unshift(inverse);
  }

  #wrongType(path: string, expected: string, received: unknown): StateTypeError {
    return new StateTypeError(
      { path, expected, received: typeName(received) },
      { scope: this.scope },
    );
  }
}
