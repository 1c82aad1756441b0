/** Brings a scope to what another owner stored, and tries again while its store is away. */
import { type ErrorCode, isHoldfastError } from "../../actors/errors.ts";
import { catchUpWork } from "../../actors/scope/exclusive.ts";
import type { Solo } from "../../actors/scope/mailbox.ts";
import { outsideTurns } from "../../actors/scope/reentrancy.ts";
import type { ScopeCell } from "../../actors/scope/scope-core.ts";

/** Why a scope could not read its store now, and may another time. */
const PASSING: ReadonlySet<string> = new Set<ErrorCode>([
  "COMMIT_UNKNOWN",
  "MAILBOX_FULL",
  "SCOPE_MUTATION_TIMEOUT",
  "STORE_UNAVAILABLE",
]);

/** A scope that may be behind its store. */
export interface BehindScope extends ScopeCell {
  readonly stopped: boolean;
  submit(work: Solo): Promise<boolean>;
}

/** What the runtime says of it. */
export interface CatchUpPort {
  /** The runtime closes. */
  readonly refuses: boolean;
  /** Calls back when it is time to try the store again. */
  later(callback: () => void): void;
}

/** One reading at a time: whatever is heard meanwhile is looked for by the next. */
export class CatchUp {
  readonly #scope: BehindScope;
  readonly #port: CatchUpPort;
  #isRunning = false;

  constructor(scope: BehindScope, port: CatchUpPort) {
    this.#scope = scope;
    this.#port = port;
  }

  /** Begins, unless it is under way. */
  begin(): void {
    if (this.#isRunning || this.#port.refuses) return;
    this.#isRunning = true;
    const again = (): void => {
      this.#isRunning = false;
      if (this.#scope.stale && !this.#scope.stopped) this.begin();
    };
    outsideTurns(() => this.#scope.submit(catchUpWork(this.#scope))).then(
      again,
      (error: unknown) => {
        if (isHoldfastError(error) && PASSING.has(error.code)) return this.#port.later(again);
        this.#isRunning = false; // The next mutation reads, and its caller gets the error.
        if (this.#scope.stopped) return;
        const { identity: scope, settings } = this.#scope;
        settings.logger.error("a change of another process could not be read", { scope, error });
      },
    );
  }
}
