/**
 * Checks that a path still names the file or directory that was opened. An open file outlives its
 * name: when it is removed or replaced, what is written to it is lost.
 *
 * Only `stat` is used: a process that opens and closes a database file drops the locks that SQLite
 * has on it.
 */
import { statSync } from "node:fs";
import { StoreUnavailableError } from "../../../actors/errors.ts";

/** What a path names. BigInts, because a double would round the ids of some file systems. */
interface PathIdentity {
  readonly dev: bigint;
  readonly ino: bigint;
}

function identityOf(path: string): PathIdentity | undefined {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false });
  } catch {
    // A directory of the path cannot be entered any more: the opened file is not found there.
    return undefined;
  }
}

/** One path, with the identity it had when this was made. */
export class SamePath {
  readonly path: string;
  readonly #first: PathIdentity | undefined;

  constructor(path: string) {
    this.path = path;
    this.#first = identityOf(path);
  }

  /** True while the path names what it named first; false when that was nothing. */
  get isSame(): boolean {
    const first = this.#first;
    if (first === undefined) return false;
    const now = identityOf(this.path);
    return now !== undefined && now.ino === first.ino && now.dev === first.dev;
  }

  /** Throws `StoreUnavailableError` when the path names something else now. */
  check(): void {
    if (this.isSame) return;
    throw new StoreUnavailableError(
      `${this.path} is no longer what this store opened: it was removed or replaced; ` +
        "nothing was written. Put it back, or close the store and open it again",
    );
  }
}
