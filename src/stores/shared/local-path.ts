/** Checks paths in the options of stores. */

/**
 * Throws `TypeError` for a URL where a path is expected: as a path it would name a folder `file:`
 * in the working directory. The message omits its text, because a URL can contain a password.
 */
export function refuseUrl(option: string, path: string): void {
  // A single letter is a Windows drive.
  const [scheme] = /^[a-z][a-z\d+.-]+:/i.exec(path) ?? [];
  if (scheme === undefined) return;
  throw new TypeError(
    `${option} must be a path such as "./bot", not a URL, and it begins with "${scheme}"; ` +
      `a file whose name begins so is written "./${scheme}…"`,
  );
}
