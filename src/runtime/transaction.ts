/**
 * A transaction over several scopes: all of it takes effect, or none.
 *
 * Invariants
 *  G1  Mailboxes are taken in the order of keys, so two transactions cannot wait for each other.
 *  G2  Nothing is changed in memory before the store has answered for all records at once.
 *  G3  A conflict on any record makes the whole recipe run again on what the store holds.
 *  G4  Every hold is released, however the transaction ends.
 *  G5  Once a hold is lost nothing is changed any more; while the write was under way its outcome
 *      is unknown, and every scope in it reads the store before it goes on.
 *  G6  Listeners hear of it when all scopes show it.
 */
import { backoffMs } from "../../actors/persist.ts";
import {
  CommitUnknownError,
  ConcurrentModificationError,
  isHoldfastError,
} from "../../actors/errors.ts";
import type { Outcome } from "../../actors/mailbox.ts";
import { foundIn } from "../../actors/answer.ts";
import { Head } from "../../actors/apply.ts";
import type { CommitInfo, MutationOptions, MutatorTurn } from "../../actors/protocol.ts";
import { createDraft, finishDraft, RecipeMutation } from "../../actors/recipe.ts";
import type { Hold } from "../../actors/solo.ts";
import { Turn } from "../../actors/turn.ts";
import { applyMutation } from "../../actors/write.ts";
import type { ScopeWrite, StateStore, WriteResult } from "../stores/store.ts";
import type { ResidentScope } from "./resident.ts";

/** What is done in a transaction, on drafts in the order in which the scopes were given. */
export type TransactionRecipe = (drafts: object[], turn: MutatorTurn) => void | Promise<void>;

/** One scope's part in an attempt. */
interface Part {
  readonly scope: ResidentScope;
  readonly outcome: Outcome;
  readonly next: object;
  readonly commit: CommitInfo;
}

const UPDATE = new RecipeMutation<object>(() => undefined);

/** One transaction on held scopes. */
export class Transaction {
  readonly #scopes: readonly ResidentScope[];
  readonly #recipe: TransactionRecipe;
  readonly #options: MutationOptions | undefined;
  readonly #holds: Hold[] = [];
  #ended = false;

  constructor(
    scopes: readonly ResidentScope[],
    recipe: TransactionRecipe,
    options: MutationOptions | undefined,
  ) {
    this.#scopes = scopes;
    this.#recipe = recipe;
    this.#options = options;
    const stores = new Set(scopes.filter(isDurable).map((scope) => scope.kind.store));
    for (const store of stores) refuseStore(store, stores.size);
  }

  /** Resolves to whether anything changed. */
  async run(): Promise<boolean> {
    const ordered = [...new Set(this.#scopes)].toSorted((a, b) => (a.key < b.key ? -1 : 1));
    try {
      for (const scope of ordered) {
        const hold = scope.hold(this.#options);
        // Whoever loses one scope while it waits for the next gives the next back when it comes.
        hold.then((late) => this.#ended && late.release()).catch(() => undefined);
        this.#holds.push(await this.#whileHeld(hold));
      }
      return await this.#attempts(ordered);
    } finally {
      this.#ended = true;
      for (const hold of this.#holds) hold.release();
    }
  }

  async #attempts(scopes: readonly ResidentScope[]): Promise<boolean> {
    const settings = scopes[0]?.kind.settings;
    if (settings === undefined) return false;
    const { cas, clock, random } = settings;
    for (let attempt = 1; ; attempt++) {
      const parts = await this.#whileHeld(this.#compute(scopes, attempt));
      const changed = parts.filter((part) => part.outcome.changed);
      const stale = await this.#save(changed.filter(({ scope }) => isDurable(scope)));
      if (stale === null) {
        confirm(changed);
        return changed.length > 0;
      }
      if (attempt > cas.maxRetries) throw this.#gaveUp(stale, attempt);
      const waitMs = backoffMs(cas, attempt, random);
      await this.#whileHeld(new Promise<void>((resolve) => clock.setTimeout(resolve, waitMs)));
    }
  }

  /** Runs the recipe on drafts and works out what it does to each scope. */
  async #compute(scopes: readonly ResidentScope[], attempt: number): Promise<Part[]> {
    const drafts = new Map(scopes.map((scope) => [scope, createDraft(scope.head.expose())]));
    const turn = new Turn(attempt);
    const recipe = (): void | Promise<void> =>
      this.#recipe(
        this.#scopes.map((scope) => drafts.get(scope) ?? {}),
        turn,
      );
    const ends: (() => void)[] = [() => turn.end()];
    // Every held scope is on the chain of the recipe, so that using one in it is refused.
    const code = scopes.reduce<() => void | Promise<void>>((inner, scope) => {
      const held = new Turn(attempt);
      ends.push(() => held.end());
      return () => held.run(scope, scope.identity, inner);
    }, recipe);
    try {
      const done = code();
      if (done !== undefined) await this.#whileHeld(done);
    } catch (error) {
      turn.lose(error);
      throw error;
    } finally {
      for (const end of ends) end();
    }
    return scopes.map((scope) => partOf(scope, drafts.get(scope)));
  }

  /** Saves all or none. Answers the scopes that were out of date, or `null` when all is stored. */
  async #save(parts: readonly Part[]): Promise<ResidentScope[] | null> {
    const writes = parts.flatMap(({ scope, next, commit }): ScopeWrite[] => {
      const write = scope.backing?.write(next, scope.version, commit);
      return write === undefined ? [] : [write];
    });
    const store = parts[0]?.scope.kind.store;
    if (store === undefined) return null;
    const results = await this.#commit(store, writes, parts);
    const stale = parts.filter((_, index) => results[index]?.ok === false);
    if (stale.length === 0) {
      parts.forEach(({ scope, next }, index) => {
        const result = results[index];
        if (result !== undefined) scope.backing?.answer(result, next);
      });
      return null;
    }
    parts.forEach(({ scope }, index) => {
      const result = results[index];
      const found = result?.ok === false ? scope.backing?.answer(result, null) : undefined;
      if (found?.ok === false) scope.take(foundIn(found));
    });
    return stale.map(({ scope }) => scope);
  }

  async #commit(
    store: StateStore,
    writes: readonly ScopeWrite[],
    parts: readonly Part[],
  ): Promise<WriteResult[]> {
    for (const hold of this.#holds) hold.writing(true);
    try {
      return await this.#whileHeld(store.commit(writes, { atomic: true }));
    } catch (cause) {
      if (!this.#isLost && !isHoldfastError(cause, "COMMIT_UNKNOWN")) throw cause;
      for (const { scope } of parts) scope.stale = true;
      throw new CommitUnknownError({ scope: parts[0]?.scope.identity, cause });
    } finally {
      for (const hold of this.#holds) hold.writing(false);
    }
  }

  get #isLost(): boolean {
    return this.#holds.some((hold) => hold.ended);
  }

  /** Waits for `work`, or throws what made the transaction lose one of its scopes (G5). */
  async #whileHeld<T>(work: Promise<T>): Promise<T> {
    const lost = Promise.race(this.#holds.map((hold) => hold.lost));
    const done = await Promise.race([lost, work]);
    return this.#isLost ? lost : done;
  }

  #gaveUp(stale: readonly ResidentScope[], attempts: number): ConcurrentModificationError {
    const [scope] = stale;
    const actualVersion = scope?.version ?? 0;
    const fields = { attempts, expectedVersion: actualVersion, actualVersion };
    return new ConcurrentModificationError(fields, { scope: scope?.identity });
  }
}

function isDurable(scope: ResidentScope): boolean {
  return scope.kind.durability === "commit" && scope.backing !== null;
}

function refuseStore(store: StateStore, count: number): void {
  if (count > 1) throw new TypeError("a transaction needs all its durable scopes in one store");
  if (!store.supports.transactions)
    throw new TypeError(`the ${store.name} store cannot do transactions over several scopes`);
}

function partOf(scope: ResidentScope, draft: object | undefined): Part {
  const scratch = new Head(scope.head.expose(), scope.identity);
  const target = { head: scratch, settings: scope.settings, recording: true };
  const outcome = applyMutation(target, UPDATE, finishDraft(draft));
  if (outcome.error !== null) throw outcome.error.thrown;
  const commit: CommitInfo = {
    version: scope.version + 1,
    patches: outcome.patches ?? [],
    operations: ["update"],
  };
  return { scope, outcome, next: scratch.expose(), commit };
}

function confirm(parts: readonly Part[]): void {
  for (const { scope, next, commit } of parts) {
    scope.head.reset(next);
    scope.version = commit.version;
  }
  for (const { scope, outcome } of parts) {
    scope.announceChange(UPDATE, outcome);
    scope.committed();
  }
}
