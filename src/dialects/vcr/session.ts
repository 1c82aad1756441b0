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

/** Somebody's session; made by a vcr object. */
export class Session {
  readonly id: string;
  readonly #home: SessionHome;

  /** @internal */
  constructor(id: string, home: SessionHome) {
    this.id = id;
    this.#home = home;
  }

  /** @internal The place of a session; throws `BAD_SESSION` for what no vcr object made. */
  static homeOf(session: unknown): SessionHome {
    if (typeof session === "object" && session !== null && #home in session) return session.#home;
    throw new Failure("BAD_SESSION", "a state needs a session made by a vcr object");
  }
}
