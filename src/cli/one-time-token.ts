/**
 * Lets one browser use a handler: the one that opens its address first.
 *
 *  O1  The token in the address counts once. Its first use sets a cookie, which no script can read
 *      and no other site's page sends, and leads to the address without the token.
 *  O2  A request without that cookie is refused, and so is a second use of the token.
 *  O3  A request that does not come from this machine, or has another `Host` or `Origin`, is
 *      refused before anything else, and does not use the token up.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { Handler } from "../http/node-listener.ts";
import { HttpProblem, problemResponse } from "../http/problem.ts";
import { createGuard } from "../http/security.ts";

const QUIET = { warn: () => undefined, error: () => undefined };

/** A handler behind a token, and the token. */
export interface Guarded {
  readonly handler: Handler;
  readonly token: string;
}

/** See the head of this file; `cookie` is the name of the cookie. */
export function behindToken(handler: Handler, cookie: string): Guarded {
  const token = secret();
  const session = secret();
  const guard = createGuard(undefined, QUIET);
  let isUsed = false;
  const admit = (request: Request, url: URL): Response | null => {
    guard.receive(request, url);
    const given = url.searchParams.get("token");
    if (given === null) {
      if (cookiesOf(request, cookie).some((value) => isSame(value, session))) return null;
      throw refused("open the address that the command has printed");
    }
    if (isUsed || !isSame(given, token))
      throw refused("this address was opened before, or is not valid; start the command again");
    isUsed = true;
    const headers = {
      location: url.pathname,
      "cache-control": "no-store",
      "referrer-policy": "no-referrer",
      "set-cookie": `${cookie}=${session}; Path=/; HttpOnly; SameSite=Strict`,
    };
    return new Response(null, { status: 303, headers });
  };
  return {
    token,
    async handler(request) {
      try {
        return admit(request, new URL(request.url)) ?? (await handler(request));
      } catch (error) {
        return problemResponse(error);
      }
    },
  };
}

function refused(detail: string): HttpProblem {
  return new HttpProblem(403, "FORBIDDEN", detail);
}

function secret(): string {
  return randomBytes(24).toString("base64url");
}

/** Compares in a time that does not depend on how much is the same. */
function isSame(given: string, expected: string): boolean {
  return timingSafeEqual(digest(given), digest(expected));
}

function cookiesOf({ headers }: Request, name: string): string[] {
  return (headers.get("cookie") ?? "")
    .split(";")
    .map((each) => each.trim())
    .filter((each) => each.startsWith(`${name}=`))
    .map((each) => each.slice(name.length + 1));
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
