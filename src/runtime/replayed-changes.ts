/**
 * `changes({ since })` of a scope with a history: the changes after a version, of all
 * processes, and then those to come.
 *
 *     history after `since` ──▶ live change ──▶ live change of another process: what the history
 *          │ not kept, lifted since                has up to it, each change by itself
 *          └──▶ one snapshot marker
 *
 * Invariants
 *  C1  Each version comes once, in order, without a gap, as long as the history has it; a marker
 *      stands for what it does not have, and then nothing older comes.
 *  C2  The reader is registered when `changes` is called: what is committed from then on is
 *      buffered while the history is read.
 *  C3  However it ends, also by a store that could not be read, nothing of it is registered then.
 */
import type {
  FeedItem,
  ScopeIdentity,
  SnapshotMarker,
  StateChange,
} from "../../actors/protocol.ts";
import type { DeepReadonly } from "../../actors/state-types.ts";
import type { PastChange, PastSource } from "./past.ts";

/** Changes that are read at a time. */
const PAGE = 128;

/** The scope whose changes are read. */
export interface ReplayedScope<S> {
  readonly identity: ScopeIdentity;
  readonly state: DeepReadonly<S>;
  readonly version: number;
  readonly past: PastSource;
  /** Makes the scope current. */
  read(): Promise<unknown>;
}

/** What is read. */
export interface Replay<S> {
  /** The last version that the reader has. */
  readonly since: number;
  /** The changes from now on; the version of the scope now. */
  readonly live: AsyncIterableIterator<FeedItem<S>>;
  readonly version: number;
  readonly signal: AbortSignal | undefined;
}

/** See the head of this file. */
export class ReplayedChanges<S> implements AsyncIterableIterator<FeedItem<S>> {
  readonly #scope: ReplayedScope<S>;
  readonly #replay: Replay<S>;
  readonly #items: AsyncGenerator<FeedItem<S>, undefined, undefined>;
  #last: number;
  /** After a deletion the versions may begin anew. */
  #mayRestart = false;
  #ended = false;

  constructor(scope: ReplayedScope<S>, replay: Replay<S>) {
    this.#scope = scope;
    this.#replay = replay;
    this.#last = replay.since;
    this.#items = this.#all();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<FeedItem<S>, undefined>> {
    return this.#items.next();
  }

  async return(): Promise<IteratorResult<FeedItem<S>, undefined>> {
    this.#ended = true;
    await this.#replay.live.return?.(); // Ends a wait for the next change.
    return this.#items.return(undefined);
  }

  async *#all(): AsyncGenerator<FeedItem<S>, undefined, undefined> {
    try {
      return yield* this.#followed();
    } finally {
      await this.#replay.live.return?.(); // Else a read that failed leaves its buffer to fill (C3).
    }
  }

  async *#followed(): AsyncGenerator<FeedItem<S>, undefined, undefined> {
    const { since, version, live } = this.#replay;
    await this.#scope.read();
    if (since > this.#scope.version) yield this.#marker();
    else if (since < version) yield* this.#upTo(version, undefined);
    for await (const item of live) {
      const isOld = item.version <= this.#last && !this.#mayRestart;
      if (isOld) continue;
      const isNext = item.type === "state_change" && item.version === this.#last + 1;
      if (this.#mayRestart || (isNext && item.origin === "local")) yield this.#passed(item);
      else yield* this.#upTo(item.version, item);
    }
    return undefined;
  }

  /** The changes up to a version by the history; `item`, or a marker, where it lacks one. */
  async *#upTo(
    version: number,
    item: FeedItem<S> | undefined,
  ): AsyncGenerator<FeedItem<S>, undefined, undefined> {
    if (isDelete(item)) return yield this.#passed(item);
    while (this.#last < version) {
      if (this.#ended || this.#replay.signal?.aborted === true) return undefined;
      const query = { after: this.#last, before: version + 1, limit: PAGE, oldestFirst: true };
      const page = await this.#scope.past.changes(query);
      for (const change of page) {
        if (!this.#follows(change)) return yield this.#instead(item);
        this.#last = change.version;
        yield this.#changeOf(change);
      }
      if (page.length === 0) return yield this.#instead(item);
    }
    return undefined;
  }

  /** True for a change that can be applied to the state before it. */
  #follows({ since, kind }: PastChange): boolean {
    return since === this.#last && kind === this.#scope.past.kindVersion;
  }

  /** What has the whole state stands for the versions before it. */
  #instead(item: FeedItem<S> | undefined): FeedItem<S> {
    const isWhole = item?.type === "snapshot" || item?.operation === "refresh";
    return isWhole ? this.#passed(item) : this.#marker();
  }

  #passed(item: FeedItem<S>): FeedItem<S> {
    this.#last = item.version;
    this.#mayRestart = isDelete(item);
    return item;
  }

  #marker(): SnapshotMarker<S> {
    const { identity: scope, version, state } = this.#scope;
    this.#last = version;
    return { type: "snapshot", scope, version, state };
  }

  #changeOf(change: PastChange): StateChange<S> {
    const { version, operation, patches, inversePatches, timestamp, meta } = change;
    const fields = { version, operation, patches, inversePatches, timestamp };
    const { identity: scope } = this.#scope;
    return {
      type: "state_change",
      scope,
      ...fields,
      origin: "remote", // It was read.
      ...(meta !== undefined && { meta }),
    };
  }
}

/** True for a deletion: there is no history before it. */
function isDelete<S>(item: FeedItem<S> | undefined): item is StateChange<S> {
  return item?.type === "state_change" && item.operation === "delete";
}
