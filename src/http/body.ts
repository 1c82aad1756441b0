/**
 * JSON bodies of requests, within limits.
 *
 *  B1  At most `BODY_MAX` bytes are read, whatever the headers say; nothing is parsed before.
 *  B2  What is parsed nests at most `MAX_DEPTH` levels, and is UTF-8 without an encoding around it.
 */
import type { Json, JsonObject } from "../../actors/protocol.ts";
import { MAX_DEPTH } from "../../actors/state/copy.ts";
import { badRequest, HttpProblem, invalidBody } from "./problem.ts";

/** Most bytes of a request's body. */
const BODY_MAX = 2 ** 20;

/** A body that was read. */
export interface Body {
  /** Its media type, without parameters. */
  readonly type: string;
  readonly value: Json;
}

/** The body of a request, of one of these media types. */
export async function readBody(request: Request, types: readonly string[]): Promise<Body> {
  const type = mediaType(request, types);
  return { type, value: parsed(await readText(request)) };
}

/**
 * The members of a JSON object in a body, all of them in `known`; an absent body has none. Throws
 * 422 for another member and for what is no object.
 */
export async function readMembers(request: Request, known: readonly string[]): Promise<JsonObject> {
  if (isAbsent(request)) return {};
  const text = await readText(request);
  if (text === "" && request.headers.get("content-type") === null) return {};
  mediaType(request, ["application/json"]);
  const value = parsed(text);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw invalidBody("the body must be a JSON object");
  const other = Object.keys(value).find((name) => !known.includes(name));
  if (other !== undefined) throw invalidBody(`the body may have ${known.join(", ")} only`);
  return value as JsonObject; // It is an object, and no list.
}

/** A request for which nothing more needs to be checked: it has no body. */
function isAbsent({ body, headers }: Request): boolean {
  return body === null && headers.get("content-type") === null;
}

function mediaType({ headers }: Request, types: readonly string[]): string {
  const encoding = headers.get("content-encoding") ?? "identity";
  if (encoding.trim().toLowerCase() !== "identity")
    throw unsupported("bodies must not have a Content-Encoding", types);
  const [type = "", ...parameters] = (headers.get("content-type") ?? "").toLowerCase().split(";");
  const charset = parameters.map((each) => each.trim()).find((each) => each.startsWith("charset="));
  const isUtf8 = charset === undefined || /^charset="?utf-?8"?$/.test(charset);
  if (isUtf8 && types.includes(type.trim())) return type.trim();
  throw unsupported(`the body must be ${types.join(" or ")}, in UTF-8`, types);
}

function unsupported(detail: string, types: readonly string[]): HttpProblem {
  const headers = { "accept-patch": types.join(", ") };
  const parts = types.includes("application/json") ? {} : { headers };
  return new HttpProblem(415, "UNSUPPORTED_MEDIA_TYPE", detail, parts);
}

async function readText(request: Request): Promise<string> {
  if (Number(request.headers.get("content-length") ?? 0) > BODY_MAX) throw tooLarge();
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader = request.body?.getReader();
  for (let read = await reader?.read(); read?.done === false; read = await reader?.read()) {
    size += read.value.byteLength;
    if (size > BODY_MAX) {
      void reader?.cancel().catch(() => undefined); // The rest is not wanted, however it ends.
      throw tooLarge();
    }
    chunks.push(read.value);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks));
  } catch {
    throw badRequest("the body is not UTF-8");
  }
}

function tooLarge(): HttpProblem {
  const detail = `a body has at most ${BODY_MAX} bytes`;
  return new HttpProblem(413, "BODY_TOO_LARGE", detail, { headers: { connection: "close" } });
}

function parsed(text: string): Json {
  if (isTooDeep(text)) throw badRequest(`a body has at most ${MAX_DEPTH} levels`);
  try {
    return JSON.parse(text) as Json; // It gives nothing else.
  } catch {
    throw badRequest("the body is not JSON");
  }
}

/** True when brackets outside of texts nest deeper than a state may. */
function isTooDeep(text: string): boolean {
  let depth = 0;
  let inText = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    if (inText) {
      if (char === "\\") at += 1;
      else if (char === '"') inText = false;
    } else if (char === '"') inText = true;
    else if (char === "{" || char === "[") depth += 1;
    else if (char === "}" || char === "]") depth -= 1;
    if (depth > MAX_DEPTH) return true;
  }
  return false;
}
