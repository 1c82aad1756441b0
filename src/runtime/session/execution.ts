/**
 * An execution: one request of a user, with the four scopes it works on.
 */
import { ephemeralId, type ScopeOwner } from "./binding.ts";
import type { Scope } from "../scope.ts";
import { optionNames, refuseUnknown } from "../../../actors/scope/options.ts";
import { randomUUID } from "../../stores/shared/node-crypto.ts";

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

/** The scopes of an execution, by the types of their states. */
export interface ExecutionContext<
  Session extends object = Record<string, unknown>,
  User extends object = Record<string, unknown>,
  Request extends object = Record<string, unknown>,
  Org extends object = Record<string, unknown>,
> {
  readonly userId: string;
  readonly sessionId: string;
  readonly requestId: string;
  readonly orgId: string | undefined;
  readonly request: Scope<Request>;
  readonly session: Scope<Session>;
  readonly user: Scope<User>;
  readonly org: Scope<Org> | undefined;
}

/** Opens a scope of the runtime. */
type OpenScope = (
  type: string,
  id: string,
  extra: ScopeOwner,
) => Promise<Scope<Record<string, unknown>>>;

/** Checks the ids and opens the scopes. Throws `TypeError` for a blank id or an unknown option. */
export async function openExecution(
  open: OpenScope,
  options: ExecuteOptions,
): Promise<ExecutionContext> {
  refuseUnknown("execute", options, EXECUTE_OPTIONS);
  const userId = required("userId", options.userId);
  const orgId = optional("orgId", options.orgId);
  const extra = orgId === undefined ? { userId } : { userId, orgId };
  const sessionId = optional("sessionId", options.sessionId) ?? ephemeralId(extra);
  const requestId = optional("requestId", options.requestId) ?? `request_${randomUUID()}`;
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
