/**
 * A transaction over several scopes: all of it takes effect, or none.
 *
 * Invariants
 *  G1  Scopes are claimed in the order of keys, so two transactions cannot wait for each other.
 *  G2  Nothing is changed in memory before the store returns the results for all records at once.
 *  G3  A conflict on any record makes the whole recipe run again on the store's records.
 *  G4  Its exclusive section is released, however the transaction ends.
 *  G5  After the section is revoked nothing is changed any more. If the write was under way its
 *      outcome is unknown, and every scope in it reads the store before it continues.
 *  G6  Subscribers receive the changes when all scopes show them.
 *  G7  After `cas.maxRetries` it takes the exclusive leases of all its records, in the order of
 *      keys, reads them and tries once more; without `cas.escalate` it rejects.
 *  G8  Scopes that were read and not changed are verified with the save; a recipe that threw, or
 *      changed nothing, counts only when the states it was given are current.
 *  G9  A checkpoint scope takes part from memory. When another writer has saved it first, the
 *      recipe runs again for that scope alone, on the other scopes' states as they were.
 */
import { resolveConflict, type SaveStep } from "../../../actors/scope/retry.ts";
import { ConcurrentModificationError } from "../../../actors/errors.ts";
import { isThenable } from "../../../actors/scope/mutation.ts";
import type { MutationOptions, MutationContext } from "../../../actors/protocol.ts";
import { createDraft, endRecipe, RecipeMutation } from "../../../actors/scope/recipe.ts";
import { createCall } from "../../../actors/scope/mailbox.ts";
import { ExclusiveSection } from "../../../actors/scope/exclusive.ts";
import { endLife } from "../../../actors/scope/tasks.ts";
import { captureContext, RunContext } from "../../../actors/scope/reentrancy.ts";
import type { StateStore } from "../../stores/contract.ts";
import { changedPart, isDurable, MultiScopeCommit, type Part } from "./multi-scope-commit.ts";
import type { ResidentScope } from "../resident-scope.ts";

/** The recipe of a transaction; drafts are in the order of the given scopes. */
export type TransactionRecipe = (
  drafts: object[],
  context: MutationContext,
) => void | Promise<void>;

const UPDATE = new RecipeMutation<object>(() => undefined);

/** One transaction. */
export class Transaction {
  readonly #scopes: readonly ResidentScope[];
  readonly #recipe: TransactionRecipe;
  readonly #options: MutationOptions | undefined;
  readonly #ordered: readonly ResidentScope[];
  readonly #section: ExclusiveSection;

  constructor(
    scopes: readonly ResidentScope[],
    recipe: TransactionRecipe,
    options: MutationOptions | undefined,
  ) {
    this.#scopes = scopes;
    this.#recipe = recipe;
    this.#options = options;
    this.#ordered = [...new Set(scopes)].toSorted((a, b) => (a.key < b.key ? -1 : 1));
    this.#section = new ExclusiveSection(this.#ordered);
    const stores = new Set(scopes.filter(isDurable).map((scope) => scope.kind.store));
    for (const store of stores) refuseStore(store, stores.size);
  }

  /** Resolves to whether anything changed. */
  async run(): Promise<boolean> {
    await this.#section.acquire(this.#options);
    try {
      return await this.#attempts(this.#ordered);
    } finally {
      this.#section.release();
    }
  }

  async #attempts(scopes: readonly ResidentScope[]): Promise<boolean> {
    const settings = scopes[0]?.kind.settings;
    if (settings === undefined) return false;
    let changed: boolean | undefined;
    let conflict: unknown;
    const attempt = async (count: number): Promise<SaveStep> => {
      const end = await this.#attempt(scopes, count);
      if (typeof end === "boolean") changed = end;
      else conflict = end;
      return changed === undefined ? "conflict" : "saved";
    };
    if ((await attempt(1)) === "saved") return changed === true;
    const exclusive = (count: number, signal: AbortSignal): Promise<SaveStep> =>
      this.#leased(scopes, signal, () => attempt(count + 1));
    const work = resolveConflict({ ...settings, attempt, exclusive });
    this.#section.revoked.catch(() => work.stop());
    const end = await this.#section.during(work.end).catch((error: unknown) => {
      if (changed === undefined) throw error; // Else it is stored, and leases were being released.
    });
    if (changed !== undefined) return changed;
    throw end?.kind === "failed" ? end.error : conflict;
  }

  /** Resolves to whether anything changed, or to the conflict. */
  async #attempt(
    scopes: readonly ResidentScope[],
    attempt: number,
  ): Promise<boolean | ConcurrentModificationError> {
    const { parts, thrown } = await this.#section.during(
      this.#compute(scopes, attempt).then(
        (computed) => ({ parts: computed, thrown: null }),
        (error: unknown) => ({ parts: [], thrown: { error } }),
      ),
    );
    const changed = parts.filter((part) => part.outcome.changed);
    const written = new Set(changed.map(({ scope }) => scope));
    const read = scopes.filter((scope) => verified(scope) && !written.has(scope));
    const expected = new Map(scopes.map((scope) => [scope, scope.version]));
    const stale = await new MultiScopeCommit(this.#section).save(changed, { atomic: true, read });
    if (stale.length > 0) return conflictOf(stale, attempt, expected);
    if (thrown !== null) throw thrown.error;
    return changed.length > 0;
  }

  /** One more attempt on what the store holds, while no other owner can write the records. */
  #leased(
    scopes: readonly ResidentScope[],
    signal: AbortSignal,
    attempt: () => Promise<SaveStep>,
  ): Promise<SaveStep> {
    const durable = scopes.filter(isDurable);
    const last = async (): Promise<SaveStep> => {
      for (const scope of durable)
        await this.#section.during(scope.reload(() => !this.#section.ended));
      return attempt();
    };
    const leased = durable.reduceRight<() => Promise<SaveStep>>(
      (inner, { backing }) =>
        () =>
          backing?.exclusive(inner, { waitMs: Infinity, signal }) ?? inner(),
      last,
    );
    return leased();
  }

  /** Runs the recipe on drafts and computes the part of each scope. */
  async #compute(scopes: readonly ResidentScope[], attempt: number): Promise<Part[]> {
    // A scope may expire while another one is claimed or ended.
    for (let over = firstOver(scopes); over !== undefined; over = firstOver(scopes))
      await this.#section.during(endLife(over, () => !this.#section.ended));
    const states = new Map(scopes.map((scope) => [scope, scope.draft.expose()]));
    const drafts = new Map(scopes.map((scope) => [scope, createDraft(states.get(scope) ?? {})]));
    const context = new RunContext(attempt);
    let returned: unknown;
    const recipe = (): unknown =>
      this.#recipe(
        this.#scopes.map((scope) => drafts.get(scope) ?? {}),
        context,
      );
    try {
      // Every claimed scope is in the chain of the recipe, so a call on one in it is refused.
      returned = context.runJointly(scopes, recipe);
      if (isThenable(returned)) returned = await this.#section.during(Promise.resolve(returned));
    } catch (error) {
      context.lose(error);
      throw error;
    } finally {
      context.end();
    }
    const next = endRecipe([...drafts.values()], returned);
    return scopes.map((scope, index) => this.#part(scope, next[index] ?? {}, states));
  }

  /** The part of `scope`; a checkpoint scope may have to run the recipe again later (G9). */
  #part(scope: ResidentScope, next: object, states: ReadonlyMap<ResidentScope, object>): Part {
    if (isDurable(scope) || scope.backing === null) return changedPart(scope, UPDATE, next);
    const again = new RecipeMutation<object>((draft, context) => {
      const drafts = new Map([...states].map(([each, state]) => [each, createDraft(state)]));
      drafts.set(scope, draft);
      const returned: unknown = this.#recipe(
        this.#scopes.map((each) => drafts.get(each) ?? {}),
        context,
      );
      if (drafts.size === 1) return returned as void; // It may be the next state.
      return isThenable(returned) ? Promise.resolve(returned).then(() => undefined) : undefined;
    });
    const entry = createCall(again, this.#options, scope.settings);
    entry.context = captureContext();
    entry.attempt = 1;
    return { ...changedPart(scope, again, next), entry };
  }
}

/** True for a scope whose state may be older than its record. */
function verified(scope: ResidentScope): boolean {
  return isDurable(scope) && scope.settings.verifies;
}

function firstOver(scopes: readonly ResidentScope[]): ResidentScope | undefined {
  return scopes.find((scope) => scope.overdue);
}

function conflictOf(
  stale: readonly ResidentScope[],
  attempts: number,
  expected: ReadonlyMap<ResidentScope, number>,
): ConcurrentModificationError {
  const [scope] = stale;
  if (scope === undefined) throw new Error("a transaction met a conflict without a stale scope");
  const { version: actualVersion, identity } = scope;
  const fields = { attempts, expectedVersion: expected.get(scope) ?? 0, actualVersion };
  return new ConcurrentModificationError(fields, { scope: identity });
}

function refuseStore(store: StateStore, count: number): void {
  if (count > 1) throw new TypeError("a transaction needs all its durable scopes in one store");
  if (!store.supports.transactions)
    throw new TypeError(
      `the ${store.name} store cannot do transactions over several scopes: keep what changes ` +
        "together in one scope, or use a store that can (memory, sqlite, postgres)",
    );
}
