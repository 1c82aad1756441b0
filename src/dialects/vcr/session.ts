/** Sessions: whose keys a state works on, and when they end. */
import type { Backend } from "./backend.ts";
import { Failure } from "./error.ts";

/** What a session belongs to. */
export interface SessionHome {
  readonly backend: () => Backend;
  /** The first part of all its keys. */
  readonly scope: string;
  /** The namespace its states show when they have none of their own. */
  readonly label: string;
  /** When it ends, in milliseconds since the epoch; 0 = never. */
  readonly endsAt: () => Promise<number>;
  /** Values in lists are found by what they say and not by their text. */
  readonly deep: boolean;
  /** Namespaces stand in place of the session, as in the original, and not inside it. */
  readonly shared: boolean;
}

const homes = new WeakMap<object, SessionHome>();

/** Somebody's session; made by a vcr object. */
export class Session {
  readonly id: string;

  /** @internal */
  constructor(id: string, home: SessionHome) {
    this.id = id;
    homes.set(this, home);
  }
}

/** The place of a session; throws `BAD_SESSION` for what no vcr object made. */
export function homeOf(session: unknown): SessionHome {
  const home = typeof session === "object" && session !== null ? homes.get(session) : undefined;
  if (home !== undefined) return home;
  throw new Failure("BAD_SESSION", "a state needs a session made by a vcr object");
}
