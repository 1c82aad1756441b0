/**
 * The names of a state's keys: `scope:key`, with the namespace of a state between the two.
 *
 * The scope's parts are escaped and the key is last and unescaped. So no two keys share a name, and
 * the keys of a space are those that start with its prefix.
 */

/** The keys of one state. */
export interface Space {
  /** The prefix of all its keys. */
  readonly prefix: string;
  /** Resolves to the end of the session, in milliseconds since the epoch; 0 = never. */
  readonly endsAt: () => Promise<number>;
}

/** One key of a space. */
export interface Target {
  readonly space: Space;
  /** As the caller wrote it. */
  readonly key: string;
  /** With the prefix of its space. */
  readonly id: string;
}

const ACCOUNT = "account";

function escape(part: string): string {
  return part.replaceAll("%", "%25").replaceAll(":", "%3A").replaceAll("/", "%2F");
}

/** The scope of a session, of the instance or of the account. */
export function scopeName(kind: "state" | "application" | "account", id: string): string {
  if (kind !== ACCOUNT) return `${kind}:${escape(id)}`;
  return id === "" ? ACCOUNT : `${ACCOUNT}@${escape(id)}`;
}

/** The scope that all states of a namespace share, whatever their session. */
export function sharedName(namespace: string): string {
  return `shared:${escape(namespace)}`;
}

/** The prefix of a state: its scope, then its namespace if it has one. */
export function spacePrefix(scope: string, namespace: string): string {
  return namespace === "" ? `${scope}:` : `${scope}/${escape(namespace)}:`;
}

/** The prefix of a prefixed key. */
export function prefixOf(id: string): string {
  const first = id.indexOf(":");
  const end = id.startsWith(ACCOUNT) ? first : id.indexOf(":", first + 1);
  return id.slice(0, end + 1);
}
