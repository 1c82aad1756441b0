/**
 * The execution context of flow-state-dev: the scopes of one request, on a runtime.
 */
import { asCall } from "../../runtime/calls.ts";
import {
  EXECUTE_OPTIONS,
  openExecution,
  type ExecuteOptions,
} from "../../runtime/session/execution.ts";
import { createRuntime, type Runtime } from "../../runtime/runtime.ts";
import type { Scope } from "../../runtime/scope.ts";
import { refuseUnknown } from "../../../actors/scope/options.ts";

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

/** The scopes of one request, and the runtime they live on. */
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
    const context = { ...opened, runtime };
    // The caller names the state types; the schemas of the runtime's kinds are what checks them.
    return { ...context, [Symbol.asyncDispose]: dispose } as unknown as FlowExecutionContext<T>;
  } catch (error) {
    await dispose();
    throw error;
  }
}
