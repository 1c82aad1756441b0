/**
 * Reads the past of a scope from the rows of its history.
 *
 * Undo follows one line of changes. A row that undo or redo made names its place in the line, so
 * the newest row says what is undone and redone next, in every process:
 *
 *     at     the version whose state it restored
 *     from   of an undo: the version in whose place it came; a redo goes back there
 *     rest   the version of the undo that is redone after that
 *
 * Invariants
 *  P1  A state is returned only when the rows lead to it without a gap, from a row with a state or
 *      from the present state.
 *  P2  What the limits of the kind do not keep is gone, also while the store still has it.
 *  P3  A state is computed in the version of the kind that stored it, from a state of that version,
 *      and then lifted. The first change of a later version has the state before it as it was.
 */
import { CorruptStateError, HistoryGoneError } from "../../actors/errors.ts";
import type { CommittedChange, JsonObject, ScopeIdentity } from "../../actors/protocol.ts";
import { storedState, type ScopeSettings } from "../../actors/scope/options.ts";
import { equal } from "../../actors/state/equal.ts";
import { applyPatches } from "../patches/apply-patches.ts";
import type { HistoryQuery } from "../stores/contract.ts";
import type { VersionedState } from "./kind-versions.ts";

/** Rows that are read at a time. */
const PAGE = 128;
/** Rows that are read first where a row with a state is looked for: a small state has one there. */
const FIRST_PAGE = 32;
/** A scope without a history knows its state now; a time so shortly before is still now. */
const NOW_MS = 10;

/** A change in a history. */
export interface PastChange extends CommittedChange {
  /** The version of the kind that made it. */
  readonly kind: number;
  /** The state after it, in some changes. */
  readonly state: object | undefined;
  /** The state before it, when another version of the kind had stored that (P3). */
  readonly before?: VersionedState | undefined;
}

/** Where the past of a scope is read. */
export interface PastSource {
  /** The version of the kind in this program. */
  readonly kindVersion: number;
  /** The present state as it is stored, when another version of the kind stored it. */
  readonly unlifted: VersionedState | null;
  /** The changes of its history that the kind keeps. */
  changes(query: HistoryQuery): Promise<PastChange[]>;
  lift(found: VersionedState): object;
}

/** The past of a scope without a history. */
export const NO_PAST: PastSource = Object.freeze({
  kindVersion: 1,
  unlifted: null,
  changes: () => Promise.resolve([]),
  lift: ({ state }: VersionedState) => state,
});

/** The scope whose past is read. */
export interface PastScope {
  readonly identity: ScopeIdentity;
  readonly settings: ScopeSettings;
  readonly past: PastSource;
}

/** A state with its version. */
export interface Present {
  readonly state: object;
  readonly version: number;
}

/** A state of the past. */
export interface PastState extends Present {
  readonly timestamp: number;
}

/** A state to go to; `trace` is kept with the change that does. */
export interface Restored {
  readonly state: object;
  readonly trace?: JsonObject | undefined;
}

/** See the head of this file. */
export class Past {
  readonly #scope: PastScope;

  constructor(scope: PastScope) {
    this.#scope = scope;
  }

  /** The changes that a query selects. */
  changes(query: HistoryQuery): Promise<PastChange[]> {
    return this.#scope.past.changes(query);
  }

  /** The changes below version `before`, newest first, in pages. */
  async *backwards(before: number, after: number): AsyncGenerator<PastChange> {
    for (let below = before; ;) {
      const page = await this.changes({ before: below, after, limit: PAGE });
      yield* page;
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE) return;
      below = last.version;
    }
  }

  /** The state at a version, or at a time. */
  async at(when: number | Date, present: Present, now: number): Promise<PastState> {
    const version = typeof when === "number" ? when : await this.#versionAt(when, present, now);
    const { settings, identity } = this.#scope;
    if (version > present.version)
      throw new RangeError(`version ${version} is not yet there, the scope has ${present.version}`);
    const found = await this.#find(version, present, now);
    return { ...found, state: storedState(found.state, settings, identity) };
  }

  /** What undo restores; `undefined`: there is nothing to undo. */
  async undone(present: Present): Promise<Restored | undefined> {
    const newest = await this.#exactly(present.version);
    if (newest === undefined) return undefined;
    const from = traced(newest.trace, "at") ?? newest.version;
    const rest = nextRedo(newest);
    for (let place = from; ;) {
      const group = await this.#groupAt(place);
      if (group === undefined) return undefined;
      const state = await this.#stateBefore(group.first, present);
      place = group.before;
      // A group without an effect is passed over, for there is nothing to see in its undo.
      if (equal(state, present.state)) continue;
      return { state, trace: { at: place, from, ...(rest !== undefined && { rest }) } };
    }
  }

  /** What redo restores; `undefined`: there is nothing to redo. */
  async redone(present: Present): Promise<Restored | undefined> {
    const newest = await this.#exactly(present.version);
    const version = newest && nextRedo(newest);
    const undo = version === undefined ? undefined : await this.#exactly(version);
    const at = traced(undo?.trace, "from");
    if (at === undefined || (await this.#exactly(at)) === undefined) return undefined;
    const rest = traced(undo?.trace, "rest");
    const { state } = await this.#find(at, present, 0);
    return { state: this.#stored(state), trace: { at, ...(rest !== undefined && { rest }) } };
  }

  /** The first neighbour with the group of the change at `place`, and the place before. */
  async #groupAt(place: number): Promise<{ first: PastChange; before: number } | undefined> {
    const last = await this.#exactly(place);
    if (last === undefined) return undefined;
    const group = last.meta?.["group"];
    for (let first: PastChange = last; ;) {
      const previous: PastChange | undefined = await this.#exactly(first.since);
      const before: number = traced(previous?.trace, "at") ?? first.since;
      const change = before === first.since ? previous : await this.#exactly(before);
      const joins = group !== undefined && equal(change?.meta?.["group"], group);
      if (!joins || change === undefined) return { first, before };
      first = change;
    }
  }

  async #exactly(version: number): Promise<PastChange | undefined> {
    const [change] = await this.changes({ before: version + 1, limit: 1 });
    return change?.version === version ? change : undefined;
  }

  async #find(version: number, present: Present, now: number): Promise<PastState> {
    const [change] = await this.changes({ before: version + 1, limit: 1 });
    if (version === present.version) {
      const isKnown = change?.version === version;
      return { ...present, timestamp: isKnown ? change.timestamp : version === 0 ? 0 : now };
    }
    if (change === undefined) return this.#beforeAll(present);
    const state = this.#scope.past.lift(await this.#stateAfter(change, present));
    return { version: change.version, timestamp: change.timestamp, state };
  }

  /** Version 0, if the history reaches back to it. */
  async #beforeAll(present: Present): Promise<PastState> {
    const [oldest] = await this.changes({ oldestFirst: true, limit: 1 });
    if (oldest?.since === 0)
      return { version: 0, timestamp: 0, state: this.#scope.settings.initial };
    throw this.#gone(oldest?.version ?? present.version);
  }

  /** The state that undo of a change restores. */
  async #stateBefore(change: PastChange, present: Present): Promise<object> {
    if (change.since === 0) return this.#scope.settings.initial;
    const { kindVersion, state: after } = await this.#stateAfter(change, present);
    const found = { kindVersion, state: this.#before(after, change) };
    return this.#stored(this.#scope.past.lift(found));
  }

  /** Reads up to a state and goes back from it (P1, P3). */
  async #stateAfter(change: PastChange, present: Present): Promise<VersionedState> {
    const later: PastChange[] = [];
    let last = change;
    let base = this.#baseAt(last, present);
    for (let limit = FIRST_PAGE; base === undefined; limit = PAGE) {
      const page = await this.changes({ after: last.version, limit, oldestFirst: true });
      if (page.length === 0) throw this.#gone(present.version);
      for (const next of page) {
        if (next.since !== last.version) throw this.#gone(next.version);
        base = next.before;
        if (base !== undefined) break;
        later.push(next);
        last = next;
        base = this.#baseAt(last, present);
        if (base !== undefined) break;
      }
    }
    if (base.kindVersion !== change.kind) throw this.#gone(last.version);
    const state = later.reduceRight((after, each) => this.#before(after, each), base.state);
    return { kindVersion: change.kind, state };
  }

  /** The state after a change, when no other has to be read for it. */
  #baseAt({ version, kind, state }: PastChange, present: Present): VersionedState | undefined {
    if (state !== undefined) return { kindVersion: kind, state };
    if (version !== present.version) return undefined;
    const { kindVersion, unlifted } = this.#scope.past;
    return kind === kindVersion || unlifted === null
      ? { kindVersion, state: present.state }
      : unlifted;
  }

  /** The version that was there at a time: of the last change of that millisecond. */
  async #versionAt(when: Date, present: Present, now: number): Promise<number> {
    const time = when.getTime();
    const [newest] = await this.changes({ before: present.version + 1, limit: 1 });
    if (newest === undefined) {
      if (present.version === 0 || time >= now - NOW_MS) return present.version;
      throw this.#gone(present.version);
    }
    if (newest.timestamp <= time) return present.version;
    const [oldest] = await this.changes({ oldestFirst: true, limit: 1 });
    if (oldest === undefined || oldest.timestamp > time) {
      if (oldest?.since === 0) return 0;
      throw this.#gone(oldest?.version ?? present.version);
    }
    return this.#lastAt(time, oldest.version, newest.version);
  }

  /** The last version of a time, from one that is not after it to one that is. */
  async #lastAt(time: number, from: number, to: number): Promise<number> {
    let [low, high] = [from, to];
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      const [found] = await this.changes({ before: middle + 1, limit: 1 });
      if (found === undefined) throw this.#gone(high); // Removed meanwhile.
      if (found.timestamp <= time) low = middle;
      else high = found.version;
    }
    return low;
  }

  #before(after: object, change: PastChange): object {
    try {
      return stateBefore(after, change);
    } catch (cause) {
      throw this.#damaged(change.version, cause);
    }
  }

  #stored(state: object): object {
    return storedState(state, this.#scope.settings, this.#scope.identity);
  }

  #gone(oldest: number): HistoryGoneError {
    return new HistoryGoneError({ oldest }, { scope: this.#scope.identity });
  }

  #damaged(version: number, cause: unknown): CorruptStateError {
    const { identity: scope } = this.#scope;
    const location = `change ${version} in the history of ${scope.type}/${scope.id}`;
    const reason = "it does not fit the state after it";
    return new CorruptStateError({ location, reason }, { scope, cause });
  }
}

/** The state before a change, given the one after it. */
export function stateBefore(after: object, { inversePatches }: CommittedChange): object {
  return applyPatches(after, inversePatches);
}

/** The number of a field of a trace. */
function traced(trace: JsonObject | undefined, name: string): number | undefined {
  const value = trace?.[name];
  return typeof value === "number" ? value : undefined;
}

/** The version of the undo that is redone after a change; `undefined`: none, as after others. */
function nextRedo({ operation, version, trace }: PastChange): number | undefined {
  return operation === "undo" ? version : traced(trace, "rest");
}
