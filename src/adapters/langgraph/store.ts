/**
 * A store of LangGraph: items under namespaces, each in a scope of its own.
 *
 *  T1  The operations of a batch that read see what was stored before the batch; of several puts of
 *      one item the last one counts.
 *  T2  A put replaces the value, and keeps the time at which the item was made.
 *  T3  Items that are returned are new: the caller may change them.
 */
import type {
  BaseStore,
  GetOperation,
  Item,
  ListNamespacesOperation,
  Operation,
  OperationResults,
  PutOperation,
  SearchItem,
  SearchOperation,
} from "@langchain/langgraph-checkpoint";
import { CorruptStateError } from "../../../actors/errors.ts";
import { refuseUnknown } from "../../../actors/scope/options.ts";
import { mutableCopy } from "../../../actors/state/mutable-copy.ts";
import { typeName } from "../../../actors/state/copy.ts";
import { defineKind, type Kind } from "../../runtime/kinds.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { escapePart, partsOf, prefixOf } from "./ids.ts";
import { commonLabels, fits, isMatch } from "./match.ts";
import { inherit, loadPeer, type Peer } from "./peer.ts";
import { checkRuntime } from "../shared/check-runtime.ts";

/** Options of `HoldfastStore`. */
export interface HoldfastStoreOptions {
  /** Where items are kept; the store leaves it open. */
  readonly runtime: Runtime;
  /**
   * The kind of the items. By default one that this class adds to the runtime; the name of a
   * declared one gives them a store, a time to live or a size limit of their own.
   */
  readonly type?: string | undefined;
}

/** An item as it is stored. */
interface ItemState {
  readonly value: Readonly<Record<string, unknown>>;
  /** Milliseconds since the epoch, as the other. */
  readonly createdAt: number;
  readonly updatedAt: number;
}

const ITEM_TYPE = "langgraph.item";
const ITEM_KIND: Kind = defineKind({ resident: false });
/** Items that a search gives without a `limit`. */
const SEARCH_LIMIT = 10;

type SearchOptions = Omit<SearchOperation, "namespacePrefix">;
type ListOptions = NonNullable<Parameters<BaseStore["listNamespaces"]>[0]>;

/** Keeps the items of LangGraph in a runtime; see the head of this file. */
export class HoldfastStore implements BaseStore {
  readonly #runtime: Runtime;
  readonly #type: string;
  readonly #peer: Promise<Peer>;

  /** Throws `TypeError` for an unknown option, and where there is no runtime. */
  constructor(options: HoldfastStoreOptions) {
    refuseUnknown("HoldfastStore", options, ["runtime", "type"]);
    const { runtime, type } = options;
    checkRuntime("HoldfastStore", runtime);
    if (type === undefined) runtime.declare(ITEM_TYPE, ITEM_KIND);
    this.#runtime = runtime;
    this.#type = type ?? ITEM_TYPE;
    this.#peer = loadPeer();
    this.#peer.then(
      ({ BaseStore: base }) => inherit(HoldfastStore.prototype, base.prototype),
      () => undefined, // The calls reject.
    );
  }

  /** The results of the operations, in their order. */
  async batch<Op extends Operation[]>(operations: Op): Promise<OperationResults<Op>> {
    const gets: [at: number, operation: GetOperation][] = [];
    const puts = new Map<string, PutOperation>();
    const results: unknown[] = [];
    const work: Promise<void>[] = [];
    for (const [at, operation] of operations.entries()) {
      const keep = (result: unknown): void => void (results[at] = result);
      if ("namespacePrefix" in operation) work.push(this.#search(operation).then(keep));
      else if (!("namespace" in operation)) work.push(this.#namespaces(operation).then(keep));
      else if ("value" in operation) puts.set(idOf(operation), operation);
      else gets.push([at, operation]);
    }
    if (gets.length > 0) work.push(this.#get(gets, results));
    await settleAll(work);
    await settleAll([...puts].map(([id, { value }]) => this.#put(id, value)));
    // Each operation has the result of its kind.
    return operations.map((_, at) => results[at]) as OperationResults<Op>;
  }

  /** One item; `null` when there is none. */
  async get(namespace: string[], key: string): Promise<Item | null> {
    return (await this.#base()).get.call(this, namespace, key);
  }

  /** The items below a namespace that fit the filter, in the order of namespace and key. */
  async search(namespacePrefix: string[], options: SearchOptions = {}): Promise<SearchItem[]> {
    return (await this.#base()).search.call(this, namespacePrefix, options);
  }

  /** Stores an item. There is no vector index, so `index` changes nothing. */
  async put(
    namespace: string[],
    key: string,
    value: PutOperation["value"] & object,
    index?: PutOperation["index"],
  ): Promise<void> {
    return (await this.#base()).put.call(this, namespace, key, value, index);
  }

  /** Deletes an item. */
  async delete(namespace: string[], key: string): Promise<void> {
    return (await this.#base()).delete.call(this, namespace, key);
  }

  /** The namespaces that have items. */
  async listNamespaces(options: ListOptions = {}): Promise<string[][]> {
    return (await this.#base()).listNamespaces.call(this, options);
  }

  /** Nothing has to be started. */
  start(): void {}

  /** Leaves the runtime open. */
  stop(): void {}

  /** What stands for the store in JSON, because runs may log their config. */
  toJSON(): string {
    return "[HoldfastStore]";
  }

  /** The methods of the base class: they check namespaces, and call `batch`. */
  async #base(): Promise<BaseStore> {
    const { BaseStore: base } = await this.#peer;
    return base.prototype;
  }

  async #get(
    gets: readonly (readonly [at: number, operation: GetOperation])[],
    results: unknown[],
  ): Promise<void> {
    const ids = gets.map(([, operation]) => idOf(operation));
    const found = await this.#runtime.read<Partial<ItemState>>(this.#type, ids);
    for (const [index, [at]] of gets.entries()) {
      const state = found[index]?.state;
      results[at] = state === undefined ? null : this.#item(ids[index] ?? "", state);
    }
  }

  async #put(id: string, value: PutOperation["value"]): Promise<void> {
    const scope = await this.#runtime.open<Partial<ItemState>>(this.#type, id);
    if (value === null) return void (await scope.delete());
    if (typeof value !== "object")
      throw new TypeError(`the value of an item must be an object, received ${typeName(value)}`);
    const now = this.#runtime.clock.now();
    await scope.atomicState(({ createdAt = now }) => ({ value, createdAt, updatedAt: now }));
  }

  async #search(operation: SearchOperation): Promise<SearchItem[]> {
    const { namespacePrefix, filter = {}, limit = SEARCH_LIMIT, offset = 0 } = operation;
    const prefix = prefixOf(namespacePrefix);
    const items: SearchItem[] = [];
    let left = offset;
    if (limit <= 0) return items;
    const which = { type: this.#type, prefix, states: true } as const;
    for await (const { id, state } of this.#runtime.list(which)) {
      const item = this.#item(id, state);
      if (!fits(item.value, filter)) continue;
      left -= 1;
      if (left < 0 && items.push(item) >= limit) break;
    }
    return items;
  }

  async #namespaces(operation: ListNamespacesOperation): Promise<string[][]> {
    const { matchConditions = [], maxDepth, limit, offset } = operation;
    const prefix = prefixOf(commonLabels(matchConditions));
    const found = new Map<string, string[]>();
    for await (const { id } of this.#runtime.list({ type: this.#type, prefix })) {
      const namespace = partsOf(id).slice(0, -1);
      if (!matchConditions.every((condition) => isMatch(namespace, condition))) continue;
      const shown = namespace.slice(0, maxDepth);
      found.set(prefixOf(shown), shown);
    }
    return [...found.values()].slice(offset, offset + limit);
  }

  #item(id: string, state: object): Item {
    const { value, createdAt, updatedAt } = state as Partial<ItemState>; // Checked here.
    const parts = partsOf(id);
    if (value === undefined || value !== Object(value) || typeof createdAt !== "number") {
      const scope = { type: this.#type, id };
      throw new CorruptStateError({ location: id, reason: "it is not an item" }, { scope });
    }
    return {
      namespace: parts.slice(0, -1),
      key: parts.at(-1) ?? "",
      value: mutableCopy(value),
      createdAt: new Date(createdAt),
      updatedAt: new Date(updatedAt ?? createdAt),
    };
  }
}

/** The id of an item; throws `TypeError` for a namespace or key that is none. */
function idOf({ namespace, key }: GetOperation): string {
  if (!Array.isArray(namespace) || namespace.length === 0)
    throw new TypeError(`namespace must be a list of texts, received ${typeName(namespace)}`);
  const other = [...namespace, key].find((part) => typeof part !== "string");
  if (other !== undefined)
    throw new TypeError(`a label or key must be a text, received ${typeName(other)}`);
  return prefixOf(namespace) + escapePart(key);
}

/** Waits for all; rejects with the first failure. */
async function settleAll(work: readonly Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find((end) => end.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}
