/**
 * Turns of a bot one after another: middleware for the adapters of both packages.
 *
 * The state classes of both write with the tag `*`, which refuses nothing: of two turns of one
 * conversation at once the later one would replace what the earlier one has stored. Here a turn has
 * its conversation and its user to itself, from before its first read until after its last write.
 */
import { optionNames, refuseUnknown } from "../../../actors/scope/options.ts";
import { defineKind, type Kind } from "../../runtime/kinds.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { checkRuntime } from "../shared/check-runtime.ts";

/** Scopes that are never written: having one to itself is all that a turn needs of it. */
const TYPE = "ms-agents-turn";
const KIND: Kind = defineKind({});

/** Options of `turns`. */
export interface TurnsOptions {
  readonly runtime: Runtime;
  /** The storage of the bot; may be passed, and is not used: turns exclude by ids, not by keys. */
  readonly storage?: object | undefined;
  /** Milliseconds that a turn waits for earlier ones; default as for every call of the runtime. */
  readonly timeoutMs?: number | undefined;
}

/** The part of a turn's context that is read. */
interface TurnContext {
  readonly activity: {
    readonly channelId?: string | undefined;
    readonly conversation?: { readonly id?: string | undefined } | undefined;
    readonly from?: { readonly id?: string | undefined } | undefined;
  };
}

/** Middleware of an adapter of either package. */
export interface TurnMiddleware {
  onTurn(context: TurnContext, next: () => Promise<void>): Promise<void>;
}

const OPTIONS = optionNames<TurnsOptions>({ runtime: true, storage: true, timeoutMs: true });

/**
 * Middleware that runs turns with the same conversation, or the same user, one after another, in
 * all processes that share the store. Add it before all other middleware: `adapter.use(turns(…))`.
 * A turn rejects with `ScopeMutationTimeoutError` after too long a wait, and runs without waiting
 * when its activity names neither. Throws `TypeError` for an unknown option.
 */
export function turns(options: TurnsOptions): TurnMiddleware {
  refuseUnknown("turns", options, OPTIONS);
  const { runtime, timeoutMs } = options;
  checkRuntime("turns", runtime);
  runtime.declare(TYPE, KIND);
  return {
    async onTurn({ activity: { channelId = "", conversation, from } }, next) {
      const parts = [
        ["conversation", conversation?.id],
        ["user", from?.id],
      ] as const;
      const ids = parts.flatMap(([what, id]) =>
        id === undefined || id === "" ? [] : [JSON.stringify([what, channelId, id])],
      );
      if (ids.length === 0) return next();
      const scopes = await Promise.all(ids.map((id) => runtime.open(TYPE, id)));
      await runtime.exclusive(scopes, () => next(), { timeoutMs });
    },
  };
}
