/** Responses with JSON. */

/** A JSON response that only its client may keep, and has to ask about before it uses it again. */
export function jsonResponse(
  body: unknown,
  { status = 200, headers = {} }: { status?: number; headers?: Record<string, string> } = {},
): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { ...PRIVATE, "content-type": "application/json", ...headers },
  });
}

/** A response without a body. */
export function emptyResponse(status: number, headers: Record<string, string> = {}): Response {
  return new Response(null, { status, headers: { ...PRIVATE, ...headers } });
}

const PRIVATE = { "cache-control": "private, no-cache", "x-content-type-options": "nosniff" };
