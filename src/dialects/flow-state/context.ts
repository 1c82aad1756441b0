/**
 * The execution context of flow-state-dev: the scopes of one request, on a runtime.
 */
import { equal } from "../../../actors/state/equal.ts";
import { StateTypeError, StoreUnavailableError } from "../../../actors/errors.ts";
import { refuseUnknown } from "../../../actors/scope/options.ts";
import { copyIn, isPlainObject, typeName } from "../../../actors/state/copy.ts";
import { asCall } from "../../runtime/calls.ts";
import {
  EXECUTE_OPTIONS,
  openExecution,
  type ExecuteOptions,
  type ExecutionContext,
} from "../../runtime/session/execution.ts";
import { residentOf } from "../../runtime/handle.ts";
import type { ResidentScope } from "../../runtime/resident-scope.ts";
import { createRuntime, type Runtime } from "../../runtime/runtime.ts";
import type { Scope } from "../../runtime/scope.ts";
import { nullAsMissing } from "./null-field.ts";
import { sevenOps } from "./seven-ops.ts";

/** The state types of a context's scopes; the state of an unnamed one has unknown fields. */
export interface ScopeStates {
  readonly request?: object;
  readonly session?: object;
  readonly user?: object;
  readonly org?: object;
}

/** The state of one type of scope in a context. */
export type ContextState<T extends ScopeStates, K extends keyof ScopeStates> = T[K] extends object
  ? T[K]
  : Record<string, unknown>;

/** The scope of one type in a context. */
export type ContextScope<T extends ScopeStates, K extends keyof ScopeStates> = Scope<
  ContextState<T, K>
>;

/**
 * The identities, the runtime and the initial states of an execution. Each initial state is merged
 * over the kind's own and stored when its scope has no record yet; an existing record is not
 * changed.
 */
export interface CreateExecutionContextOptions<
  T extends ScopeStates = ScopeStates,
> extends ExecuteOptions {
  /** Default: an in-memory runtime of its own. */
  readonly runtime?: Runtime | undefined;
  readonly requestState?: ContextState<T, "request"> | undefined;
  readonly sessionState?: ContextState<T, "session"> | undefined;
  readonly userState?: ContextState<T, "user"> | undefined;
  /** Needs an `orgId`. */
  readonly orgState?: ContextState<T, "org"> | undefined;
}

/** The scopes of one request, and their runtime. The seven operations of each work unbound. */
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

const INITIAL_STATES = ["requestState", "sessionState", "userState", "orgState"] as const;

/**
 * Opens the request, session, user and organisation scopes of one request. Rejects with `TypeError`
 * for a blank id, with `BindingMismatchError` when the session is bound to another user, with
 * `StateTypeError`, `StateSerializationError` or `StateValidationError` for an initial state.
 * Disposing of the context closes the runtime it made, never a given one.
 */
export async function createExecutionContext<T extends ScopeStates = ScopeStates>(
  options: CreateExecutionContextOptions<T>,
): Promise<FlowExecutionContext<T>> {
  const names = ["runtime", ...INITIAL_STATES, ...EXECUTE_OPTIONS];
  refuseUnknown("createExecutionContext", options, names);
  const { runtime: given, requestState, sessionState, userState, orgState, ...execute } = options;
  const initial = copied({ requestState, sessionState, userState, orgState });
  if (orgState !== undefined && execute.orgId === undefined)
    throw new TypeError("orgState needs an orgId");
  const runtime = given ?? createRuntime();
  const dispose = async (): Promise<void> => {
    if (given === undefined) await runtime.close();
  };
  try {
    const opened = await asCall(runtime, async () => {
      const execution = await openExecution((...scope) => runtime.open(...scope), execute);
      await Promise.all(scopesOf(execution).map((scope) => prepare(scope, initial)));
      return execution;
    });
    const context = { ...opened, runtime };
    // The caller names the state types; the schemas of the runtime's kinds check them.
    return { ...context, [Symbol.asyncDispose]: dispose } as unknown as FlowExecutionContext<T>;
  } catch (error) {
    await dispose();
    throw error;
  }
}

function scopesOf({ request, session, user, org }: ExecutionContext): Handle[] {
  return org === undefined ? [request, session, user] : [request, session, user, org];
}

/** Stores the initial state of a scope, and adds the operations of this dialect to its handle. */
async function prepare(handle: Handle, initial: ReadonlyMap<string, object>): Promise<void> {
  const scope = residentOf(handle);
  if (scope === undefined)
    throw new StoreUnavailableError("the runtime is of another copy of this package");
  const state = initial.get(`${scope.identity.type}State`);
  if (state !== undefined)
    await scope.atomicState((current) => (isNew(scope, current) ? state : {}));
  // These work unbound, and treat null as missing.
  const ops = sevenOps(scope.identity, (mutation, call) =>
    scope.mutate(nullAsMissing(mutation), call),
  );
  Object.assign(handle, ops);
}

/** True when the scope has no record and no save is pending. */
function isNew(scope: ResidentScope, current: object): boolean {
  return !scope.exists && equal(current, scope.state);
}

/** Copies of the given initial states. */
function copied(given: Readonly<Record<string, unknown>>): ReadonlyMap<string, object> {
  const states = new Map<string, object>();
  for (const [name, state] of Object.entries(given)) {
    if (state === undefined) continue;
    if (!isPlainObject(state))
      throw new StateTypeError({ path: name, expected: "a record", received: typeName(state) });
    states.set(name, copyIn(state, name));
  }
  return states;
}
