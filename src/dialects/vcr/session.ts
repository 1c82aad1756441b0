/** Sessions: the owners of a state's keys, and their expiry. */
import type { Backend } from "./backend.ts";
import { Failure } from "./error.ts";

/** The scope and options of a session. */
export interface SessionHome {
  readonly backend: () => Backend;
  /** The first part of all its keys. */
  readonly scope: string;
  /** The namespace that its states show by default. */
  readonly label: string;
  /** Its expiry, in milliseconds since the epoch; 0 = never. */
  readonly endsAt: () => Promise<number>;
  /** List values are compared by content and not by their text. */
  readonly deep: boolean;
  /** A namespace replaces the session, as in the original, and is not inside it. */
  readonly shared: boolean;
}

/** A session; made by a vcr object. */
export class Session {
  readonly id: string;
  readonly #home: SessionHome;

  /** @internal */
  constructor(id: string, home: SessionHome) {
    this.id = id;
    this.#home = home;
  }

  /**
   * @internal The home of a session; throws `BAD_SESSION` for a session that no vcr object made.
   */
  static homeOf(session: unknown): SessionHome {
    if (typeof session === "object" && session !== null && #home in session) return session.#home;
    throw new Failure("BAD_SESSION", "a state needs a session made by a vcr object");
  }
}
