/**
 * The work of one turn: reads its documents, keeps its working copies, stores its changes.
 *
 * Invariants
 *  W1  A document is replaced only if it is unchanged since it was found. Other writers' changes
 *      are merged; a path that both changed is a conflict. The turn's code is never run again.
 *  W2  Nothing is stored after the turn has ended or lost its mailboxes.
 *  W3  Saves of one turn run one after another.
 */
import { isHoldfastError, StateSealedError } from "../../../actors/errors.ts";
import { isRefused, ownRetries, retry, type SaveStep } from "../../../actors/scope/retry.ts";
import { keyOrError, type PersistedScope, type TurnActivity } from "./activity.ts";
import { TurnSection } from "./turn-section.ts";
import type { TurnPolicy } from "./policy.ts";
import { TurnScope } from "./scope.ts";
import { checkFound, Slot } from "./slot.ts";
import type { Swap, Vault } from "./vault.ts";
import { Working } from "./working.ts";

/** The retries of a save that meets another writer's save. */
const RETRIES = ownRetries({ maxRetries: 8, maxDelayMs: 200 });

/** One turn. */
export class TurnWork {
  readonly policy: TurnPolicy;
  readonly conversation: TurnScope;
  readonly user: TurnScope;
  readonly temp: TurnScope;
  readonly #vault: Vault;
  readonly #slotByScope: Readonly<Record<PersistedScope, Slot | TypeError>>;
  readonly #slots: readonly Slot[];
  #section: TurnSection | null = null;
  #isSealed = false;
  #saving: Promise<void> = Promise.resolve();
  #temp = new Working();

  constructor(vault: Vault, activity: TurnActivity, policy: TurnPolicy) {
    if (typeof activity !== "object" || activity === null)
      throw new TypeError(`an activity must be an object, received ${typeof activity}`);
    this.#vault = vault;
    this.policy = policy;
    const slot = (type: PersistedScope): Slot | TypeError => {
      const key = keyOrError(type, activity, policy.keyFormat);
      return typeof key === "string" ? new Slot(type, key, policy) : key;
    };
    this.#slotByScope = { conversation: slot("conversation"), user: slot("user") };
    this.#slots = Object.values(this.#slotByScope).filter((each) => each instanceof Slot);
    this.conversation = new TurnScope(() => this.#slot("conversation").working);
    this.user = new TurnScope(() => this.#slot("user").working);
    this.temp = new TurnScope(() => this.#open().#temp);
  }

  /** Acquires both mailboxes until `end`. */
  async acquire(): Promise<TurnSection> {
    this.#section = await this.#acquire();
    return this.#section;
  }

  /**
   * Reads both documents in parallel. Rejects with `CorruptStateError` and the errors of the
   * storage.
   */
  async load(): Promise<void> {
    const keys = this.#slots.map(({ key }) => key);
    if (keys.length === 0) return;
    const section = this.#section;
    const found = await this.#vault.find(keys, section && (() => !section.exclusive.ended));
    for (const [index, slot] of this.#slots.entries()) {
      const each = found[index];
      if (each !== undefined) slot.start(await checkFound(each, slot, this.#vault, this.policy));
    }
  }

  /** Stores the changes, if there are any. */
  save(): Promise<void> {
    const save = (): Promise<void> => this.#saving.then(() => this.#save());
    const saving = this.#vault.call?.(save) ?? save();
    this.#saving = saving.catch(() => undefined); // The caller of the save gets the error.
    return saving;
  }

  /** Marks a scope's document for deletion. */
  delete(scope: PersistedScope): void {
    this.#slot(scope).delete();
  }

  /** Discards the state of the turn itself. */
  deleteTemp(): void {
    this.#open().#temp.clear();
  }

  /** Ends the turn: its state is sealed, its mailboxes are released. */
  end(): void {
    this.#isSealed = true;
    this.#section?.release();
  }

  #open(): this {
    if (this.#isSealed && this.policy.afterTurn === "seal") throw new StateSealedError();
    return this;
  }

  #slot(scope: PersistedScope): Slot {
    const slot = this.#open().#slotByScope[scope];
    if (slot instanceof Slot) return slot;
    throw new TypeError(slot.message);
  }

  #acquire(): Promise<TurnSection> {
    const keys = this.#slots.map(({ key }) => key);
    return TurnSection.acquire(this.#vault, keys, this.policy);
  }

  async #save(): Promise<void> {
    if (this.#isSealed) throw new StateSealedError();
    if (this.#section !== null) return this.#store(this.#section, true);
    if (this.#changes().length === 0) return;
    const section = await this.#acquire();
    try {
      await this.#store(section, false);
    } finally {
      section.release();
    }
  }

  async #store(section: TurnSection, keptSinceRead: boolean): Promise<void> {
    let stale: readonly Slot[] = [];
    const attempt = async (count: number): Promise<SaveStep> => {
      if (stale.length > 0) await this.#rebase(stale, section, count - 1);
      const changes = this.#changes();
      if (changes.length === 0) return "empty";
      stale = await this.#swap(changes, section, keptSinceRead && count === 1);
      return stale.length === 0 ? "saved" : "conflict";
    };
    const { clock } = this.policy;
    const end = await section.during(retry({ ...RETRIES, clock, attempt }));
    const [first] = stale; // After "empty" they need no save any more.
    if (isRefused(end) && first !== undefined) throw first.conflict("", RETRIES.cas.maxRetries + 1);
  }

  /** Returns the slots whose documents were not replaced. */
  async #swap(
    changes: readonly (readonly [Slot, Swap])[],
    section: TurnSection,
    keptSinceRead: boolean,
  ): Promise<Slot[]> {
    const swaps = changes.map(([, change]) => change);
    const turn = { section: section.exclusive, keptSinceRead };
    const made = await section.writing(() => this.#vault.swap(swaps, turn));
    return changes.flatMap(([slot, change], index) => {
      const found = made[index] ?? null;
      if (found === null) return [slot];
      slot.stored(found, change);
      return [];
    });
  }

  async #rebase(slots: readonly Slot[], section: TurnSection, attempts: number): Promise<void> {
    const keys = slots.map(({ key }) => key);
    const found = await section.during(this.#vault.find(keys, () => !section.exclusive.ended));
    for (const [index, slot] of slots.entries()) {
      const each = found[index];
      if (each === undefined) continue;
      slot.rebase(await checkFound(each, slot, this.#vault, this.policy), attempts);
    }
  }

  #changes(): (readonly [Slot, Swap])[] {
    return this.#slots.flatMap((slot) => {
      const change = slot.change();
      return change === null ? [] : [[slot, change] as const];
    });
  }
}

/** Saves at the end of a turn according to its policy. */
export async function saveAtEnd(work: TurnWork): Promise<void> {
  try {
    await work.save();
  } catch (error) {
    if (work.policy.onSaveError === "throw") throw error;
    const code = isHoldfastError(error) ? error.code : undefined;
    const scope = isHoldfastError(error) ? error.scope : undefined;
    work.policy.logger.error("the state of a turn was not stored", { code, scope, error });
  }
}
