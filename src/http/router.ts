/**
 * From a request to its endpoint: the segments of the path, decoded one by one, and the methods
 * that are there.
 *
 *  R1  A segment is decoded once, after the path was split, so an id may contain a `/` as `%2F`.
 *      Segments `.` and `..` are resolved by every URL parser before: such ids cannot be reached.
 *  R2  A path that no route has is 404; a method that its route does not have is 405, with `Allow`.
 *  R3  The endpoint runs after its access was admitted, and HEAD is GET without its body.
 */
import { badRequest, HttpProblem, notFound } from "./problem.ts";
import type { Access, Guard } from "./security.ts";

/** One request on its way. */
export interface Call {
  readonly request: Request;
  readonly url: URL;
  /** The decoded segments that stand for the `null`s of the route. */
  readonly ids: readonly string[];
}

/** What serves a method of a route. */
export interface Endpoint {
  readonly access: (call: Call) => Access | Promise<Access>;
  readonly serve: (call: Call) => Promise<Response>;
}

/** The endpoints of a route by method; HEAD comes with GET. */
export type Methods = Readonly<Partial<Record<"GET" | "POST" | "PATCH" | "DELETE", Endpoint>>>;

/** A route: `null` stands for any segment that is not empty. */
export interface Route {
  readonly path: readonly (string | null)[];
  /** The methods for these ids; throws `HttpProblem` 404 for what is not exposed. */
  readonly methods: (ids: readonly string[]) => Methods;
}

/** A base path without a slash at its end; throws `TypeError` for what is none. */
export function basePathOption(basePath: unknown): string {
  if (basePath === undefined) return "";
  if (typeof basePath !== "string" || !basePath.startsWith("/"))
    throw new TypeError('basePath must be a path that begins with "/"');
  return new URL(basePath, "http://localhost").pathname.replace(/\/+$/, "");
}

/** The decoded segments of a path below the base path. */
function segmentsOf({ pathname }: URL, basePath: string): string[] {
  if (!pathname.startsWith(`${basePath}/`)) throw notFound();
  return pathname
    .slice(basePath.length + 1)
    .split("/")
    .map(decoded);
}

/** Serves a request by the routes. */
export async function dispatch(
  routes: readonly Route[],
  given: { readonly request: Request; readonly url: URL; readonly basePath: string },
  guard: Guard,
): Promise<Response> {
  const { request, url, basePath } = given;
  guard.receive(request, url);
  const { route, ids } = routeOf(routes, segmentsOf(url, basePath));
  const call: Call = { request, url, ids };
  const endpoint = endpointOf(route.methods(ids), request.method);
  await guard.admit(request, await endpoint.access(call));
  const response = await endpoint.serve(call);
  if (request.method !== "HEAD") return response;
  await response.body?.cancel();
  const { status, headers } = response;
  return new Response(null, { status, headers });
}

function routeOf(
  routes: readonly Route[],
  segments: readonly string[],
): { route: Route; ids: readonly string[] } {
  for (const route of routes) {
    const fits =
      route.path.length === segments.length &&
      route.path.every((part, at) => (part === null ? segments[at] !== "" : part === segments[at]));
    if (fits) return { route, ids: segments.filter((_, at) => route.path[at] === null) };
  }
  throw notFound();
}

function endpointOf(methods: Methods, method: string): Endpoint {
  const name = method === "HEAD" ? "GET" : method;
  const found = Object.hasOwn(methods, name) ? Reflect.get(methods, name) : undefined;
  if (found !== undefined) return found as Endpoint; // `Methods` has nothing else.
  const known = Object.keys(methods).flatMap((each) => (each === "GET" ? [each, "HEAD"] : [each]));
  const headers = { allow: known.join(", ") };
  const detail = `this address has ${known.join(", ") || "no method"}`;
  throw new HttpProblem(405, "METHOD_NOT_ALLOWED", detail, { headers });
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw badRequest("the path is not valid percent-encoded UTF-8");
  }
}
