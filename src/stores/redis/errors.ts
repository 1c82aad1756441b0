/**
 * What an error of ioredis or of the server means for a call, and what the operator is told.
 *
 * Invariants
 *  E1  A reply of the server is a definite no: the command had no effect. Whether asking again can
 *      help is said by its first word. The exception is a script that was stopped at a command its
 *      user may not run: what it did before stays.
 *  E2  Any other error after a command was handed over leaves its outcome unknown.
 *  E3  Errors of ioredis carry the arguments of the command, which are values: none gets out.
 */
import { isHoldfastError, StoreUnavailableError } from "../../../actors/errors.ts";
import { isError } from "../../../actors/realm.ts";
import type { Verdict } from "../shared/retry-until.ts";

/** A command was not handed over: there was no connection to do so. */
export class NotSentError extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = "NotSentError";
  }
}

/** First words of replies that pass by themselves, and what to tell when they do not. */
const LATER: ReadonlyMap<string, string> = new Map([
  ["NOSCRIPT", "it forgot the store's scripts"],
  ["LOADING", "the server is still loading its data"],
  ["CLUSTERDOWN", "the cluster does not serve all slots; look at CLUSTER INFO"],
  ["TRYAGAIN", "slots of the cluster are being moved"],
  ["MOVED", "slots of the cluster were moved"],
  ["ASK", "slots of the cluster are being moved"],
  ["MASTERDOWN", "the replica has no link to its primary; connect to the primary"],
  ["READONLY", "this is a read-only replica; connect to the primary"],
  ["UNBLOCKED", "the server became a replica; connect to the primary"],
  ["BUSY", "another client's script keeps the server busy; look for it, or SCRIPT KILL"],
  ["NOREPLICAS", "fewer replicas are connected than min-replicas-to-write asks for"],
]);

/** First words of replies that stay until somebody does something, and what that is. */
const REFUSED: ReadonlyMap<string, string> = new Map([
  ["NOAUTH", "it asks for a password: give one in the url, as redis://user:password@host"],
  ["WRONGPASS", "it refuses user and password: check those of the url"],
  ["NOPERM", "the user may not do this: allow it the store's keys, channel and commands (ACL)"],
  ["OOM", "it is out of memory: raise maxmemory or remove data"],
  ["MISCONF", "it cannot save to its disk and refuses writes: look at its log"],
  ["NOPROTO", "it does not speak the protocol asked for"],
]);

/** The first word of a reply error; `undefined` when the server did not say it. */
export function replyCode(error: unknown): string | undefined {
  if (!isError(error) || error.name !== "ReplyError") return undefined;
  return /^[A-Z]+/.exec(error.message)?.[0] ?? "ERR";
}

/** True when a reply with this first word may be another one later. */
export function passesByItself(code: string): boolean {
  return LATER.has(code);
}

/** True when a script of ours is not in the server's cache. */
export function isNoScript(error: unknown): boolean {
  return replyCode(error) === "NOSCRIPT";
}

/** True when a script was begun and stopped by a reply that may come after its first write. */
export function isStoppedInside(error: unknown): boolean {
  const code = replyCode(error);
  // Of the other words (OOM, MISCONF, …) a script hears at its first write at the latest.
  if (code !== "ERR" && code !== "NOPERM") return false;
  return isError(error) && error.message.includes("user_script");
}

/** Reads what went wrong with a command for the server named `server`. */
export function judgeRedis(server: string): (error: unknown) => Verdict {
  return (error) => {
    if (isHoldfastError(error)) return { kind: "refused", error };
    if (error instanceof NotSentError) return { kind: "later", cause: error };
    const code = replyCode(error);
    if (code === undefined) return { kind: "unknown", cause: withoutValues(error) };
    const later = LATER.get(code);
    if (later !== undefined) return { kind: "later", cause: new Error(`${code}: ${later}`) };
    return { kind: "refused", error: refusal(server, code, error) };
  };
}

/** The error behind "all nodes failed" of a Cluster, if it says more. */
export function innermost(error: unknown): unknown {
  if (!isError(error) || !("lastNodeError" in error)) return error;
  return error.lastNodeError ?? error;
}

/** What the operator is told of a reply that stays until somebody does something. */
export function refusal(server: string, code: string, error: unknown): StoreUnavailableError {
  const text = isError(error) ? error.message : "";
  let reason = REFUSED.get(code);
  // Before Redis 7.2 what a script is denied has no first word of its own.
  if (/ACL failure|executing the script can't/i.test(text)) reason = REFUSED.get("NOPERM");
  if (/DB index/i.test(text)) reason = "it has no database of that number: check the url's path";
  if (/cluster support disabled/i.test(text))
    reason = "cluster support disabled: give it a client of one server, not a Cluster";
  if (/invalid password|without any password/i.test(text)) reason ??= REFUSED.get("WRONGPASS");
  return new StoreUnavailableError(
    `${server} refused (${code}): ${reason ?? "it does not know or allow what was asked"}`,
    { cause: withoutValues(error) },
  );
}

/** A copy of an error that has its message and nothing of the command. */
function withoutValues(error: unknown): Error {
  if (!isError(error)) return new Error("unknown failure");
  // "unknown command …, with args beginning with: …" repeats arguments.
  const message = error.message.replace(/,? with args.*$/s, "");
  return new Error(error.name === "Error" ? message : `${error.name}: ${message}`);
}
