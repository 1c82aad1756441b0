/**
 * The url of a server, checked before a driver has it. Drivers take other texts for a path, a
 * host or the number of a database, and some throw where nobody can catch it.
 */

/** The url when it has one of `schemes` and can be read whole; `undefined` when not. */
export function readServerUrl(text: unknown, schemes: readonly string[]): URL | undefined {
  if (typeof text !== "string" || !URL.canParse(text)) return undefined;
  // `redis:host` can be parsed too, as a path.
  if (!schemes.some((scheme) => text.startsWith(`${scheme}://`))) return undefined;
  const url = new URL(text);
  return [url.username, url.password, url.pathname].every(isDecodable) ? url : undefined;
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
