/**
 * Turns: complete units of work on a session, a user or an app, one after another.
 *
 * A turn acquires a separate scope in memory that nothing else uses. So calls of the service inside
 * it, and appends from outside, are not blocked. Turns exclude each other within one runtime.
 */
import type { MutationOptions } from "../../../actors/protocol.ts";
import type { Claimable } from "../../../actors/scope/claim.ts";
import { ExclusiveSection, exclusively } from "../../../actors/scope/exclusive.ts";
import { asCall } from "../../runtime/calls.ts";
import { residentOf } from "../../runtime/handle.ts";
import { createRuntime, type Runtime } from "../../runtime/runtime.ts";
import { declareKinds, joinName } from "./session-scopes.ts";
import { checkText, type Session, type SessionKey } from "./request.ts";
import type { SessionService } from "./service.ts";
import { sessionMissing } from "./session-error.ts";
import { refuseUnknown } from "../../../actors/scope/options.ts";

/** The subject of a turn: a session; without its id a user; without a user an app. */
export interface TurnKey {
  readonly appName: string;
  readonly userId?: string | undefined;
  readonly sessionId?: string | undefined;
}

/** How long a turn may wait and run; default no limit. */
export type TurnOptions = Pick<MutationOptions, "signal" | "timeoutMs">;

/**
 * Runs `work` with a fresh session after all earlier turns of the key; resolves to its result.
 * Changes of `session.state` are stored when it resolves, discarded when it throws. Rejects with
 * `SessionError` when the session does not exist and with `ReentrantMutationError` inside a turn of
 * the same key.
 */
export function runTurn<T>(
  service: SessionService,
  key: SessionKey,
  work: (session: Session) => T | Promise<T>,
  options?: TurnOptions,
): Promise<T>;
export function runTurn<T>(
  service: SessionService,
  key: TurnKey & { readonly sessionId?: undefined },
  work: () => T | Promise<T>,
  options?: TurnOptions,
): Promise<T>;
export async function runTurn<T>(
  service: SessionService,
  key: TurnKey,
  work: (session: Session) => T | Promise<T>,
  options?: TurnOptions,
): Promise<T> {
  return asCall(service.runtime, () => turnOf(service, key, work, options));
}

async function turnOf<T>(
  service: SessionService,
  key: TurnKey,
  work: (session: Session) => T | Promise<T>,
  options: TurnOptions | undefined,
): Promise<T> {
  if (options !== undefined) refuseUnknown("runTurn", options, ["signal", "timeoutMs"]);
  const scope = await turnScope(service.runtime, key);
  const asLongAsItTakes = { ...options, timeoutMs: options?.timeoutMs ?? Infinity };
  const perform = async (): Promise<T> => {
    const { sessionId } = key;
    // The overloads pass a session exactly when the key names one.
    if (sessionId === undefined) return (work as () => T | Promise<T>)();
    const session = await service.getSession({ ...key, userId: key.userId ?? "", sessionId });
    if (session === undefined) throw sessionMissing(sessionId);
    const result = await work(session);
    await service.commitState(session);
    return result;
  };
  return exclusively([scope], asLongAsItTakes, (section) => section.run(1, perform));
}

/** The scope that represents a key; its exclusive section is the turn. */
async function turnScope(runtime: Runtime, key: TurnKey): Promise<Claimable> {
  const scope = residentOf(await runtime.open("adk-turn", turnId(key)));
  if (scope === undefined) throw new TypeError("not a runtime of this library");
  return scope;
}

function turnId({ appName, userId, sessionId }: TurnKey): string {
  checkText("appName", appName, 1);
  if (userId !== undefined) checkText("userId", userId, 1);
  if (sessionId !== undefined) {
    checkText("userId", userId, 1);
    checkText("sessionId", sessionId, 1);
  }
  return joinName(...[appName, userId, sessionId].filter((part) => part !== undefined));
}

/** The methods of a runner that `queued` uses. */
interface RunnerLike {
  readonly appName: string;
  readonly sessionService: object;
  runAsync(request: never): AsyncGenerator<unknown, void, undefined>;
}

/** The fields of a run's request. */
interface RunRequest {
  readonly userId: string;
  readonly sessionId: string;
}

/**
 * A runner class whose runs of one session wait for each other, even from several runners on one
 * service. A run queues at its first read; it releases the session when it ends or its reader
 * stops.
 */
export function queued<Runner extends abstract new (...parts: never[]) => RunnerLike>(
  runner: Runner,
): Runner {
  // All arguments are passed on unchanged, to a class of the same instances.
  const Base = runner as unknown as new (...parts: unknown[]) => RunnerLike;
  class QueuedRunner extends Base {
    override runAsync(request: never): AsyncGenerator<unknown, void, undefined> {
      const { userId, sessionId }: RunRequest = request;
      const key = { appName: this.appName, userId, sessionId };
      return inTurn(runtimeOf(this.sessionService), key, () => super.runAsync(request));
    }
  }
  return QueuedRunner as unknown as Runner; // Differs only in the order of its runs.
}

async function* inTurn(
  runtime: Runtime,
  key: TurnKey,
  start: () => AsyncGenerator<unknown, void, undefined>,
): AsyncGenerator<unknown, void, undefined> {
  const section = new ExclusiveSection([await turnScope(runtime, key)]);
  await section.acquire({ timeoutMs: Infinity });
  try {
    const run = start();
    try {
      for (;;) {
        const step = await section.run(1, () => run.next());
        if (step.done === true) return;
        yield step.value;
      }
    } finally {
      await section.run(1, () => run.return());
    }
  } finally {
    section.release();
  }
}

const runtimes = new WeakMap<object, Runtime>();

/**
 * The runtime that orders the turns of a service's sessions; for a service of another package it is
 * made here.
 */
function runtimeOf(service: object): Runtime {
  const known = runtimes.get(service) ?? runtimeIn(service) ?? createRuntime();
  declareKinds(known);
  runtimes.set(service, known);
  return known;
}

function runtimeIn(service: object): Runtime | undefined {
  if (!("runtime" in service)) return undefined;
  const { runtime } = service;
  const isOurs = typeof runtime === "object" && runtime !== null && "declare" in runtime;
  return isOurs ? (runtime as Runtime) : undefined; // Only ours declares kinds.
}
