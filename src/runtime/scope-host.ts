/**
 * Where the scopes of a runtime live: their kinds, their stores, who they belong to, how long they
 * stay.
 */
import { whileTold } from "../../actors/scope/cascade.ts";
import { durationOption, systemClock } from "../../actors/time/clock.ts";
import { RuntimeClosedError } from "../../actors/errors.ts";
import { Listeners } from "../../actors/scope/change-stream.ts";
import { createTimerWheel, type TimerWheel } from "../../actors/time/timer-wheel.ts";
import type { Clock, Logger, ScopeIdentity } from "../../actors/protocol.ts";
import { consoleLogger, countOption, type ScopeTuning } from "../../actors/scope/options.ts";
import { ScopeSystem } from "./registry.ts";
import { quietLogger } from "../../actors/scope/safe-call.ts";
import { encodeKey } from "./scope-key.ts";
import { memoryStore } from "../stores/memory/store.ts";
import { thisProcess, type ProcessOwner } from "../stores/shared/process-identity.ts";
import type { StateStore } from "../stores/contract.ts";
import {
  agrees,
  bind,
  bindingKey,
  checkBinding,
  type Binding,
  type IdentityExtra,
  loadBinding,
  ownsEphemeral,
  spoken,
} from "./session/binding.ts";
import { batchedStore, type BatchedStore } from "./persistence/batching-store.ts";
import { StoreBridge } from "./persistence/record-bridge.ts";
import { Calls } from "./calls.ts";
import { Expiry } from "./expiry.ts";
import { checkId } from "./id.ts";
import {
  BUILT_IN_KINDS,
  resolveKind,
  type Kind,
  type KindContext,
  type ResolvedKind,
} from "./kinds.ts";
import { type FeedHome, isWatchable, RemoteFeed } from "./replication/remote-changes.ts";
import { ResidentScope, type Keeper } from "./resident-scope.ts";
import { useStore } from "./store-users.ts";

/** Scopes held in memory, when nothing else is said. */
const RESIDENT_MAX = 100_000;
/** Milliseconds until a scope that could not read its store tries again. */
const RETRY_MS = 1_000;

/** Options of a runtime. */
export interface RuntimeOptions extends ScopeTuning {
  /** Default: a memory store of its own. The last runtime that uses it closes it. */
  readonly store?: StateStore | undefined;
  /** Further kinds, or other settings for the built-in ones. */
  readonly kinds?: Readonly<Record<string, Kind>> | undefined;
  /** Keeps the records of several applications on one store apart; default `holdfast`. */
  readonly namespace?: string | undefined;
  /** Scopes held in memory before idle ones are passivated; default 100 000. */
  readonly maxResidentScopes?: number | undefined;
  /** Milliseconds without use until a scope is passivated; default never. */
  readonly passivateAfterMs?: number | undefined;
  /**
   * Hear of what other processes commit, where the store can tell; default true. With `false` a
   * scope learns of it when its next save meets a newer version, or by `refresh()`.
   */
  readonly watch?: boolean | undefined;
}

/** The scopes of a runtime and all they live on. */
export class ScopeHome {
  /** This process, as leases name it. */
  readonly owner: ProcessOwner = thisProcess();
  readonly namespace: string;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly listeners: Listeners;
  readonly system: ScopeSystem<ResidentScope>;
  readonly calls: Calls = new Calls(
    (holder) => holder instanceof ResidentScope && this.owns(holder),
  );
  readonly #context: KindContext;
  readonly #kinds = new Map<string, ResolvedKind>();
  readonly #declared = new Map<string, Kind>();
  readonly #stores = new Map<StateStore, BatchedStore>();
  readonly #leaves: (() => Promise<void>)[] = [];
  readonly #feeds = new Map<StateStore, RemoteFeed>();
  readonly #watches: boolean;
  readonly #expiry: Expiry;
  readonly #keeper: Keeper;
  #isMade = false;

  constructor(options: RuntimeOptions) {
    this.namespace = options.namespace ?? "holdfast";
    this.logger = quietLogger(options.logger ?? consoleLogger);
    this.clock = options.clock ?? systemClock;
    this.wheel = createTimerWheel(this.clock, { logger: this.logger });
    this.listeners = new Listeners(this.logger);
    this.#watches = options.watch ?? true;
    const { clock } = this;
    this.#context = { ...options, store: options.store ?? memoryStore({ clock }) };
    this.#declareKinds(options);
    const passivateAfterMs = durationOption("passivateAfterMs", options.passivateAfterMs, Infinity);
    this.system = new ScopeSystem({
      wheel: this.wheel,
      maxResident: countOption("maxResidentScopes", options.maxResidentScopes, RESIDENT_MAX, 1),
      passivateAfterMs: passivateAfterMs > 0 ? passivateAfterMs : Infinity,
      mayPassivate: (scope) => scope.mayPassivate,
      collected: (key) => this.#expiry.forget(key),
    });
    this.#expiry = new Expiry(this.wheel, (key) => this.system.find(key));
    this.#keeper = this.#createKeeper();
    for (const store of this.stores) this.#leaves.push(useStore(store)); // Last: it may be refused.
    this.#isMade = true;
  }

  /** All stores of all kinds. */
  get stores(): StateStore[] {
    return [...this.#stores.keys()];
  }

  /** The live scope of a type and id, loaded or new. */
  async open(type: string, id: string, extra: IdentityExtra = {}): Promise<ResidentScope> {
    if (this.system.stopping) throw new RuntimeClosedError();
    const kind = this.kind(type);
    checkId(id);
    const key = this.key(type, id);
    const live = this.system.find(key);
    if (live !== undefined && agrees(live.identity, extra)) return this.system.hold(key, live);
    const feed = this.#feeds.get(kind.store);
    if (feed?.begun === false && kind.durability !== "volatile") await feed.begin();
    const bound = await this.#bind(kind, id, extra);
    return this.system.spawn(key, () => this.#load(key, kind, { type, id, ...bound }));
  }

  /** True for a scope opened here. */
  owns(scope: ResidentScope): boolean {
    return scope.isKeptBy(this.#keeper);
  }

  /** The way of one record to its store; `null` for a volatile kind. */
  bridge(kind: ResolvedKind, identity: ScopeIdentity): StoreBridge | null {
    if (kind.durability === "volatile") return null;
    const key = this.key(kind.type, identity.id);
    const { clock, logger } = this;
    return new StoreBridge(this.batched(kind), { key, identity, rule: kind, clock, logger });
  }

  /** The key of a scope. */
  key(type: string, id: string): string {
    return encodeKey(this.namespace, type, id);
  }

  /** A kind by its type; throws `TypeError` for an unknown one. */
  kind(type: string): ResolvedKind {
    const kind = this.#kinds.get(type);
    if (kind !== undefined) return kind;
    const known = [...this.#kinds.keys()].join(", ");
    throw new TypeError(`unknown scope type "${type}"; declared are: ${known}`);
  }

  /** Adds a kind; the same one may be added again, another one of that name throws `TypeError`. */
  declare(type: string, kind: Kind): void {
    const known = this.#declared.get(type);
    if (known === undefined) this.#add(type, kind);
    else if (known !== kind) throw new TypeError(`scope type "${type}" is declared already`);
  }

  /** The store of a kind, with its requests gathered per tick. */
  batched(kind: ResolvedKind): BatchedStore {
    const batched = this.#stores.get(kind.store);
    if (batched === undefined) throw new TypeError(`kind ${kind.type} has no store`);
    return batched;
  }

  /** Lets what is under way end, stops every scope, then the wheel, then leaves the stores. */
  async close(drainMs: number, runsEnded: Promise<unknown>): Promise<void> {
    const { calls, clock, system } = this;
    try {
      const left = await calls.drain({ clock, drainMs, scopes: () => system.living });
      if (left > 0) this.logger.warn("calls were cut off by the end of the runtime", { left });
      await system.stop();
    } finally {
      this.wheel.stop();
      await Promise.all([...this.#feeds.values()].map((feed) => feed.stop()));
      await runsEnded;
      await Promise.all(this.#leaves.map((leave) => leave()));
    }
  }

  #declareKinds(options: RuntimeOptions): void {
    for (const [type, kind] of Object.entries({ ...BUILT_IN_KINDS, ...options.kinds }))
      this.#add(type, kind);
  }

  #add(type: string, kind: Kind): void {
    const resolved = resolveKind(type, kind, this.#context);
    this.#kinds.set(type, resolved);
    this.#declared.set(type, kind);
    const { store } = resolved;
    if (this.#stores.has(store)) return;
    this.#stores.set(store, batchedStore(store));
    if (this.#isMade && !this.system.stopping) this.#leaves.push(useStore(store));
    if (!this.#watches || !isWatchable(store)) return;
    this.#feeds.set(store, new RemoteFeed(store, this.#feedHome()));
    if (this.listeners.size > 0) this.watch();
  }

  /** Begins to hear of the commits of others; for whoever listens before anything is open. */
  watch(): void {
    for (const feed of this.#feeds.values()) void feed.begin();
  }

  /** The rest of the identity: what was said, or what the session is bound to. */
  async #bind(kind: ResolvedKind, id: string, extra: IdentityExtra): Promise<Partial<Binding>> {
    const said = spoken(extra);
    if (kind.type !== "session" || kind.durability === "volatile") return said;
    const store = this.batched(kind);
    const key = bindingKey(this.namespace, id);
    const { userId } = said;
    const scope = { type: kind.type, id };
    if (userId !== undefined && !ownsEphemeral(id, { ...said, userId }, scope))
      await bind(store, key, { ...said, userId }, scope);
    const bound = userId === undefined ? await loadBinding(store, key) : undefined;
    if (bound === undefined) return said;
    if (said.orgId !== undefined) checkBinding(bound, { ...bound, ...said }, scope);
    return bound;
  }

  async #load(key: string, kind: ResolvedKind, identity: ScopeIdentity): Promise<ResidentScope> {
    const store = this.bridge(kind, identity);
    const load = async (): Promise<ResidentScope> => {
      const found = await store?.load();
      const scope = new ResidentScope({ key, kind, identity, store, keeper: this.#keeper, found });
      this.#expiry.read(scope, store?.until);
      return scope;
    };
    const feed = store === null ? undefined : this.#feeds.get(kind.store);
    return feed === undefined ? load() : feed.arrive(key, load);
  }

  #feedHome(): FeedHome {
    const { listeners, logger, namespace, wheel } = this;
    return {
      wheel,
      logger,
      namespace,
      get listening() {
        return listeners.size > 0;
      },
      now: () => this.clock.now(),
      find: (key) => this.system.find(key),
      held: (store) => this.system.living.filter((scope) => scope.kind.store === store),
      kindOf: (type) => this.#kinds.get(type),
      bind: (kind, id) => this.#bind(kind, id, {}),
      bridge: (kind, identity) => this.bridge(kind, identity),
      announce: (change) => whileTold(change.scope, undefined, () => listeners.announce(change)),
      later: (callback) => void this.wheel.schedule(RETRY_MS, callback),
    };
  }

  #createKeeper(): Keeper {
    const { calls, listeners } = this;
    return {
      get watching() {
        return listeners.size > 0;
      },
      get refuses() {
        return calls.refuses;
      },
      published: (change, scope) => {
        this.#feeds.get(scope.kind.store)?.published(scope.key, change.version);
        listeners.announce(change);
      },
      used: (scope) => void this.system.hold(scope.key, scope),
      committed: (scope) => {
        if (!scope.resident) this.system.hold(scope.key, scope);
        this.#expiry.changed(scope);
      },
      taken: (scope, until) => this.#expiry.read(scope, until),
      rested: (scope) => {
        this.system.rested(scope.key);
        calls.rested();
      },
      ended: (scope) => this.system.forget(scope.key, scope),
      behind: (scope) => this.#feeds.get(scope.kind.store)?.behind(scope),
    };
  }
}
