/**
 * Whether a path still names what was opened there. An open file or directory outlives its name:
 * when it was removed, or another one was put in its place, what is written to it is lost.
 *
 * Only `stat` is used: a process that opens and closes a database file drops the locks that SQLite
 * holds on it.
 */
import { statSync } from "node:fs";
import { StoreUnavailableError } from "../../../actors/errors.ts";

/** What a path names. Whole numbers, because a double would round the ids of some file systems. */
interface PathIdentity {
  readonly dev: bigint;
  readonly ino: bigint;
}

function identityOf(path: string): PathIdentity | undefined {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false });
  } catch {
    // A directory of the path cannot be entered any more: what was opened is not found there.
    return undefined;
  }
}

/** One path, as it was when this was made. */
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
