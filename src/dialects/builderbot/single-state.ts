/**
 * `SingleState`: one record per user, with the original's curried methods.
 */
import { botHome, type BotHome, type BotStateOptions } from "./options.ts";
import { StateRecord, type BotRecord, type BotUpdate } from "./record.ts";

/** Whose state: the sender of a message. */
export interface BotContext {
  readonly from: string;
}

/** One user's state as a handler sees it. */
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

/** State per user. */
export class SingleState {
  readonly #home: BotHome;
  readonly #records = new Map<string, StateRecord>();

  constructor(options: BotStateOptions = {}) {
    this.#home = botHome(options);
  }

  /** `updateState(ctx)(fields)`: visible before the call returns, resolved when stored. */
  updateState(context: BotContext = { from: "" }): (change: BotUpdate) => Promise<void> {
    return (change) => this.#record(context.from).update(change);
  }

  /** `getMyState(from)()` */
  getMyState(from: string): () => BotRecord | undefined {
    return () => this.#known(from)?.read();
  }

  /** `get(from)(path)` */
  get(from: string): (path?: string) => unknown {
    return (path) => this.#known(from)?.get(path);
  }

  /** The records of the users that are in memory. */
  *getAllState(): Generator<BotRecord> {
    for (const record of this.#records.values()) {
      const shown = record.read();
      if (shown !== undefined) yield shown;
    }
  }

  /** `clear(from)()`: true when there was a record. */
  clear(from: string): () => boolean {
    return () => this.#record(from).clear();
  }

  /** Ends every record, in memory at once and then in the store. */
  async clearAll(): Promise<void> {
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
  }

  /** Resolves to a user's view once his stored record is in memory. */
  async open(from: string): Promise<StateView> {
    await this.#record(from).ready();
    return this.view(from);
  }

  /** One user's state with `from` filled in. */
  view(from: string): StateView {
    return {
      getMyState: this.getMyState(from),
      get: this.get(from),
      update: this.updateState({ from }),
      clear: this.clear(from),
    };
  }

  #known(from: string): StateRecord | undefined {
    return this.#records.get(from);
  }

  #record(from: string): StateRecord {
    let record = this.#records.get(from);
    if (record === undefined) {
      const { runtime, logger } = this.#home;
      const opening = runtime.open("builderbot.user", ID_PREFIX + from);
      record = new StateRecord(opening, logger, runtime);
      this.#records.set(from, record);
    }
    return record;
  }
}

/** A scope id is never empty; a sender may be. */
const ID_PREFIX = "user:";
