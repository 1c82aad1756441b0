/**
 * `SingleState`: one record per user, with the original's curried methods.
 *
 * Invariants
 *  U1  A user whose scope the runtime unloaded is dropped here too, soon after. The stored state
 *      returns with `open`, and with the user's next update.
 *  U2  At most one record per user has pending updates, whichever view made them.
 *  U3  Every method works unbound: flows detach them and pass them on.
 */
import { botHome, sender, type BotHome, type BotStateOptions } from "./options.ts";
import type { Scope } from "../../runtime/scope.ts";
import { StateRecord, type BotRecord, type BotUpdate } from "./record.ts";

/** Identifies the user: the sender of a message. */
export interface BotContext {
  readonly from: string;
}

/** One user's state, for handlers. */
export interface StateView {
  /** A copy of the record; `undefined` before the first update and after `clear`. */
  readonly getMyState: () => BotRecord | undefined;
  /** A copy of the value at a dot path, or of the whole record. */
  readonly get: (path?: string) => unknown;
  /** Merges fields, or what a function makes of the record, atomically. */
  readonly update: (change: BotUpdate) => Promise<void>;
  /** Ends the record; true when there was one. */
  readonly clear: () => boolean;
}

/** How many records are checked for eviction each time a record is added. */
const LOOKS = 8;

/** State per user. `from` must be a text that is not empty, else methods throw `TypeError`. */
export class SingleState {
  readonly #home: BotHome;
  readonly #records = new Map<string, StateRecord>();

  constructor(options: BotStateOptions = {}) {
    this.#home = botHome("SingleState", options);
  }

  /** `updateState(ctx)(fields)`: visible before the call returns, resolved when stored. */
  readonly updateState = (context?: BotContext): ((change: BotUpdate) => Promise<void>) => {
    const from = context === undefined ? UNNAMED : sender(context.from);
    return (change) => this.#record(from).update(change);
  };

  /** `getMyState(from)()` */
  readonly getMyState = (from: string): (() => BotRecord | undefined) => {
    const known = this.#known(sender(from));
    return () => known()?.read();
  };

  /** `get(from)(path)` */
  readonly get = (from: string): ((path?: string) => unknown) => {
    const known = this.#known(sender(from));
    return (path) => known()?.get(path);
  };

  /** The records of the users that are in memory. */
  readonly getAllState = (): IterableIterator<BotRecord> => this.#all();

  /** `clear(from)()`: true when there was a record. */
  readonly clear = (from: string): (() => boolean) => {
    sender(from);
    return () => this.#record(from).clear();
  };

  /** Ends every record, in memory at once and then in the store. */
  readonly clearAll = async (): Promise<void> => {
    const records = [...this.#records.values()];
    const done = Promise.all(records.map((record) => record.cleared()));
    const { runtime } = this.#home;
    let cursor: string | undefined;
    do {
      const page = await runtime.list({
        type: "builderbot.user",
        ...(cursor === undefined ? {} : { cursor }),
      });
      await Promise.all(page.ids.map((id) => this.#record(id.slice(ID_PREFIX.length)).cleared()));
      cursor = page.cursor;
    } while (cursor !== undefined);
    await done;
  };

  /**
   * Resolves to a user's view once the stored state is in memory, including changes of other
   * processes. After that a view shows what this process knows: its own changes, and other
   * processes' changes as the store reports them or with the next `open` or update.
   */
  readonly open = async (from: string): Promise<StateView> => {
    const record = this.#record(sender(from));
    await record.ready();
    return this.#view(from, record);
  };

  /** One user's state with `from` filled in. */
  readonly view = (from: string): StateView => this.#view(sender(from));

  /** A view keeps the record it was opened with, so it continues to show it. */
  #view(from: string, record?: StateRecord): StateView {
    if (record !== undefined) {
      const known = (): StateRecord => this.#record(from, record);
      return {
        getMyState: () => known().read(),
        get: (path) => known().get(path),
        update: (change) => known().update(change),
        clear: () => known().clear(),
      };
    }
    return {
      getMyState: this.getMyState(from),
      get: this.get(from),
      update: this.updateState({ from }),
      clear: this.clear(from),
    };
  }

  *#all(): Generator<BotRecord> {
    for (const record of this.#records.values()) {
      const shown = record.read();
      if (shown !== undefined) yield shown;
    }
  }

  #known(from: string): () => StateRecord | undefined {
    return () => this.#records.get(from);
  }

  /** The record of a user (U2): the existing one, else `own`, else a new one. */
  #record(from: string, own?: StateRecord): StateRecord {
    const found = this.#records.get(from);
    if (found !== undefined) return found;
    const { runtime, logger } = this.#home;
    const open = (): Promise<Scope<BotRecord>> => runtime.open("builderbot.user", ID_PREFIX + from);
    const record = own ?? new StateRecord(open, logger, runtime);
    this.#forgetPassive();
    this.#records.set(from, record);
    return record;
  }

  /** Checks the records that were not checked for longest (U1). */
  #forgetPassive(): void {
    let looks = LOOKS;
    for (const [from, record] of this.#records) {
      if (looks-- === 0) return;
      this.#records.delete(from);
      if (!record.isPassive) this.#records.set(from, record); // Moves to the end.
    }
  }
}

/** The original's default sender, of `updateState()` without a context. */
const UNNAMED = "";

/** A scope id is never empty; a sender may be empty. */
const ID_PREFIX = "user:";
