/** Rules about the lock file: `npm ci` works on it with any registry. */

interface LockedPackage {
  readonly resolved?: string;
  /** `resolved` is a folder of this repository. */
  readonly link?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/**
 * One line per entry that names a registry, and per optional package that is named and has no entry.
 * npm leaves such an entry out when a registry lacks the package for a platform nobody here has; then
 * `npm ci` refuses the file, everywhere.
 */
export function lockViolations(text: string): string[] {
  // A lock file that npm wrote; its packages are entries by path.
  const lock = JSON.parse(text) as { packages: Readonly<Record<string, LockedPackage>> };
  const paths = Object.keys(lock.packages);
  const hasEntry = (name: string): boolean =>
    paths.some((path) => `/${path}`.endsWith(`/node_modules/${name}`));
  const found: string[] = [];
  for (const [path, { resolved, link = false, optionalDependencies = {} }] of Object.entries(
    lock.packages,
  )) {
    if (resolved !== undefined && !link) found.push(`${path}: names where it came from`);
    for (const name of Object.keys(optionalDependencies)) {
      if (!hasEntry(name)) found.push(`${path}: no entry for its optional package ${name}`);
    }
  }
  return found;
}
