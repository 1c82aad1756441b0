/**
 * An execution: one request of a user, with the four scopes it works on.
 */
import { randomUUID } from "node:crypto";
import type { ScopeIdentity } from "../../../actors/protocol.ts";
import { ephemeralId } from "./binding.ts";
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

/** The scopes of an execution. */
export interface ExecutionContext {
  readonly userId: string;
  readonly sessionId: string;
  readonly requestId: string;
  readonly orgId: string | undefined;
  readonly request: Scope<Record<string, unknown>>;
  readonly session: Scope<Record<string, unknown>>;
  readonly user: Scope<Record<string, unknown>>;
  readonly org: Scope<Record<string, unknown>> | undefined;
}

/** What an execution uses of its runtime. */
export interface ExecutionHost {
  open(
    type: string,
    id: string,
    extra?: Omit<ScopeIdentity, "type" | "id">,
  ): Promise<Scope<Record<string, unknown>>>;
}

/** Checks the ids and opens the scopes. Throws `TypeError` for a blank id or an unknown option. */
export async function openExecution(
  host: ExecutionHost,
  options: ExecuteOptions,
): Promise<ExecutionContext> {
  refuseUnknown("execute", options, EXECUTE_OPTIONS);
  const userId = required("userId", options.userId);
  const orgId = optional("orgId", options.orgId);
  const extra = orgId === undefined ? { userId } : { userId, orgId };
  const sessionId = optional("sessionId", options.sessionId) ?? ephemeralId(extra);
  const requestId = optional("requestId", options.requestId) ?? `request_${randomUUID()}`;
  // The session first: when another user owns it, nothing is opened for this user.
  const session = await host.open("session", sessionId, extra);
  const [request, user, org] = await Promise.all([
    host.open("request", requestId, extra),
    host.open("user", userId, { userId }),
    orgId === undefined ? undefined : host.open("org", orgId, { orgId }),
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
