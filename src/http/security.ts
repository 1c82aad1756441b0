/**
 * Who may call: without `authorize` only this machine, with it whom it lets pass.
 *
 *  S1  Without `authorize` the host of the URL and `Host` are this machine's, and `Origin`, when it
 *      is present, is the handler's own, port included. A page of another site that a browser on
 *      this machine shows is refused, also when its name resolves to this machine. A program of
 *      another machine can send any `Host`: it is refused where the connection is known, which is
 *      behind `toNodeListener`.
 *  S2  `authorize` is called once per request, with decoded ids, before any state is read or
 *      written. The body of a request that starts a run is read before, because it has the id.
 *  S3  Only `true` passes. A throw, and anything else that it resolves to, refuses.
 */
import type { Logger } from "../../actors/protocol.ts";
import { typeName } from "../../actors/state/kind.ts";
import { badRequest, HttpProblem } from "./problem.ts";

/** What a request asks for. */
export interface Access {
  /** `run`: start, resume or cancel a run; `inspect`: use the inspector. */
  readonly action: "read" | "write" | "list" | "run" | "inspect";
  /** The kind; `"sequencer"` for runs. Absent for the inspector. */
  readonly type?: string;
  /** The decoded id of the scope or the run; absent where the request names none. */
  readonly id?: string;
  /** The name of the sequencer of a run that is to be started. */
  readonly sequencer?: string;
}

/** What `authorize` decides: `true` passes, `false` is 403, an object is its own refusal. */
export type Verdict = boolean | { readonly status: number; readonly detail?: string | undefined };

/** Decides about one request. */
export type Authorize = (request: Request, access: Access) => Verdict | Promise<Verdict>;

/** Decides about requests; rejects with the `HttpProblem` of a refusal. */
export interface Guard {
  /** What is refused whatever is asked for. */
  readonly receive: (request: Request, url: URL) => void;
  readonly admit: (request: Request, access: Access) => Promise<void>;
}

/** The checked option; throws `TypeError` for what is no function. */
export function authorizeOption(authorize: unknown): Authorize | undefined {
  if (authorize === undefined || typeof authorize === "function")
    return authorize as Authorize | undefined; // Its result is checked at each call.
  throw new TypeError(`authorize must be a function, received ${typeName(authorize)}`);
}

/** Makes the guard of a handler. */
export function createGuard(authorize: Authorize | undefined, logger: Logger): Guard {
  if (authorize === undefined) return { receive: refuseForeign, admit: () => Promise.resolve() };
  return {
    receive: () => undefined,
    async admit(request, access) {
      const verdict = await verdictOf(authorize, request, access, logger);
      if (verdict !== true) throw refusal(verdict);
    },
  };
}

/** The connections of requests that came through `toNodeListener`: false when from elsewhere. */
const localConnections = new WeakMap<Request, boolean>();

/** Notes whether the connection of a request comes from this machine. */
export function noteConnection(request: Request, isLocal: boolean): void {
  localConnections.set(request, isLocal);
}

async function verdictOf(
  authorize: Authorize,
  request: Request,
  access: Access,
  logger: Logger,
): Promise<unknown> {
  try {
    return await authorize(request, Object.freeze(access));
  } catch (error) {
    logger.error("authorize threw, so the request was refused", { action: access.action, error });
    return false;
  }
}

function refusal(verdict: unknown): HttpProblem {
  const { status, detail } = Object(verdict);
  const isStatus = Number.isInteger(status) && status >= 400 && status <= 599;
  const text = typeof detail === "string" ? detail : "the request is not allowed";
  return new HttpProblem(isStatus ? status : 403, "FORBIDDEN", text);
}

/** S1. */
function refuseForeign(request: Request, url: URL): void {
  const host = request.headers.get("host");
  const own = host === null ? url : hostUrl(url.protocol, host);
  const isLocal = isLoopback(url.hostname) && isLoopback(own.hostname);
  if (!isLocal || localConnections.get(request) === false)
    throw forbidden("requests are served on this machine only; give createHandler an authorize");
  const origin = request.headers.get("origin");
  if (origin !== null && !isOrigin(origin, own))
    throw forbidden("requests of another origin are refused; give createHandler an authorize");
}

function forbidden(detail: string): HttpProblem {
  return new HttpProblem(403, "FORBIDDEN", detail);
}

/** True for the names and addresses of this machine that no other machine has. */
export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(hostname);
}

/** The URL of a `Host` header. */
function hostUrl(protocol: string, host: string): URL {
  const isHost = /^[^\s/?#@\\]+$/.test(host);
  const url = isHost ? parsed(`${protocol}//${host}`) : null;
  if (url === null) throw badRequest("the Host header is not valid");
  return url;
}

function isOrigin(origin: string, own: URL): boolean {
  const url = parsed(origin);
  return url !== null && url.hostname === own.hostname && portOf(url) === portOf(own);
}

function parsed(text: string): URL | null {
  return URL.canParse(text) ? new URL(text) : null;
}

function portOf({ port, protocol }: URL): string {
  if (port !== "") return port;
  return protocol === "https:" ? "443" : "80";
}
