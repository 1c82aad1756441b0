/**
 * Checks the url of a server before a driver gets it. Drivers read other texts as a path, a host or
 * the number of a database, and some throw where the error cannot be caught.
 */

/** The url when it parses and has one of `schemes`; else `undefined`. */
export function readServerUrl(text: unknown, schemes: readonly string[]): URL | undefined {
  if (typeof text !== "string" || !URL.canParse(text)) return undefined;
  // `redis:host` parses too, as a path.
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
