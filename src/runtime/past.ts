/**
 * Reads the past of a scope from the rows of its history.
 *
 * Invariants
 *  P1  A state is returned only when the rows lead to it without a gap, from a row with a state or
 *      from the present state.
 *  P2  What the limits of the kind do not keep is gone, also while the store still has it.
 *  P3  A state is computed in the version of the kind that stored it, from a state of that version,
 *      and then lifted. The first change of a later version has the state before it as it was.
 */
import { CorruptStateError, HistoryGoneError } from "../../actors/errors.ts";
import type { CommittedChange } from "../../actors/protocol.ts";
import { storedState, type StateRule } from "../../actors/scope/options.ts";
import { applyPatches } from "../patches/apply-patches.ts";
import type { HistoryQuery } from "../stores/contract.ts";
import type { VersionedState } from "./kind-versions.ts";

/** Rows that are read at a time. A row has its state where it passes a multiple of this version. */
const PAGE = 128;
/** The same where a row with a state is looked for first: a small state has more of them. */
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
export interface PastScope extends StateRule {
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
      const range = below === Infinity ? { after } : { before: below, after };
      const page = await this.changes({ ...range, limit: PAGE });
      yield* page;
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE) return;
      below = last.version;
    }
  }

  /** The state at a version, or at a time. */
  async at(when: number | Date, present: Present, now: number): Promise<PastState> {
    const version = typeof when === "number" ? when : await this.#versionAt(when, present, now);
    if (version > present.version)
      throw new RangeError(`version ${version} is not yet there, the scope has ${present.version}`);
    const found = await this.find(version, present, now);
    return { ...found, state: storedState(found.state, this.#scope) };
  }

  /** The change that made a version; `undefined`: it is not there. */
  async exactly(version: number): Promise<PastChange | undefined> {
    const [change] = await this.changes({ before: version + 1, limit: 1 });
    return change?.version === version ? change : undefined;
  }

  /** The state at a version that is there, as it was stored. */
  async find(version: number, present: Present, now: number): Promise<PastState> {
    if (version === present.version) {
      const { timestamp } = (await this.exactly(version)) ?? { timestamp: version && now };
      return { ...present, timestamp };
    }
    // Nearly always the version has a row, and this reads all that is needed.
    let [change, ...later] = await this.#upFrom(version - 1, FIRST_PAGE);
    if (change?.version !== version)
      [change, ...later] = await this.changes({ before: version + 1, limit: 1 });
    if (change === undefined) return this.#beforeAll(present);
    const state = this.#scope.past.lift(await this.#stateAfter(change, present, later));
    return { version: change.version, timestamp: change.timestamp, state };
  }

  /** Version 0, if the history reaches back to it. */
  async #beforeAll(present: Present): Promise<PastState> {
    const [oldest] = await this.changes({ oldestFirst: true, limit: 1 });
    if (oldest?.since === 0) return { version: 0, timestamp: 0, state: this.#scope.initial };
    throw this.#gone(oldest?.version ?? present.version);
  }

  /** The state before a change, as today's schema wants it. */
  async stateBefore(change: PastChange, present: Present): Promise<object> {
    if (change.since === 0) return this.#scope.initial;
    const { kindVersion, state: after } = await this.#stateAfter(change, present);
    const found = { kindVersion, state: this.#before(after, change) };
    return this.stored(this.#scope.past.lift(found));
  }

  /** Reads up to a state and goes back from it (P1, P3); `read` are the changes that follow. */
  async #stateAfter(
    change: PastChange,
    present: Present,
    read: readonly PastChange[] = [],
  ): Promise<VersionedState> {
    const later: PastChange[] = [];
    let last = change;
    let base = this.#baseAt(last, present);
    for (let [page, every] = [read, FIRST_PAGE]; base === undefined; page = []) {
      if (page.length === 0) {
        page = await this.#upFrom(last.version, every);
        every = PAGE;
      }
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

  /** The rows above `after`, to the next version that is a multiple of `every`. */
  #upFrom(after: number, every: number): Promise<PastChange[]> {
    const limit = Math.ceil((after + 1) / every) * every - after;
    return this.changes({ after, limit, oldestFirst: true });
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

  /** The state as it may be stored today. */
  stored(state: object): object {
    return storedState(state, this.#scope);
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
