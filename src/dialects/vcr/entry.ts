/**
 * The content of one key: a text, a map, a list or nothing, and its expiry.
 *
 * Invariants
 *  N1  A state without content is the empty state, which has no record in the store.
 *  N2  An expired entry reads as nothing, also before it is removed.
 *  N3  Reading an entry changes nothing; writing to an expired one starts a new one.
 */
import type { DraftState } from "../../../actors/state/draft-state.ts";
import { Failure, failure } from "./error.ts";
import {
  isStoredList,
  lengthOf,
  PART_MAX,
  spliced,
  type ListEdit,
  type Splice,
  type StoredList,
} from "./list-parts.ts";

/** The state of a key's scope. Field names have a colon as prefix, which keeps their order. */
export interface EntryState {
  /** JSON, or the text of another program. */
  readonly text?: string;
  readonly map?: Readonly<Record<string, string>>;
  readonly list?: StoredList;
  /** Milliseconds since the epoch; absent or 0 = never. */
  readonly expiresAt?: number;
  /** The end of its session, in the same form. */
  readonly endsAt?: number;
}

/** The context of a command besides its arguments. */
export interface EntryContext {
  readonly now: number;
  /** The end of the session; 0 = never. */
  readonly endsAt: number;
}

const NOTHING: EntryState = Object.freeze({});
const MARK = ":";

/** The expiry of a state, for the runtime: 0 = there is no record. */
export function livesUntil(state: EntryState): number {
  if (state.text === undefined && state.map === undefined && state.list === undefined) return 0;
  return Math.min(state.expiresAt || Infinity, state.endsAt || Infinity);
}

/** The fields of a map in the order of their first writing. */
export function fieldsOf(map: Readonly<Record<string, string>>): [string, string][] {
  return Object.entries(map).map(([name, value]) => [name.slice(MARK.length), value]);
}

/** The state as it reads at `now`. */
export function readState(state: object, now: number): EntryState {
  // The stored state of a key was written as an entry; each content is checked when it is read.
  const entry = state as EntryState;
  return livesUntil(entry) > now ? entry : NOTHING;
}

/** The text of a state; `undefined` when there is none. Throws `WRONGTYPE`. */
export function textOf(state: EntryState): string | undefined {
  if (state.map !== undefined || state.list !== undefined) throw failure("WRONGTYPE");
  if (state.text !== undefined && typeof state.text !== "string") throw damaged();
  return state.text;
}

function damaged(): Failure {
  return new Failure("CORRUPT_STATE", "the stored entry is damaged; it was not changed");
}

/** One key while a command runs. */
export class Entry {
  readonly now: number;
  readonly #draft: DraftState;
  readonly #endsAt: number;

  constructor(draft: DraftState, context: EntryContext) {
    this.#draft = draft;
    this.now = context.now;
    this.#endsAt = context.endsAt;
  }

  get exists(): boolean {
    return this.#state !== NOTHING;
  }

  /** The key's own expiry; 0 = never. */
  get expiresAt(): number {
    return this.#state.expiresAt ?? 0;
  }

  set expiresAt(time: number) {
    this.#draft.set("expiresAt", time);
  }

  /** Throws `WRONGTYPE` when it is not a text. */
  get text(): string | undefined {
    return textOf(this.#state);
  }

  /** Throws `WRONGTYPE` when it is not a map. */
  get map(): Readonly<Record<string, string>> | undefined {
    const { text, list, map } = this.#state;
    if (text !== undefined || list !== undefined) throw failure("WRONGTYPE");
    if (map !== undefined && (typeof map !== "object" || map === null)) throw damaged();
    return map;
  }

  /** Throws `WRONGTYPE` when it is not a list. */
  get list(): StoredList | undefined {
    const { text, list, map } = this.#state;
    if (text !== undefined || map !== undefined) throw failure("WRONGTYPE");
    if (list !== undefined && !isStoredList(list)) throw damaged();
    return list;
  }

  /** One field of the map. */
  field(name: string): string | undefined {
    const { map } = this;
    return map !== undefined && Object.hasOwn(map, MARK + name) ? map[MARK + name] : undefined;
  }

  /** Replaces the content, of any type. */
  setText(text: string, expiresAt: number): void {
    const ends = this.#endsAt === 0 ? {} : { endsAt: this.#endsAt };
    const expires = expiresAt === 0 ? {} : { expiresAt };
    this.#draft.replace(Object.freeze({ text, ...expires, ...ends }));
  }

  setField(name: string, value: string): void {
    this.#begin();
    this.#draft.setKey("map", MARK + name, value);
  }

  deleteField(name: string): void {
    this.#draft.deleteKey("map", MARK + name);
    if (Object.keys(this.map ?? {}).length === 0) this.clear();
  }

  /** Adds items at the end of the list, or makes the list; without items does nothing. */
  push(items: readonly string[]): void {
    const { list } = this;
    if (list !== undefined && ("parts" in list || list.length + items.length > PART_MAX)) {
      this.edit(spliced(list, { at: lengthOf(list), remove: 0, add: items }));
      return;
    }
    this.#begin();
    for (const item of items) this.#draft.push("list", item);
  }

  /** Removes items of the existing list, and inserts others at that position. */
  splice(splice: Splice): void {
    const { list } = this;
    if (list !== undefined) this.edit(spliced(list, splice));
  }

  /** Changes the existing list; without remaining items the key is removed. */
  edit({ list, patches, inverse }: ListEdit): void {
    if (patches.length === 0) return;
    if (lengthOf(list) === 0) return this.clear();
    this.#draft.take(Object.freeze({ ...this.#draft.expose(), list }), patches, inverse);
  }

  clear(): void {
    this.#draft.replace(NOTHING);
  }

  get #state(): EntryState {
    const text = this.#draft.get("text");
    const map = this.#draft.get("map");
    const list = this.#draft.get("list");
    const expiresAt = this.#draft.get("expiresAt");
    const endsAt = this.#draft.get("endsAt");
    // As in `readState`: the contents are checked where they are read.
    return readState({ text, map, list, expiresAt, endsAt }, this.now);
  }

  #begin(): void {
    if (this.exists) return;
    this.#draft.replace(NOTHING); // The previous content has expired.
    if (this.#endsAt !== 0) this.#draft.set("endsAt", this.#endsAt);
  }
}
