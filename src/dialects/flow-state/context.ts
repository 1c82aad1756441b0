/**
 * The execution context of flow-state-dev: the scopes of one request, on a runtime.
 */
import { StoreUnavailableError } from "../../../actors/errors.ts";
import { refuseUnknown } from "../../../actors/settings.ts";
import { asCall } from "../../runtime/calls.ts";
import {
  EXECUTE_OPTIONS,
  openExecution,
  type ExecuteOptions,
  type ExecutionContext,
} from "../../runtime/execution.ts";
import { residentOf } from "../../runtime/handle.ts";
import { createRuntime, type Runtime } from "../../runtime/runtime.ts";
import type { Scope } from "../../runtime/scope.ts";
import { nullAsMissing } from "./null-field.ts";
import { sevenOps } from "./seven-ops.ts";

/** Who executes, where, and on what. */
export interface CreateExecutionContextOptions extends ExecuteOptions {
  /** Default: a runtime in memory of its own. */
  readonly runtime?: Runtime | undefined;
}

/** The state types of a context's scopes; those that are not named hold unknown fields. */
export interface ScopeStates {
  readonly request?: object;
  readonly session?: object;
  readonly user?: object;
  readonly org?: object;
}

/** The scope of one type in a context. */
export type ContextScope<T extends ScopeStates, K extends keyof ScopeStates> = Scope<
  T[K] extends object ? T[K] : Record<string, unknown>
>;

/**
 * The scopes of one request, and the runtime they live on. The seven operations of each work
 * unbound.
 */
export interface FlowExecutionContext<T extends ScopeStates> extends AsyncDisposable {
  readonly runtime: Runtime;
  readonly userId: string;
  readonly sessionId: string;
  readonly requestId: string;
  readonly orgId: string | undefined;
  readonly request: ContextScope<T, "request">;
  readonly session: ContextScope<T, "session">;
  readonly user: ContextScope<T, "user">;
  /** `undefined` without an `orgId`. */
  readonly org: ContextScope<T, "org"> | undefined;
}

type Handle = ExecutionContext["session"];

/**
 * Opens the request, session, user and organisation scopes of one request. Rejects with `TypeError`
 * for a blank id and with `BindingMismatchError` when the session is bound to somebody else.
 * Disposing of the context closes the runtime it made, never one it was given.
 */
export async function createExecutionContext<T extends ScopeStates = ScopeStates>(
  options: CreateExecutionContextOptions,
): Promise<FlowExecutionContext<T>> {
  refuseUnknown("createExecutionContext", options, ["runtime", ...EXECUTE_OPTIONS]);
  const { runtime: given, ...execute } = options;
  const runtime = given ?? createRuntime();
  const dispose = async (): Promise<void> => {
    if (given === undefined) await runtime.close();
  };
  try {
    const opened = await asCall(runtime, () => openExecution(runtime, execute));
    for (const scope of scopesOf(opened)) withOps(scope);
    const context = { ...opened, runtime };
    // The caller names the state types; the schemas of the runtime's kinds are what checks them.
    return { ...context, [Symbol.asyncDispose]: dispose } as unknown as FlowExecutionContext<T>;
  } catch (error) {
    await dispose();
    throw error;
  }
}

function scopesOf({ request, session, user, org }: ExecutionContext): Handle[] {
  return org === undefined ? [request, session, user] : [request, session, user, org];
}

/** Gives a handle the operations of this dialect: they work unbound, and `null` is missing. */
function withOps(handle: Handle): void {
  const scope = residentOf(handle);
  if (scope === undefined)
    throw new StoreUnavailableError("the runtime is of another copy of this package");
  const ops = sevenOps(scope.identity, (mutation, call) =>
    scope.mutate(nullAsMissing(mutation), call),
  );
  Object.assign(handle, ops);
}
