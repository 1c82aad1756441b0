/** Sessions of grammY whose updates are handled one after another. */
import type { Context, MiddlewareFn, SessionFlavor } from "grammy";
import { KeptValues, type KeptOptions } from "../shared/kept-values.ts";
import { takeTurn } from "../shared/turn.ts";

/** Options of `session`. */
export interface SessionOptions<S, C extends Context = Context> extends KeptOptions {
  /** Makes the session of a chat that has none; default: it is `undefined`. */
  readonly initial?: (() => S) | undefined;
  /** The key of an update's session, `undefined` for none; default the id of the chat. */
  readonly getSessionKey?:
    | ((ctx: Omit<C, "session">) => string | undefined | Promise<string | undefined>)
    | undefined;
  /**
   * Milliseconds that an update waits for earlier ones of its chat; default the
   * `mutationTimeoutMs` of the runtime.
   */
  readonly timeoutMs?: number | undefined;
}

/**
 * Middleware that sets `ctx.session` and keeps the chat to itself while the rest of the bot handles
 * the update: updates of one chat are handled one after another, in every process, and each sees
 * what the one before it stored. The session is stored when the update was handled, and not when
 * handling it failed. Throws `TypeError` for an unknown option; an update rejects with
 * `ScopeMutationTimeoutError` after too long a wait.
 */
export function session<S, C extends Context>(
  options: SessionOptions<S, C>,
): MiddlewareFn<C & SessionFlavor<S>> {
  const more = ["initial", "getSessionKey", "timeoutMs"];
  const values = new KeptValues<S>(options, { where: "session", type: "grammy-session", more });
  const { initial, getSessionKey = chatOf, timeoutMs } = options;
  return async (ctx, next) => {
    const key = await getSessionKey(ctx);
    if (key === undefined) return withoutSession(ctx, next);
    return takeTurn(values, { key, initial, timeoutMs }, async (turn) => {
      Object.defineProperty(ctx, "session", {
        enumerable: true,
        get: () => turn.value,
        set: (value: S | null | undefined) => {
          turn.value = value;
        },
      });
      await next();
    });
  };
}

function chatOf(ctx: Pick<Context, "chatId">): string | undefined {
  return ctx.chatId?.toString();
}

/** As in grammY: an update without a key is handled, and using its session is a mistake. */
function withoutSession(ctx: object, next: () => Promise<void>): Promise<void> {
  Object.defineProperty(ctx, "session", { enumerable: true, get: refuse, set: refuse });
  return next();
}

function refuse(): never {
  throw new TypeError("this update has no session: it has no session key, as without a chat");
}
