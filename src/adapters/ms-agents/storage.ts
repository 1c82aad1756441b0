/**
 * The `Storage` of `@microsoft/agents-hosting` and of `botbuilder-core`: each key is a scope.
 *
 * Items are kept as JSON, as all storages of these packages keep them: a class instance is read as
 * a plain object, a date as text.
 *
 * Invariants
 *  E1  Each write of an item gives it a new tag, which no other write has ever given: so a tag from
 *      before another write, or before a delete, fits nothing.
 *  E2  A tag is compared where the item is written, in the same mutation: of writes at once with
 *      one tag, one takes effect, in all processes.
 *  E3  A write of several items takes effect for all or for none, where the store of the runtime
 *      has transactions; elsewhere the items before the refused one are written.
 */
import { randomBytes } from "node:crypto";
import { refuseUnknown } from "../../../actors/scope/options.ts";
import { mutableCopy } from "../../../actors/state/mutable-copy.ts";
import { defineKind, type Kind } from "../../runtime/kinds.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { Scope } from "../../runtime/scope.ts";
import { type TurnMiddleware, turns } from "./turns.ts";
import { checkRuntime } from "../shared/check-runtime.ts";

const TYPE = "ms-agents";

/** The state of a key; without an item it has no fields. */
interface ItemState {
  item?: Record<string, unknown>;
  tag?: string;
}

const KIND: Kind<ItemState> = defineKind({ initial: {} });

/** Items by their keys, each with its tag as `eTag`; the packages leave their fields open. */
export interface StoredItems {
  // The packages declare their items so, and this is one of them.
  [key: string]: ReturnType<typeof JSON.parse>;
}

/** Options of a storage. */
export interface HoldfastStorageOptions {
  /** Where the items are kept; the storage never closes it. */
  readonly runtime: Runtime;
  /**
   * The kind of the scopes. By default a kind of the adapter's own, added to the runtime; the name
   * of a declared one adds a time to live or a history. Its states are `{ item, tag }`.
   */
  readonly type?: string | undefined;
}

/** An item was not written: it has been written or deleted since its tag was read. */
export class ETagConflictError extends Error {
  override readonly name = "ETagConflictError";
  readonly code = "ETAG_CONFLICT";
  readonly key: string;

  constructor(key: string) {
    super(`Storage: error writing "${key}" due to eTag conflict.`);
    this.key = key;
  }
}

/** A storage of both packages; see the head of this file. */
export class HoldfastStorage {
  readonly #runtime: Runtime;
  readonly #type: string;

  /** Throws `TypeError` for an unknown option, and where there is no runtime. */
  constructor(options: HoldfastStorageOptions) {
    refuseUnknown("HoldfastStorage", options, ["runtime", "type"]);
    const { runtime, type } = options;
    checkRuntime("HoldfastStorage", runtime);
    this.#runtime = runtime;
    this.#type = type ?? TYPE;
    if (type === undefined) runtime.declare(TYPE, KIND);
  }

  /** The items of those keys that have one: copies, as they are stored now. */
  async read(keys: string[]): Promise<StoredItems> {
    if (!Array.isArray(keys)) throw new ReferenceError("Keys are required when reading.");
    const found = await this.#runtime.read<ItemState>(this.#type, keys);
    const items = keys.flatMap((key, at) => {
      const { item, tag } = found[at]?.state ?? {};
      return item === undefined ? [] : [[key, { ...mutableCopy(item), eTag: tag }] as const];
    });
    return Object.fromEntries(items);
  }

  /**
   * Writes items. One with an `eTag` that is neither empty nor `*` is written only in place of the
   * item that has this tag, else the call rejects with `ETagConflictError` (E3). Rejects with
   * `TypeError` for an item that is no object, and for one that JSON cannot hold.
   */
  async write(changes: StoredItems): Promise<void> {
    if (typeof changes !== "object" || changes === null)
      throw new ReferenceError("Changes are required when writing.");
    const writes = Object.entries(changes).map(([key, given]) => toWrite(key, given));
    if (writes.length === 0) return;
    const scopes = await Promise.all(writes.map(({ key }) => this.#open(key)));
    const replace = (states: readonly ItemState[]): void =>
      states.forEach((state, at) => writes[at]?.apply(state));
    const { transactions } = this.#runtime.supports(this.#type);
    if (transactions && scopes.length > 1)
      return this.#runtime.transact(scopes, (drafts) => replace(drafts));
    for (const [at, scope] of scopes.entries())
      await scope.update((draft) => writes[at]?.apply(draft));
  }

  /** Removes items; a key without one is left alone. */
  async delete(keys: string[]): Promise<void> {
    if (!Array.isArray(keys)) throw new ReferenceError("Keys are required when deleting.");
    await Promise.all(keys.map(async (key) => (await this.#open(key)).delete()));
  }

  /** `turns` of this entry point with the runtime of this storage. */
  turns(): TurnMiddleware {
    return turns({ runtime: this.#runtime });
  }

  #open(key: string): Promise<Scope<ItemState>> {
    return this.#runtime.open<ItemState>(this.#type, key);
  }
}

interface Write {
  readonly key: string;
  /** Changes the state of the key, or throws `ETagConflictError` before it does. */
  readonly apply: (state: ItemState) => void;
}

function toWrite(key: string, given: unknown): Write {
  if (typeof given !== "object" || given === null || Array.isArray(given))
    throw new TypeError(`the item of key ${JSON.stringify(key)} is no object`);
  // An object becomes an object, unless its `toJSON` says otherwise.
  const { eTag, ...item } = JSON.parse(JSON.stringify(given)) as Record<string, unknown>;
  const isBound = eTag !== undefined && eTag !== "" && eTag !== "*";
  return {
    key,
    apply: (state) => {
      if (isBound && state.tag !== eTag) throw new ETagConflictError(key);
      state.item = item;
      state.tag = randomBytes(12).toString("base64url");
    },
  };
}
