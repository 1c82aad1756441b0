/**
 * Documents as scopes of a runtime. A document has the mailbox, the version, the events and the
 * store of its scope, so direct calls on the scope wait in the same queue.
 */
import { StoreUnavailableError } from "../../../actors/errors.ts";
import type { DraftState } from "../../../actors/state/draft-state.ts";
import type { Mutation } from "../../../actors/scope/mutation.ts";
import type { Json } from "../../../actors/protocol.ts";
import { endLife, type Waiting } from "../../../actors/scope/tasks.ts";
import { copyIn } from "../../../actors/state/copy.ts";
import {
  changedPart,
  deletedPart,
  isDurable,
  type Part,
  saveTogether,
} from "../../runtime/transaction/multi-scope-commit.ts";
import { defineKind, type Kind } from "../../runtime/kinds.ts";
import { asCall } from "../../runtime/calls.ts";
import { residentOf } from "../../runtime/handle.ts";
import type { ResidentScope } from "../../runtime/resident-scope.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { GONE } from "./json.ts";
import type { Found, Mailbox, Swap, Swapped, SwapTurn, Vault } from "./vault.ts";

/** The default type of scope for documents. */
const DOCUMENT_TYPE = "turn-state";

const DOCUMENT_KIND: Kind = defineKind();

/** Documents in the scopes of a runtime. */
export class RuntimeVault implements Vault {
  readonly #runtime: Runtime;
  readonly #type: string;

  /** Without `type`, a kind of this dialect is declared. */
  constructor(runtime: Runtime, type?: string) {
    this.#runtime = runtime;
    this.#type = type ?? DOCUMENT_TYPE;
    if (type === undefined) runtime.declare(DOCUMENT_TYPE, DOCUMENT_KIND);
  }

  call<T>(work: () => Promise<T>): Promise<T> {
    return asCall(this.#runtime, work);
  }

  locate(key: string): string {
    return `scope ${this.#type}/${key}`;
  }

  async mailbox(key: string): Promise<Mailbox> {
    return { actor: await this.#open(key), done: () => undefined };
  }

  find(keys: readonly string[], isAcquired: (() => boolean) | null): Promise<Found[]> {
    return Promise.all(
      keys.map(async (key) => {
        const scope = await this.#open(key);
        // Another process may have written since the last read, and a turn is not run again.
        if (!isDurable(scope)) {
          if (isAcquired !== null) await endLife(scope, whileIn(isAcquired));
          return foundIn(scope);
        }
        if (isAcquired === null) return storedIn(scope);
        await scope.reload(isAcquired); // After a release, others write it.
        return foundIn(scope);
      }),
    );
  }

  async swap(swaps: readonly Swap[], { section }: SwapTurn): Promise<Swapped[]> {
    const scopes = await Promise.all(swaps.map(({ key }) => this.#open(key)));
    if (scopes.some((scope, index) => scope.version !== swaps[index]?.found.stamp))
      return swaps.map(() => null);
    const parts = swaps.flatMap((swap, index): Part[] => {
      const scope = scopes[index];
      return scope === undefined ? [] : [partOf(scope, swap)];
    });
    const { transactions } = parts[0]?.scope.kind.store.supports ?? { transactions: false };
    const atomic = transactions && parts.length > 1;
    const stale = await saveTogether(section, parts, { atomic });
    const untouched = atomic && stale.length > 0;
    return scopes.map((scope) => (untouched || stale.includes(scope) ? null : foundIn(scope)));
  }

  write(values: ReadonlyMap<string, Json>): Promise<void> {
    return this.call(async () => {
      await Promise.all(
        [...values].map(async ([key, value]) => {
          const scope = await this.#open(key);
          // The scope rejects a value that is not a record.
          await scope.setState(value as object);
        }),
      );
    });
  }

  remove(keys: readonly string[]): Promise<void> {
    return this.call(async () => {
      await Promise.all(keys.map(async (key) => (await this.#open(key)).delete()));
    });
  }

  async #open(key: string): Promise<ResidentScope> {
    const scope = residentOf(await this.#runtime.open(this.#type, key));
    if (scope !== undefined) return scope;
    throw new StoreUnavailableError("the runtime is of another copy of this package");
  }
}

/** The state of a scope, as other users of the scope see it. */
function foundIn(scope: ResidentScope): Found {
  const isThere = scope.exists && !scope.overdue;
  return found(isThere ? scope.draft.expose() : undefined, scope.version);
}

/** The stored state of a scope, without waiting for its mailbox. */
async function storedIn(scope: ResidentScope): Promise<Found> {
  const { state, version } = (await scope.backing?.load()) ?? { state: undefined, version: 0 };
  return found(state, version);
}

function found(state: object | undefined, version: number): Found {
  // Documents are written as JSON, and scopes of their type contain nothing else.
  return { value: state as Json | undefined, exists: state !== undefined, stamp: version };
}

function partOf(scope: ResidentScope, swap: Swap): Part {
  return swap.next === undefined ? deletedPart(scope) : changedPart(scope, new EditMutation(swap));
}

/** Writes the changes of a turn, so that the scope's events name exactly those. */
class EditMutation implements Mutation {
  readonly operation = "update";
  readonly #swap: Swap;

  constructor(swap: Swap) {
    this.#swap = swap;
  }

  write(draft: DraftState): void {
    const { edit, next = {} } = this.#swap;
    const { scope } = draft;
    // A draft cannot remove a single field; the whole next state can.
    if ([...edit.values()].includes(GONE)) return draft.replace(copyIn(next, "", { scope }));
    for (const [key, value] of edit) draft.set(key, copyIn(value, key, { depth: 1, scope }));
  }
}

function whileIn(isAcquired: () => boolean): Waiting {
  return {
    get settled() {
      return !isAcquired();
    },
  };
}
