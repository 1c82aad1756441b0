/**
 * An execution: one request of a user, with the four scopes it works on.
 */
import { randomUUID } from "node:crypto";
import { ephemeralId, type ScopeOwner } from "./binding.ts";
import type { Kinds, StateOfName } from "../kind-types.ts";
import type { Scope } from "../scope.ts";
import { optionNames, refuseUnknown } from "../../../actors/scope/options.ts";

/** Options of `execute`. */
export interface ExecuteOptions {
  /** Required; blank is refused with a TypeError. */
  readonly userId: string;
  /** Default: a new ephemeral session. */
  readonly sessionId?: string | undefined;
  /** Without it `ctx.org` is undefined. */
  readonly orgId?: string | undefined;
  readonly requestId?: string | undefined;
}

/** The names of `ExecuteOptions`. */
export const EXECUTE_OPTIONS: readonly string[] = optionNames<ExecuteOptions>({
  userId: true,
  sessionId: true,
  orgId: true,
  requestId: true,
});

/** The scopes of an execution; `K` are the kinds of the runtime. */
export interface ExecutionContext<K extends Kinds = Kinds> {
  readonly userId: string;
  readonly sessionId: string;
  readonly requestId: string;
  readonly orgId: string | undefined;
  readonly request: Scope<StateOfName<K, "request">>;
  readonly session: Scope<StateOfName<K, "session">>;
  readonly user: Scope<StateOfName<K, "user">>;
  readonly org: Scope<StateOfName<K, "org">> | undefined;
}

/** Opens a scope of the runtime. */
export type OpenScope = (type: string, id: string, extra: ScopeOwner) => Promise<Scope<object>>;

/** Checks the ids and opens the scopes. Throws `TypeError` for a blank id or an unknown option. */
export async function openExecution<K extends Kinds>(
  openScope: OpenScope,
  options: ExecuteOptions,
): Promise<ExecutionContext<K>> {
  refuseUnknown("execute", options, EXECUTE_OPTIONS);
  const userId = required("userId", options.userId);
  const orgId = optional("orgId", options.orgId);
  const extra = orgId === undefined ? { userId } : { userId, orgId };
  const sessionId = optional("sessionId", options.sessionId) ?? ephemeralId(extra);
  const requestId = optional("requestId", options.requestId) ?? `request_${randomUUID()}`;
  // A scope has the state of its kind, and K are the kinds of the runtime.
  const open = <Name extends string>(
    type: Name,
    id: string,
    owner: ScopeOwner,
  ): Promise<Scope<StateOfName<K, Name>>> =>
    openScope(type, id, owner) as Promise<Scope<StateOfName<K, Name>>>;
  // The session first: when another user owns it, nothing is opened for this user.
  const session = await open("session", sessionId, extra);
  const [request, user, org] = await Promise.all([
    open("request", requestId, extra),
    open("user", userId, { userId }),
    orgId === undefined ? undefined : open("org", orgId, { orgId }),
  ]);
  return { userId, sessionId, requestId, orgId, request, session, user, org };
}

function required(name: string, value: unknown): string {
  if (typeof value !== "string" || value.trim() === "")
    throw new TypeError(`execute requires a ${name} that is not blank`);
  return value;
}

function optional(name: string, value: unknown): string | undefined {
  return value === undefined || value === null ? undefined : required(name, value);
}
