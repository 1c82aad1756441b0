/**
 * `GlobalState`: one record for the whole bot.
 */
import { copyIn } from "../../../actors/state/copy.ts";
import type { Scope } from "../../runtime/scope.ts";
import { botHome, type BotStateOptions } from "./options.ts";
import { StateRecord, type BotRecord, type BotUpdate } from "./record.ts";

/** The global state, for handlers. */
export interface GlobalStateView {
  readonly getMyState: () => BotRecord;
  readonly get: (path?: string) => unknown;
  readonly getAllState: () => IterableIterator<BotRecord>;
  readonly update: (change: BotUpdate) => Promise<void>;
  readonly clear: () => void;
}

/**
 * One record for all users; `{}` at the start and after `clear`. Every method works unbound, since
 * flows detach the methods and pass them on.
 */
export class GlobalState {
  /** The given object of initial values. */
  readonly RAW: BotRecord;
  /** `null`: the initial values cannot be stored. */
  readonly #initial: BotRecord | null;
  readonly #record: StateRecord;
  #starting: Promise<void> | null;

  /** `initial` is written when nothing is stored yet. */
  constructor(initial: BotRecord = {}, options: BotStateOptions = {}) {
    const { runtime, logger } = botHome("GlobalState", options);
    const open = (): Promise<Scope<BotRecord>> => runtime.open("builderbot.global", "global");
    this.RAW = initial;
    this.#initial = copied(initial);
    this.#record = new StateRecord(open, logger, runtime);
    this.#starting = this.#start();
  }

  /**
   * Resolves when the stored record is in memory. Rejects when it cannot be read or the initial
   * values cannot be stored; the next call of any method tries again.
   */
  readonly ready = (): Promise<void> => {
    this.#starting ??= this.#start();
    return this.#starting;
  };

  /** `updateState()(fields)` */
  readonly updateState = (): ((change: BotUpdate) => Promise<void>) => {
    return (change) => this.#started().update(change);
  };

  /** `getMyState()()` */
  readonly getMyState = (): (() => BotRecord) => {
    return () => this.#started().read() ?? {};
  };

  /** `get()(path)` */
  readonly get = (): ((path?: string) => unknown) => {
    return (path) => (path === undefined ? this.getMyState()() : this.#started().get(path));
  };

  /** Iterates over the one record. */
  readonly getAllState = (): IterableIterator<BotRecord> => [this.getMyState()()].values();

  /** `clear()()`: back to `{}`; the initial values do not return. */
  readonly clear = (): (() => void) => {
    return () => void this.#started().clear();
  };

  /** The record, started again after a failed start: the initial values come first. */
  #started(): StateRecord {
    void this.ready();
    return this.#record;
  }

  #start(): Promise<void> {
    const initial = this.#initial;
    const starting = this.#record.start(initial ?? this.RAW, (scope) => scope.version === 0);
    starting.catch(() => {
      if (initial !== null) this.#starting = null;
    });
    return starting;
  }

  /** The methods for a handler. */
  readonly view = (): GlobalStateView => ({
    getMyState: this.getMyState(),
    get: this.get(),
    getAllState: this.getAllState,
    update: this.updateState(),
    clear: this.clear(),
  });
}

function copied(initial: BotRecord): BotRecord | null {
  try {
    return copyIn(initial, "");
  } catch {
    return null; // The start rejects with the reason.
  }
}
