/**
 * A transaction over several scopes: all of it takes effect, or none.
 *
 * Invariants
 *  G1  Scopes are claimed in the order of keys, so two transactions cannot wait for each other.
 *  G2  All records are saved at once, as J1 to J4 of `multi-scope-commit.ts` say.
 *  G3  A conflict on any record makes the whole recipe run again on the store's records.
 *  G4  Its exclusive section is released, however the transaction ends.
 *  G7  After `cas.maxRetries` it takes the exclusive leases of all its records, in the order of
 *      keys, reads them and tries once more; without `cas.escalate` it rejects, unless another
 *      owner keeps a record.
 *  G8  Scopes that were read and not changed are verified with the save; a recipe that threw, or
 *      changed nothing, counts only when the states it was given are current.
 *  G9  A checkpoint scope takes part from memory. When another writer has saved it first, the
 *      recipe runs again for that scope alone, on the other scopes' states as they were.
 */
import { isRefused, refusedAt, retry, type SaveStep } from "../../../actors/scope/retry.ts";
import { ConcurrentModificationError } from "../../../actors/errors.ts";
import type { MutationOptions, MutationContext } from "../../../actors/protocol.ts";
import { createDraft, RecipeMutation, type Recipe } from "../../../actors/scope/recipe.ts";
import { endRecipe } from "../../../actors/scope/recipe-result.ts";
import {
  type Transacted,
  TransactDrafts,
  TransactMutation,
  type TransactRecipe,
} from "../../../actors/scope/transact.ts";
import { createCall } from "../../../actors/scope/admission.ts";
import { metaOption } from "../../../actors/scope/options.ts";
import { ExclusiveSection } from "../../../actors/scope/exclusive.ts";
import { endLife } from "../../../actors/scope/tasks.ts";
import { captureContext } from "../../../actors/scope/reentrancy.ts";
import type { StateStore } from "../../stores/contract.ts";
import { isDurable, type Part, saveTogether } from "./multi-scope-commit.ts";
import type { ResidentScope } from "../resident-scope.ts";
import { type Answered, TransactionKey } from "./transaction-key.ts";
import { TransactionTimers } from "./transaction-timers.ts";

/** The recipe of a transaction; drafts are in the order of the given scopes. */
export type TransactionRecipe = (drafts: object[], context: MutationContext) => unknown;

/** What the drafts of a recipe became; `result`: when the transaction resolves to it. */
type Ended = Pick<Transacted, "nexts"> & Partial<Transacted>;

/** The drafts of one run of a recipe, in the order of keys. */
type Drafting = Pick<TransactDrafts, "drafts"> & { end(returned: unknown): Ended };

/** One run of the recipe. */
interface Computed extends Answered {
  readonly thrown: { readonly error: unknown } | null;
}

function thrown(error: unknown): Computed {
  return { parts: [], answer: false, thrown: { error } };
}

function changing(states: readonly object[]): Drafting {
  const drafts = states.map(createDraft);
  return { drafts, end: (returned) => ({ nexts: endRecipe(drafts, returned) }) };
}

/** One transaction. */
export class Transaction {
  readonly #scopes: readonly ResidentScope[];
  readonly #recipe: TransactionRecipe;
  readonly #options: MutationOptions | undefined;
  readonly #resolves: "changed" | "result";
  readonly #ordered: readonly ResidentScope[];
  readonly #key: TransactionKey | null;
  readonly #section: ExclusiveSection;
  readonly #timers: TransactionTimers;

  constructor(
    scopes: readonly ResidentScope[],
    recipe: TransactionRecipe,
    options: MutationOptions | undefined,
    resolves: "changed" | "result",
  ) {
    this.#resolves = resolves;
    this.#scopes = scopes;
    this.#recipe = recipe;
    const { once, ...claiming } = options ?? {};
    const { meta } = claiming;
    // Copied now, and once for all its scopes.
    this.#options = options && {
      ...claiming,
      ...(meta !== undefined && { meta: metaOption(meta) }),
    };
    this.#ordered = [...new Set(scopes)].toSorted((a, b) => (a.key < b.key ? -1 : 1));
    this.#key = once === undefined ? null : new TransactionKey(once, this.#ordered);
    this.#section = new ExclusiveSection(this.#ordered);
    this.#timers = new TransactionTimers(this.#ordered);
    const stores = new Set(scopes.filter(isDurable).map((scope) => scope.kind.store));
    for (const store of stores) refuseStore(store, stores.size);
  }

  /** Resolves to whether anything changed, or to the result of the recipe. */
  async run(): Promise<unknown> {
    await this.#section.acquire(this.#options);
    try {
      const answer = await this.#held();
      await this.#timers.saved();
      return answer;
    } catch (error) {
      this.#timers.failed(error);
      throw error;
    }
  }

  async #held(): Promise<unknown> {
    try {
      return await this.#attempts();
    } finally {
      // A store that is silent keeps the scopes, and not the caller beyond its time limit.
      const over = this.#section.revoked.catch(() => undefined);
      await Promise.race([this.#section.finish(), over]);
    }
  }

  async #attempts(): Promise<unknown> {
    const settings = this.#ordered[0]?.kind.settings;
    if (settings === undefined) return false;
    let end = await this.#attempt(1);
    const step = (): SaveStep =>
      "parts" in end ? "saved" : refusedAt(end.expectedVersion, end.actualVersion);
    const first = step();
    if (isRefused(first)) {
      const attempt = async (count: number): Promise<SaveStep> => {
        end = await this.#attempt(count);
        return step();
      };
      const stopped = new AbortController();
      const { signal } = stopped;
      this.#section.revoked.catch(() => stopped.abort());
      // One more attempt on what the store holds, while no other owner can write the records.
      const exclusive = async (count: number): Promise<SaveStep> => {
        const durable = new Set(this.#ordered.filter(isDurable));
        await this.#section.keepRecords(durable, { signal, section: false });
        return attempt(count);
      };
      try {
        await this.#section.during(retry({ ...settings, first, signal, attempt, exclusive }));
      } catch (error) {
        if (isRefused(step())) throw error; // Else it is stored.
      }
    }
    if ("parts" in end) return end.answer;
    throw end;
  }

  /** Resolves to the run that counts, or to the conflict. */
  async #attempt(attempt: number): Promise<Computed | ConcurrentModificationError> {
    const scopes = this.#ordered;
    const computed = await this.#section.during(this.#compute(attempt).catch(thrown));
    const changed = computed.parts.filter((part) => part.outcome.changed);
    const written = new Set(changed.map(({ scope }) => scope));
    // Their states may be older than their records.
    const isRead = (scope: ResidentScope): boolean =>
      isDurable(scope) && (scope.settings.verifies || scope === this.#key?.keeper);
    const read = scopes.filter((scope) => isRead(scope) && !written.has(scope));
    const expected = new Map(scopes.map((scope) => [scope, scope.version]));
    const { meta } = this.#options ?? {};
    const stale = await saveTogether(this.#section, changed, { atomic: true, read, meta });
    if (stale.length > 0) return conflictOf(stale, attempt, expected);
    if (computed.thrown !== null) throw computed.thrown.error;
    return computed;
  }

  /** Runs the recipe on drafts and computes the part of each scope. */
  async #compute(attempt: number): Promise<Computed> {
    const scopes = this.#ordered;
    // A scope may expire while another one is claimed or ended.
    const firstOver = (): ResidentScope | undefined => scopes.find(({ overdue }) => overdue);
    for (let over = firstOver(); over !== undefined; over = firstOver())
      await this.#section.during(endLife(over, this.#section));
    const found = this.#key?.found;
    if (found !== undefined) return { parts: [], answer: found[1], thrown: null };
    const states = new Map(scopes.map((scope) => [scope, scope.draft.expose()]));
    const given = [...states.values()];
    const work: Drafting =
      this.#resolves === "result" ? new TransactDrafts(given) : changing(given);
    const drafts = new Map(scopes.map((scope, index) => [scope, work.drafts[index] ?? {}]));
    const returned: unknown = await this.#section.run(attempt, (context) =>
      this.#recipe(this.#given(drafts), this.#timers.begin(context)),
    );
    const { nexts, result } = work.end(returned);
    await this.#section.during(this.#timers.prepare());
    const make = (): Part[] =>
      scopes.map((scope, at) => this.#part(scope, nexts[at] ?? {}, states));
    const first = make();
    const parts = this.#timers.join(first) ? make() : first;
    const answerOf = (all: readonly Part[]): unknown =>
      result === undefined
        ? all.some(({ outcome }) => outcome.changed)
        : result(all.map(({ next }) => next ?? {}));
    const answered = this.#key?.keep(parts, nexts, answerOf) ?? { parts, answer: answerOf(parts) };
    return { ...answered, thrown: null };
  }

  /** The drafts in the order of the given scopes. */
  #given(drafts: ReadonlyMap<ResidentScope, object>): object[] {
    return this.#scopes.map((scope) => drafts.get(scope) ?? {});
  }

  /** The part of `scope`; a checkpoint scope may have to run the recipe again later (G9). */
  #part(scope: ResidentScope, next: object, states: ReadonlyMap<ResidentScope, object>): Part {
    const part = this.#timers.part(scope, next);
    if (isDurable(scope) || scope.backing === null) return part;
    const rerun: TransactRecipe<object, unknown> = (draft, context) => {
      const drafts = new Map([...states].map(([each, state]) => [each, createDraft(state)]));
      drafts.set(scope, draft);
      return this.#recipe(this.#given(drafts), this.#timers.again(context));
    };
    // The result of one scope's recipe may be its next state; others return none that counts.
    const again =
      this.#resolves === "changed" && states.size === 1
        ? new RecipeMutation<object>(rerun as Recipe<object>)
        : new TransactMutation(rerun);
    const entry = createCall(again, this.#options, scope.settings);
    entry.context = captureContext();
    return { ...part, mutation: this.#timers.repeated(part, again), entry };
  }
}

function conflictOf(
  stale: readonly ResidentScope[],
  attempts: number,
  expected: ReadonlyMap<ResidentScope, number>,
): ConcurrentModificationError {
  // An atomic batch also refuses records that are as expected.
  const scope = stale.find((each) => each.version !== expected.get(each)) ?? stale[0];
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
