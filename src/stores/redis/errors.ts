/**
 * Classifies errors of ioredis and of the server, with the advice to the operator.
 *
 * Invariants
 *  E1  An error reply of the server is definite: the command had no effect. Its first word decides
 *      whether a retry can succeed. The exception is a script that was stopped at a command its
 *      user may not run: its effects before that stay.
 *  E2  Any other error after a command was passed to ioredis leaves its outcome unknown.
 *  E3  Errors of ioredis contain the arguments of the command, which are values: none is passed on.
 */
import { isHoldfastError, StoreUnavailableError } from "../../../actors/errors.ts";
import { isError } from "../../../actors/realm.ts";
import type { Verdict } from "../shared/retry-until.ts";

/** A command was not passed to ioredis: there was no connection. */
export class NotSentError extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = "NotSentError";
  }
}

/** First words of retryable replies, and the advice when they persist. */
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
  ["NOREPLICAS", "fewer replicas are connected than min-replicas-to-write requires"],
]);

/** First words of replies that persist until the operator acts, and the advice. */
const REFUSED: ReadonlyMap<string, string> = new Map([
  ["NOAUTH", "it requires a password: give one in the url, as redis://user:password@host"],
  ["WRONGPASS", "it refuses user and password: check those of the url"],
  ["NOPERM", "the user may not do this: allow it the store's keys, channel and commands (ACL)"],
  ["OOM", "it is out of memory: raise maxmemory or remove data"],
  ["MISCONF", "it cannot save to its disk and refuses writes: read its log"],
  ["NOPROTO", "it does not support the requested protocol"],
]);

/** The first word of a reply error; `undefined` for an error that is no reply. */
export function replyCode(error: unknown): string | undefined {
  if (!isError(error) || error.name !== "ReplyError") return undefined;
  return /^[A-Z]+/.exec(error.message)?.[0] ?? "ERR";
}

/** True when a later reply may be another one than this first word. */
export function passesByItself(code: string): boolean {
  return LATER.has(code);
}

/** True when a script is not in the server's cache. */
export function isNoScript(error: unknown): boolean {
  return replyCode(error) === "NOSCRIPT";
}

/** True when a script was started and stopped by a reply that may follow its first write. */
export function isStoppedInside(error: unknown): boolean {
  const code = replyCode(error);
  // Other replies (OOM, MISCONF, …) stop a script at its first write at the latest.
  if (code !== "ERR" && code !== "NOPERM") return false;
  return isError(error) && error.message.includes("user_script");
}

/** Classifies an error of a command for the server named `server`. */
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

/** The error behind "all nodes failed" of a Cluster, if it has one. */
export function innermost(error: unknown): unknown {
  if (!isError(error) || !("lastNodeError" in error)) return error;
  return error.lastNodeError ?? error;
}

/** The error for a reply that persists until the operator acts. */
export function refusal(server: string, code: string, error: unknown): StoreUnavailableError {
  const text = isError(error) ? error.message : "";
  let reason = REFUSED.get(code);
  // Before Redis 7.2 a denied command of a script has no first word of its own.
  if (/ACL failure|executing the script can't/i.test(text)) reason = REFUSED.get("NOPERM");
  if (/DB index/i.test(text)) reason = "it has no database of that number: check the url's path";
  if (/cluster support disabled/i.test(text))
    reason = "cluster support disabled: give it a client of one server, not a Cluster";
  if (/invalid password|without any password/i.test(text)) reason ??= REFUSED.get("WRONGPASS");
  return new StoreUnavailableError(
    `${server} refused (${code}): ${reason ?? "it does not know or allow the command"}`,
    { cause: withoutValues(error) },
  );
}

/** A copy of an error with its message and nothing of the command. */
function withoutValues(error: unknown): Error {
  if (!isError(error)) return new Error("unknown failure");
  // "unknown command …, with args beginning with: …" repeats arguments.
  const message = error.message.replace(/,? with args.*$/s, "");
  return new Error(error.name === "Error" ? message : `${error.name}: ${message}`);
}
