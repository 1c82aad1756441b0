/**
 * Work that needs the scope to itself for as long as it takes: delete, refresh, and a hold, by
 * which others (a transaction, a dialect's turn) keep a scope while they do something of their own.
 *
 * Invariants
 *  W1  ExclusiveTask work starts when everything submitted before it is confirmed, and nothing submitted
 *      after it starts before it ended or left.
 *  W2  Work that left changes nothing any more, except a write that was under way: then the caller
 *      was told `COMMIT_UNKNOWN` and the scope reads the store before it goes on.
 *  W3  A state whose time is over is ended once, at its version, by whatever comes first: it is
 *      gone with a `delete`, or gives way to what another process wrote.
 */
import { foundIn, readAnswer } from "./save-answer.ts";
import { adopt, commitDeletion } from "./commit.ts";
import type { ScopeCore } from "./scope-core.ts";
import {
  CommitUnknownError,
  ConcurrentModificationError,
  isHoldfastError,
  StoreContractError,
} from "../errors.ts";
import type { Call, ExclusiveTask } from "./mailbox.ts";
import { resolveConflict, type SaveStep } from "./retry.ts";
import type { PersistBridge, SaveResult } from "../protocol.ts";
import type { CasBudget } from "./options.ts";

/** Reads the store and takes over what it holds. */
export function refreshWork(cell: ScopeCore): ExclusiveTask {
  return {
    reloads: true,
    task: async (call) => {
      const isWanted = (): boolean => !call.settled;
      // The read rejects with what keeps it from ending, or does not depend on it.
      if (!cell.stale) await endLife(cell, isWanted).catch(() => undefined);
      await cell.reload(isWanted, true);
      return false;
    },
  };
}

/**
 * Reads the store if it is known to have moved on, and has not been read meanwhile; ends the state
 * if its time is over.
 */
export function catchUpWork(cell: ScopeCore): ExclusiveTask {
  return {
    reloads: true,
    task: async (call) => {
      await prepare(cell, () => !call.settled);
      return false;
    },
  };
}

/** Makes the state known and in time, so that something may build on it. */
export async function prepare(cell: ScopeCore, isWanted: () => boolean): Promise<void> {
  if (cell.stale) await cell.reload(isWanted);
  await endLife(cell, isWanted);
}

/**
 * Ends a state whose time is over, in the turn of the work that would build on it; does nothing to
 * one that is in time. Rejects with what the store threw, and then the state is still over (W3).
 */
export async function endLife(cell: ScopeCore, isWanted: () => boolean): Promise<void> {
  while (isOver(cell) && isWanted()) {
    const { version } = cell;
    const caller: Caller = {
      get settled() {
        return !isWanted();
      },
      resolve: () => undefined,
    };
    try {
      await new Deletion(cell, caller, { unknown: false }, "expire").run(NO_RETRY);
    } catch (error) {
      if (isHoldfastError(error, "COMMIT_UNKNOWN")) await cell.reload(isWanted);
      else if (!isHoldfastError(error, "CONCURRENT_MODIFICATION")) throw error;
      // The scope went to what the store holds; a store without anything newer failed.
      if (isOver(cell) && cell.version === version) throw error;
    }
  }
}

function isOver({ overdue }: ScopeCore): boolean {
  return overdue === true;
}

/** Removes the record and goes back to the initial state. */
export function deleteWork(cell: ScopeCore): ExclusiveTask {
  const work = {
    unknown: false,
    task: (call: Call): Promise<boolean> => new Deletion(cell, call, work).run(),
  };
  return work;
}

/** One attempt; a conflict rejects. */
const NO_RETRY = { maxRetries: 0, escalate: false };

/** Whom a deletion is for. */
type Caller = Pick<Call, "settled" | "resolve"> & Partial<Pick<Call, "cause">>;

class Deletion {
  readonly #cell: ScopeCore;
  readonly #caller: Caller;
  readonly #work: { unknown: boolean };
  readonly #why: "delete" | "expire";
  #deleted = false;
  #expected = 0;

  constructor(
    cell: ScopeCore,
    caller: Caller,
    work: { unknown: boolean },
    why: "delete" | "expire" = "delete",
  ) {
    this.#cell = cell;
    this.#caller = caller;
    this.#work = work;
    this.#why = why;
  }

  async run(budget?: Partial<CasBudget>): Promise<boolean> {
    const { settings, exists, identity: scope } = this.#cell;
    if (!exists) await this.#look(); // Somebody else may have written it since.
    if ((await this.#attempt()) !== "conflict") return this.#deleted;
    const cas = { ...settings.cas, ...budget };
    const attempt = (): Promise<SaveStep> => this.#attempt();
    const work = resolveConflict({ ...settings, cas, attempt, exclusive: this.#exclusive() });
    const end = await work.end;
    if (end.kind === "failed") throw end.error;
    if (end.kind === "givenUp") {
      const { attempts } = end;
      const fields = {
        attempts,
        expectedVersion: this.#expected,
        actualVersion: this.#cell.version,
      };
      throw new ConcurrentModificationError(fields, { scope });
    }
    return this.#deleted;
  }

  #look(): Promise<void> {
    return this.#cell.reload(() => !this.#caller.settled);
  }

  /** One more attempt, on the store's record, while nobody else can write it. */
  #exclusive(): (() => Promise<SaveStep>) | undefined {
    const { bridge } = this.#cell;
    const exclusive = bridge?.exclusive?.bind(bridge);
    if (exclusive === undefined) return undefined;
    return () =>
      exclusive(async () => {
        await this.#look();
        return this.#attempt();
      });
  }

  async #attempt(): Promise<SaveStep> {
    const { bridge, version, exists, identity: scope } = this.#cell;
    if (this.#caller.settled || !(exists || this.#isBlind)) return "empty";
    this.#expected = version;
    if (bridge === null) return this.#done();
    const answer = readAnswer(await this.#written(bridge, version));
    this.#work.unknown = false; // At once with the answer: whoever leaves before it cannot know.
    if (this.#caller.settled) return "empty"; // It left; the scope is stale and will look (W2).
    if ("current" in answer) {
      adopt(this.#cell, foundIn(answer));
      return "conflict";
    }
    if (answer.received !== version + 1) {
      this.#cell.stale = true;
      const fields = { expected: version + 1, received: answer.received };
      throw new StoreContractError(fields, { scope });
    }
    if (exists) return this.#done();
    adopt(this.#cell, { state: undefined, version: version + 1 }); // There was nothing indeed.
    return "empty";
  }

  /** The bridge cannot be asked what it has, but refuses to delete what is not known here. */
  get #isBlind(): boolean {
    const { bridge } = this.#cell;
    return bridge !== null && bridge.load === undefined && bridge.delete !== undefined;
  }

  async #written(bridge: PersistBridge<object>, version: number): Promise<SaveResult<object>> {
    this.#work.unknown = true;
    try {
      return await this.#remove(bridge, version);
    } catch (cause) {
      this.#work.unknown = false;
      if (!isHoldfastError(cause, "COMMIT_UNKNOWN")) throw cause;
      this.#cell.stale = true;
      throw new CommitUnknownError({ scope: this.#cell.identity, cause });
    }
  }

  /** A bridge without `delete` is given the initial state to save. */
  #remove(bridge: PersistBridge<object>, version: number): Promise<SaveResult<object>> {
    if (bridge.delete !== undefined) return bridge.delete(version);
    const { initial } = this.#cell.settings;
    return bridge.save(initial, version, {
      version: version + 1,
      patches: [{ op: "replace", path: [], value: initial }],
      operations: ["delete"],
    });
  }

  #done(): SaveStep {
    this.#deleted = true;
    const { cause } = this.#caller;
    // The call resolves now, and not when an exclusive turn has given its place back.
    commitDeletion(this.#cell, this.#why, { cause, settle: () => this.#caller.resolve(true) });
    return "saved";
  }
}

/** A scope kept by somebody who does something of his own with it. */
export interface Hold {
  /** Rejects when the hold is lost: timeout, abort, stop. Nothing may be committed any more. */
  readonly lost: Promise<never>;
  /** Its work is over; the mailbox goes on. */
  release(): void;
  /** Says whether a write is under way, so that losing the hold means an unknown outcome (W2). */
  writing(isWriting: boolean): void;
  /** True once it was released or lost. */
  readonly ended: boolean;
  /** True once it was released: then `lost` may never settle. */
  readonly released: boolean;
}

/**
 * Submits work that keeps a scope until it is released; resolves when the scope's turn has come.
 */
export function takeHold(submit: (work: ExclusiveTask) => Promise<boolean>): Promise<Hold> {
  return new Promise((resolve, reject) => {
    const work = {
      unknown: false,
      task: (call: Call): Promise<boolean> =>
        new Promise((release) => {
          let released = false;
          resolve({
            get lost() {
              return lost; // Not made yet when an idle scope grants at once.
            },
            release: () => {
              released = true;
              release(false);
            },
            writing: (isWriting) => {
              work.unknown = isWriting;
            },
            get ended() {
              return released || call.settled;
            },
            get released() {
              return released;
            },
          });
        }),
    };
    const lost = submit(work).then(() => new Promise<never>(() => undefined));
    // Before the turn has come this is the refusal; afterwards the holder races its work with
    // `lost`.
    lost.catch(reject);
  });
}
