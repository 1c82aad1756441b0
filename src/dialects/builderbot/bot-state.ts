/**
 * The three states of a bot, made together.
 */
import { GlobalState, type GlobalStateView } from "./global-state.ts";
import { IdleState, type IdleReport } from "./idle-state.ts";
import { botHome, type BotStateOptions } from "./options.ts";
import type { BotRecord } from "./record.ts";
import { SingleState, type StateView } from "./single-state.ts";

/** Options of `createBotState`. */
export interface CreateBotStateOptions extends BotStateOptions {
  /** Initial global values, written when nothing is stored yet. */
  readonly globalState?: BotRecord | undefined;
  /** Called for idle deadlines that were armed before a restart. */
  readonly onIdle?: ((report: IdleReport) => void | Promise<void>) | undefined;
}

/** The state of a bot. Every method, here and on the returned views, works unbound. */
export interface BotState {
  /**
   * One user's state. A user that was stored before this process started must be opened first, and
   * so must a user that the runtime unloaded (`maxResidentScopes`, `passivateAfterMs`). Throws
   * `TypeError` when `from` is not a text or empty.
   */
  readonly state: (from: string) => StateView;
  readonly globalState: GlobalStateView;
  readonly idle: IdleState;
  /** Reads the stored state of a user and arms the user's idle deadlines again. */
  readonly open: (from: string) => Promise<StateView>;
  /** Resolves when the stored global state is in memory. */
  readonly ready: () => Promise<void>;
  /** Stops the idle timers. The owner of the runtime closes it after this has resolved. */
  readonly close: () => Promise<void>;
}

/** Makes the states of a bot on one runtime. */
export function createBotState(options: CreateBotStateOptions = {}): BotState {
  const { runtime, clock, logger } = botHome("createBotState", options, ["globalState", "onIdle"]);
  const shared = { runtime, clock, logger };
  const users = new SingleState(shared);
  const global = new GlobalState(options.globalState ?? {}, shared);
  const idle = new IdleState({
    clock,
    logger,
    ...(options.runtime === undefined ? {} : { runtime }),
    ...(options.onIdle === undefined ? {} : { onIdle: options.onIdle }),
  });
  return {
    state: users.view,
    globalState: global.view(),
    idle,
    async open(from) {
      const view = await users.open(from);
      await idle.open(from);
      return view;
    },
    ready: global.ready,
    close: idle.close,
  };
}
