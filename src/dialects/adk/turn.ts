/**
 * Turns: whole pieces of work on a session, a user or an app, one after the other.
 *
 * A turn holds a scope in memory that nothing else uses, so calls of the service inside it and
 * appends from outside go on. Turns are kept apart within one runtime.
 */
import type { MutationOptions } from "../../../actors/protocol.ts";
import { Turn } from "../../../actors/scope/reentrancy.ts";
import { asCall } from "../../runtime/calls.ts";
import { residentOf } from "../../runtime/handle.ts";
import { createRuntime, type Runtime } from "../../runtime/runtime.ts";
import { declareKinds, placeId } from "./places.ts";
import { checkText, type Session, type SessionKey } from "./request.ts";
import type { SessionService } from "./service.ts";
import { sessionMissing } from "./session-error.ts";
import { refuseUnknown } from "../../../actors/scope/options.ts";

/** What a turn is over: a session; without its id a user; without a user an app. */
export interface TurnKey {
  readonly appName: string;
  readonly userId?: string | undefined;
  readonly sessionId?: string | undefined;
}

/** How long a turn may wait and run; default as long as it takes. */
export type TurnOptions = Pick<MutationOptions, "signal" | "timeoutMs">;

/**
 * Runs `work` when every turn asked for before it has ended, with a fresh session; resolves to what
 * it gives. What it set on `session.state` is stored when it ends well, thrown away when it throws.
 * Rejects with `SessionError` when there is no such session and with `ReentrantMutationError` when
 * asked for inside a turn over the same key.
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
  const place = await takePlace(service.runtime, key, options);
  try {
    return await place.run(async () => {
      const { sessionId } = key;
      // The overloads give a session exactly when the key names one.
      if (sessionId === undefined) return (work as () => T | Promise<T>)();
      const session = await service.getSession({ ...key, userId: key.userId ?? "", sessionId });
      if (session === undefined) throw sessionMissing(sessionId);
      const result = await work(session);
      await service.commitState(session);
      return result;
    });
  } finally {
    place.leave();
  }
}

/** A turn whose time has come. */
interface Place {
  /** Runs a part of the turn; rejects early when the turn is lost. */
  run<T>(work: () => Promise<T>): Promise<T>;
  leave(): void;
}

async function takePlace(
  runtime: Runtime,
  key: TurnKey,
  options: TurnOptions | undefined,
): Promise<Place> {
  const scope = residentOf(await runtime.open("adk-turn", turnId(key)));
  if (scope === undefined) throw new TypeError("not a runtime of this library");
  const hold = await scope.hold({ ...options, timeoutMs: options?.timeoutMs ?? Infinity });
  return {
    run: async (work) => {
      const turn = new Turn(1);
      try {
        return await Promise.race([hold.lost, turn.run(scope, scope.identity, work)]);
      } finally {
        turn.end();
      }
    },
    leave: () => hold.release(),
  };
}

function turnId({ appName, userId, sessionId }: TurnKey): string {
  checkText("appName", appName, 1);
  if (userId !== undefined) checkText("userId", userId, 1);
  if (sessionId !== undefined) {
    checkText("userId", userId, 1);
    checkText("sessionId", sessionId, 1);
  }
  return placeId(...[appName, userId, sessionId].filter((part) => part !== undefined));
}

/** What `queued` needs of a runner. */
interface RunnerLike {
  readonly appName: string;
  readonly sessionService: object;
  runAsync(request: never): AsyncGenerator<unknown, void, undefined>;
}

/** What a run says of itself. */
interface RunRequest {
  readonly userId: string;
  readonly sessionId: string;
}

/**
 * A runner class whose runs of one session wait for each other, also when they come from several
 * runners on one service. A run takes its place when it is first read and gives it back when it
 * ends or its reader stops.
 */
export function queued<Runner extends abstract new (...parts: never[]) => RunnerLike>(
  runner: Runner,
): Runner {
  // Any arguments are passed on as they are, to a class of the same instances.
  const Base = runner as unknown as new (...parts: unknown[]) => RunnerLike;
  class QueuedRunner extends Base {
    override runAsync(request: never): AsyncGenerator<unknown, void, undefined> {
      const { userId, sessionId }: RunRequest = request;
      const key = { appName: this.appName, userId, sessionId };
      return inTurn(runtimeOf(this.sessionService), key, () => super.runAsync(request));
    }
  }
  return QueuedRunner as unknown as Runner; // The same class but for the order of its runs.
}

async function* inTurn(
  runtime: Runtime,
  key: TurnKey,
  start: () => AsyncGenerator<unknown, void, undefined>,
): AsyncGenerator<unknown, void, undefined> {
  const place = await takePlace(runtime, key, undefined);
  try {
    const run = start();
    try {
      for (;;) {
        const step = await place.run(() => run.next());
        if (step.done === true) return;
        yield step.value;
      }
    } finally {
      await place.run(() => run.return());
    }
  } finally {
    place.leave();
  }
}

const runtimes = new WeakMap<object, Runtime>();

/** The runtime whose turns a service's sessions have; services of others get one for that. */
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
  return isOurs ? (runtime as Runtime) : undefined; // Nothing else has a runtime that declares.
}
