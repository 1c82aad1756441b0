/**
 * Undo and redo follow one line of changes. A row that undo or redo made names its place in the
 * line, so the newest row says what is undone and redone next, in every process:
 *
 *     at     the version whose state it restored
 *     from   of an undo: the version in whose place it came; a redo goes back there
 *     rest   the version of the undo that is redone after that
 */
import type { JsonObject } from "../../actors/protocol.ts";
import { equal } from "../../actors/state/equal.ts";
import type { Past, PastChange, Present } from "./past.ts";

/** A state to go to; `historyNote` is kept with the change that does. */
export interface Restored {
  readonly state: object;
  readonly historyNote?: JsonObject | undefined;
}

/** See the head of this file. */
export class UndoLine {
  readonly #past: Past;

  constructor(past: Past) {
    this.#past = past;
  }

  /** What undo restores; `undefined`: there is nothing to undo. */
  async undone(present: Present): Promise<Restored | undefined> {
    const newest = await this.#past.exactly(present.version);
    if (newest === undefined) return undefined;
    const from = numberIn(newest.historyNote, "at") ?? newest.version;
    const rest = nextRedo(newest);
    for (let place = from; ;) {
      const group = await this.#groupAt(place);
      if (group === undefined) return undefined;
      const state = await this.#past.stateBefore(group.first, present);
      place = group.before;
      // A group without an effect is passed over, for there is nothing to see in its undo.
      if (equal(state, present.state)) continue;
      return { state, historyNote: { at: place, from, ...(rest !== undefined && { rest }) } };
    }
  }

  /** What redo restores; `undefined`: there is nothing to redo. */
  async redone(present: Present): Promise<Restored | undefined> {
    const newest = await this.#past.exactly(present.version);
    const version = newest && nextRedo(newest);
    const undo = version === undefined ? undefined : await this.#past.exactly(version);
    const at = numberIn(undo?.historyNote, "from");
    if (undo === undefined || at === undefined) return undefined;
    const rest = numberIn(undo.historyNote, "rest");
    // What an undo took back is the state before it, also when that version is no longer kept.
    const state = await this.#past.stateBefore(undo, present);
    return { state, historyNote: { at, ...(rest !== undefined && { rest }) } };
  }

  /** The first neighbour with the group of the change at `place`, and the place before. */
  async #groupAt(place: number): Promise<{ first: PastChange; before: number } | undefined> {
    const last = await this.#past.exactly(place);
    if (last === undefined) return undefined;
    const group = last.meta?.["group"];
    for (let first: PastChange = last; ;) {
      const previous: PastChange | undefined = await this.#past.exactly(first.since);
      const before: number = numberIn(previous?.historyNote, "at") ?? first.since;
      const change = before === first.since ? previous : await this.#past.exactly(before);
      const joins = group !== undefined && equal(change?.meta?.["group"], group);
      if (!joins || change === undefined) return { first, before };
      first = change;
    }
  }
}

/** The number in a field of a note. */
function numberIn(note: JsonObject | undefined, name: string): number | undefined {
  const value = note?.[name];
  return typeof value === "number" ? value : undefined;
}

/** The version of the undo that is redone after a change; `undefined`: none, as after others. */
function nextRedo({ operation, version, historyNote }: PastChange): number | undefined {
  return operation === "undo" ? version : numberIn(historyNote, "rest");
}
