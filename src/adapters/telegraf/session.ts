/** Sessions of Telegraf whose updates are handled one after another. */
import type { Context, MiddlewareFn } from "telegraf";
import { KeptValues, type KeptOptions } from "../shared/kept-values.ts";
import { takeTurn } from "../shared/turn.ts";

/** Options of `session`. */
export interface SessionOptions<S, C extends Context = Context> extends KeptOptions {
  /** Makes the session of a key that has none; default: it is `undefined`. */
  readonly defaultSession?: ((ctx: C) => S) | undefined;
  /** The key of an update's session, `undefined` for none; default sender and chat. */
  readonly getSessionKey?:
    | ((ctx: C) => string | undefined | Promise<string | undefined>)
    | undefined;
  /** The property of the context; default `"session"`. */
  readonly property?: string | undefined;
  /**
   * Milliseconds that an update waits for earlier ones of its key; default the
   * `mutationTimeoutMs` of the runtime.
   */
  readonly timeoutMs?: number | undefined;
}

/** A context with a session: `undefined` when the update has no key, or no default was given. */
export interface SessionContext<S> extends Context {
  session?: S | undefined;
}

/**
 * Middleware that sets `ctx.session` and keeps its key to itself while the rest of the bot handles
 * the update: updates of one key are handled one after another, in every process, and each sees
 * what the one before it stored. The session is stored when the update was handled, and not when
 * handling it failed. Throws `TypeError` for an unknown option; an update rejects with
 * `ScopeMutationTimeoutError` after too long a wait.
 */
export function session<S, C extends Context = SessionContext<S>>(
  options: SessionOptions<S, C>,
): MiddlewareFn<C> {
  const more = ["defaultSession", "getSessionKey", "property", "timeoutMs"];
  const values = new KeptValues<S>(options, { where: "session", type: "telegraf-session", more });
  const { defaultSession, getSessionKey = senderInChat, property = "session", timeoutMs } = options;
  return async (ctx, next) => {
    const key = await getSessionKey(ctx);
    if (key === undefined || key === "") {
      Reflect.set(ctx, property, undefined);
      return next();
    }
    const initial = defaultSession && ((): S => defaultSession(ctx));
    return takeTurn(values, { key, initial, timeoutMs }, (turn) => {
      Object.defineProperty(ctx, property, {
        get: () => turn.value,
        set: (value: S | null | undefined) => {
          turn.value = value;
        },
      });
      return next();
    });
  };
}

function senderInChat(ctx: Pick<Context, "from" | "chat">): string | undefined {
  const { from, chat } = ctx;
  return from === undefined || chat === undefined ? undefined : `${from.id}:${chat.id}`;
}
