/**
 * The seed's execution context: the scopes of one request, on a runtime.
 */
import type { ExecuteOptions, ExecutionContext } from "../../runtime/execution.ts";
import { openExecution } from "../../runtime/execution.ts";
import { createRuntime, type Runtime } from "../../runtime/runtime.ts";

/** Who executes, where, and on what. */
export interface CreateExecutionContextOptions extends ExecuteOptions {
  /** Default: a runtime in memory of its own. */
  readonly runtime?: Runtime;
}

/** The scopes of one request, and the runtime they live on. */
export interface FlowExecutionContext extends ExecutionContext, AsyncDisposable {
  readonly runtime: Runtime;
}

/**
 * Opens the request, session, user and organisation scopes of one request. Rejects with `TypeError`
 * for a blank id and with `BindingMismatchError` when the session is bound to somebody else.
 * Disposing of the context closes the runtime it made, never one it was given.
 */
export async function createExecutionContext({
  runtime: given,
  ...options
}: CreateExecutionContextOptions): Promise<FlowExecutionContext> {
  const runtime = given ?? createRuntime();
  try {
    const context = await openExecution(runtime, options);
    const dispose = async (): Promise<void> => {
      if (given === undefined) await runtime.close();
    };
    return { ...context, runtime, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    if (given === undefined) await runtime.close();
    throw error;
  }
}
