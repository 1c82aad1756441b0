/** The source of sessions and states. */
import { randomUUID } from "node:crypto";
import { createRuntime, type Runtime } from "../../runtime/runtime.ts";
import { isRedisClient, type RedisClient } from "../redis-client.ts";
import type { Backend } from "./backend.ts";
import { withSource } from "./caller.ts";
import { EmbeddedBackend } from "./embedded.ts";
import { checkName } from "./encode.ts";
import { Failure } from "./error.ts";
import { scopeName } from "./space.ts";
import { RedisBackend } from "./redis.ts";
import { Session, type SessionHome } from "./session.ts";
import { State } from "./state.ts";
import { oneOf, optionNames, refuseUnknown } from "../../../actors/scope/options.ts";
import { typeName } from "../../../actors/state/copy.ts";

/** The default duration of a session in seconds: a week. */
const SESSION_TTL = 604_800;
const GLOBAL_SESSION_ID = "00000000-0000-0000-0000-000000000000";
const SESSION_HEADER = "x-neru-sessionid";

/** Options of `createVcr`. */
export interface VcrOptions {
  /**
   * Stores the keys on its store; default an in-memory runtime. Stays open when the vcr is closed.
   */
  readonly runtime?: Runtime | undefined;
  /** Stores the keys on a Redis server: a URL, or an ioredis client, which stays open. */
  readonly redis?: RedisClient | string | undefined;
  /** Default the environment's `INSTANCE_ID`, else `debug`. */
  readonly instanceId?: string | undefined;
  /** Separates accounts on one store. */
  readonly accountId?: string | undefined;
  /**
   * How list values are compared: by content (default), or by their JSON text as in the original.
   */
  readonly equality?: "deep" | "text" | undefined;
  /** Namespaces are in the session (default), or shared by all sessions as in the original. */
  readonly namespaces?: "nested" | "shared" | undefined;
}

/** A request with headers, in the form of web servers. */
export interface SessionRequest {
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/** Makes sessions, and the states of the instance and the account. */
export interface Vcr {
  /** A new session that ends after `ttl` seconds; default a week, 0 = never. */
  createSession(ttl?: number): Session;
  /**
   * The session of an id. With `ttl`, a session without an end gets one, that many seconds from
   * now.
   */
  createSessionWithId(id: string, options?: { readonly ttl?: number | undefined }): Session;
  /** The session of an id. */
  getSessionById(id: string): Session;
  /** The session named in a request's header `x-neru-sessionid`. */
  getSessionFromRequest(request: SessionRequest): Session;
  /** The session that all callers share. */
  getGlobalSession(): Session;
  getInstanceState(): State;
  getAccountState(): State;
  /** Closes what was made here: an in-memory runtime, a connection from a URL. */
  close(): Promise<void>;
}

const OPTIONS = optionNames<VcrOptions>({
  runtime: true,
  redis: true,
  instanceId: true,
  accountId: true,
  equality: true,
  namespaces: true,
});

/**
 * Makes a vcr. Throws `TypeError` when both a runtime and Redis are given, for an unknown option
 * and for what is no runtime or client, and `RangeError` for another `equality` or `namespaces`.
 */
export function createVcr(options: VcrOptions = {}): Vcr {
  refuseUnknown("createVcr", options, OPTIONS);
  const { runtime, redis, equality = "deep", namespaces = "nested" } = options;
  if (runtime !== undefined && redis !== undefined)
    throw new TypeError("a vcr keeps its keys in a runtime or on Redis, not both");
  if (redis !== undefined && typeof redis !== "string" && !isRedisClient(redis))
    throw new TypeError(`redis takes a URL or a client of ioredis, received ${typeName(redis)}`);
  oneOf("equality", equality, ["deep", "text"]);
  oneOf("namespaces", namespaces, ["nested", "shared"]);
  const sessions = new Sessions(options);
  const global = (scope: string): Session => sessions.session(GLOBAL_SESSION_ID, { scope, ttl: 0 });
  const instanceId = options.instanceId ?? process.env["INSTANCE_ID"] ?? "debug";
  const byId = (op: string, id: unknown, ttl: number | undefined): Session =>
    inOp(op, () => sessions.session(checkId(id), { ttl: checkTtl(ttl) }));
  return {
    createSession: (ttl = SESSION_TTL) => byId("createSession", randomUUID(), ttl),
    createSessionWithId(id, given = {}) {
      refuseUnknown("createSessionWithId", given, ["ttl"]);
      return byId("createSessionWithId", id, given.ttl);
    },
    getSessionById: (id) => byId("getSessionById", id, undefined),
    getSessionFromRequest: (request) =>
      byId(
        "getSessionFromRequest",
        inOp("getSessionFromRequest", () => sessionIdOf(request)),
        undefined,
      ),
    getGlobalSession: () => sessions.session(GLOBAL_SESSION_ID, { ttl: 0 }),
    getInstanceState: () => new State(global(scopeName("application", instanceId))),
    getAccountState: () => new State(global(scopeName("account", options.accountId ?? ""))),
    close: () => sessions.close(),
  };
}

/** Makes sessions; the backend is made for the first call on a key. */
class Sessions {
  readonly #options: VcrOptions;
  #own: Runtime | null = null;
  #backend: Backend | null = null;

  constructor(options: VcrOptions) {
    this.#options = options;
    // Declares its kinds now, so that an incompatible runtime is rejected here.
    if (options.runtime !== undefined) this.#backend = EmbeddedBackend.of(options.runtime);
  }

  session(id: string, { scope, ttl }: { scope?: string; ttl: number | undefined }): Session {
    const { equality, namespaces } = this.#options;
    const backend = (): Backend => this.#open();
    let ends: Promise<number> | undefined;
    const home: SessionHome = {
      backend,
      scope: scope ?? scopeName("state", id),
      label: scope ?? `state:${id}`,
      endsAt: () => {
        ends ??= endOf(backend(), id, ttl);
        ends.catch(() => {
          ends = undefined; // The next call tries again.
        });
        return ends;
      },
      deep: equality !== "text",
      shared: namespaces === "shared",
    };
    const session = new Session(id, home);
    // The end is stored at once; when that fails, the first call on a key rejects.
    if (ttl !== undefined && ttl > 0) void home.endsAt();
    return session;
  }

  async close(): Promise<void> {
    if (this.#options.runtime !== undefined) return;
    const { redis } = this.#options;
    if (redis !== undefined) await this.#backend?.close();
    else await this.#own?.close();
  }

  #open(): Backend {
    const { redis } = this.#options;
    if (redis !== undefined) this.#backend ??= new RedisBackend(redis);
    if (this.#backend !== null) return this.#backend;
    this.#own = createRuntime();
    this.#backend = EmbeddedBackend.of(this.#own);
    return this.#backend;
  }
}

/** The end of a session; the end of one made with a time to live is stored. */
async function endOf(backend: Backend, id: string, ttl: number | undefined): Promise<number> {
  if (ttl === 0) return 0;
  return backend.claimSession(id, ttl === undefined ? 0 : backend.now() + ttl * 1_000);
}

function inOp<T>(op: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw withSource(error, { op, key: "" });
  }
}

function checkId(id: unknown): string {
  const name = checkName(id, "a session id");
  if (name === "") throw new Failure("BAD_SESSION", "a session id must not be empty");
  return name;
}

function checkTtl(ttl: number | undefined): number | undefined {
  if (ttl === undefined || (Number.isSafeInteger(ttl) && ttl >= 0)) return ttl;
  throw new Failure("BAD_SESSION", "a session's ttl must be a whole number of seconds, 0 or more");
}

/** Reads the header; throws `BAD_SESSION` naming the missing part. */
function sessionIdOf(request: unknown): string {
  if (typeof request !== "object" || request === null)
    throw new Failure("BAD_SESSION", "getSessionFromRequest needs a request");
  const headers: unknown = Reflect.get(request, "headers");
  if (typeof headers !== "object" || headers === null)
    throw new Failure("BAD_SESSION", "the request has no headers");
  const header: unknown = hasGet(headers)
    ? headers.get(SESSION_HEADER)
    : Reflect.get(headers, SESSION_HEADER);
  const id: unknown = Array.isArray(header) ? header[0] : header;
  if (typeof id === "string" && id !== "") return id;
  throw new Failure("BAD_SESSION", `the request has no header ${SESSION_HEADER}`);
}

/** An in-memory vcr, ready for use; nothing is made before its first call. */
export const vcr: Vcr = createVcr();

/** True for the `Headers` of any realm or package; the headers of `node:http` have no methods. */
function hasGet(headers: object): headers is Pick<Headers, "get"> {
  return "get" in headers && typeof headers.get === "function";
}
