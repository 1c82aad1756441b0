/** Keeps the scopes of a runtime: their kinds, stores, owners, and how long they are in memory. */
import { durationOption, systemClock } from "../../actors/time/clock.ts";
import { RuntimeClosedError } from "../../actors/errors.ts";
import { Listeners } from "../../actors/scope/change-stream.ts";
import { createTimerWheel, type TimerWheel } from "../../actors/time/timer-wheel.ts";
import { type Counters, newCounters } from "../../actors/scope/counters.ts";
import type { Clock, Logger, ScopeIdentity } from "../../actors/protocol.ts";
import { consoleLogger, countOption } from "../../actors/scope/options.ts";
import { typeName } from "../../actors/state/copy.ts";
import { Registry } from "./registry.ts";
import { quietLogger } from "../../actors/scope/safe-call.ts";
import { readRecord } from "../../actors/scope/save-answer.ts";
import { encodeKey } from "./scope-key.ts";
import { memoryStore } from "../stores/memory/store.ts";
import { checkTombstone } from "../stores/shared/tombstones.ts";
import type { StateStore } from "../stores/contract.ts";
import {
  agrees,
  bindSession,
  isEphemeral,
  type Binding,
  type ScopeOwner,
  spoken,
} from "./session/binding.ts";
import { batchingStore, type BatchingStore } from "./persistence/batching-store.ts";
import { RecordBridge } from "./persistence/record-bridge.ts";
import { Calls } from "./calls.ts";
import { CatchUps, noticeErasure } from "./catch-up.ts";
import type { RuntimeOptions } from "./options.ts";
import { Expiry } from "./expiry.ts";
import { checkId } from "./id.ts";
import {
  BUILT_IN_KINDS,
  ephemeralKind,
  resolveKind,
  type KindContext,
  type KindOptions,
  type ResolvedKind,
} from "./kinds.ts";
import { isWatchable, RemoteChanges } from "./replication/remote-changes.ts";
import { type Keeper, type ResidentParts, ResidentScope } from "./resident-scope.ts";
import { RuntimeTimers } from "./timers/runtime-timers.ts";
import { useStore } from "./store-users.ts";

/** Default of `maxResidentScopes`. */
const RESIDENT_MAX = 100_000;
/** Milliseconds until a failed read of a scope is tried again. */
const RETRY_MS = 1_000;

/** The first change of a scope that was not read; resolves to false when it failed. */
type FirstChange = (scope: ResidentScope) => Promise<boolean>;

/** The scopes of a runtime; see the head of this file. */
export class ScopeHost {
  readonly namespace: string;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly listeners: Listeners;
  readonly system: Registry<ResidentScope>;
  readonly counters: Counters = newCounters();
  readonly calls: Calls = new Calls(
    (holder) => holder instanceof ResidentScope && this.owns(holder),
  );
  /** Called with each key that another owner committed; `null`: reports may have been lost. */
  readonly reports: Set<(key: string | null) => void> = new Set();
  readonly #context: KindContext;
  readonly #kinds = new Map<string, ResolvedKind>();
  readonly #declared = new Map<string, KindOptions>();
  readonly #stores = new Map<StateStore, BatchingStore>();
  readonly #leaves: (() => Promise<void>)[] = [];
  readonly #feeds = new Map<StateStore, RemoteChanges>();
  readonly #watches: boolean;
  readonly #expiry: Expiry;
  readonly timers: RuntimeTimers;
  readonly #catchUps = new CatchUps((callback) => void this.wheel.schedule(RETRY_MS, callback));
  readonly #keeper: Keeper;
  #isMade = false;

  constructor(options: RuntimeOptions) {
    this.namespace = options.namespace ?? "holdfast";
    this.logger = quietLogger(options.logger ?? consoleLogger);
    this.clock = options.clock ?? systemClock;
    this.wheel = createTimerWheel(this.clock, { logger: this.logger });
    this.listeners = new Listeners(this.logger);
    this.#watches = options.watch ?? true;
    this.timers = new RuntimeTimers(this, options.timers);
    checkTombstone(options.tombstoneMs);
    const main = options.store ?? memoryStore({ clock: this.clock });
    this.#context = { ...options, counters: this.counters, store: main };
    for (const [type, kind] of Object.entries({ ...BUILT_IN_KINDS, ...options.kinds }))
      this.#add(type, kind);
    const passivateAfterMs = durationOption("passivateAfterMs", options.passivateAfterMs, Infinity);
    this.system = new Registry({
      wheel: this.wheel,
      maxResident: countOption("maxResidentScopes", options.maxResidentScopes, RESIDENT_MAX, 1),
      passivateAfterMs: passivateAfterMs > 0 ? passivateAfterMs : Infinity,
      // The state of a volatile scope may be dropped without a handle; its version restarts then.
      mayPassivate: ({ idle, isStored, backing }) => idle && (isStored || backing === null),
      collected: (key) => this.#expiry.forget(key),
    });
    this.#expiry = new Expiry(this.wheel, (key) => this.system.find(key));
    this.#keeper = this.#createKeeper();
    for (const store of this.stores) this.#leaves.push(useStore(store)); // Last: it may throw.
    this.#isMade = true;
    for (const kind of this.#kinds.values()) this.timers.watch(kind);
  }

  /** All stores of all kinds. */
  get stores(): StateStore[] {
    return [...this.#stores.keys()];
  }

  /** The scope of a type and id, loaded or new; not read if `first` can save its first change. */
  async open(
    type: string,
    id: string,
    extra: ScopeOwner = {},
    first?: FirstChange,
  ): Promise<ResidentScope> {
    if (this.system.stopping) throw new RuntimeClosedError();
    const kind = this.kind(type, checkId(id));
    const key = this.key(type, id);
    const live = this.system.find(key);
    if (live?.unbound === false && agrees(live.identity, extra)) return this.system.hold(key, live);
    const feed = this.#feeds.get(kind.store);
    if (feed?.begun === false && kind.durability !== "volatile") await feed.begin();
    const bound = await this.bind(kind, id, extra);
    await this.#bindAnew(key, bound);
    const found = { key, kind, identity: { type, id, ...bound } };
    const scope = await this.system.spawn(key, () => this.#load(found, first));
    if (!kind.resident) this.system.passivate(key); // Its handle keeps it until it is used.
    return scope;
  }

  /** Binds an erased session anew; one of another user replaces the scope in memory. */
  async #bindAnew(key: string, { userId, orgId }: Partial<Binding>): Promise<void> {
    const live = this.system.find(key);
    if (live?.unbound !== true || userId === undefined) return;
    const { identity } = live;
    if (identity.userId === userId && identity.orgId === orgId) live.unbound = false;
    else await live.stop();
  }

  /** True for a scope opened here. */
  owns(scope: ResidentScope): boolean {
    return scope.keeper === this.#keeper;
  }

  /** The bridge of one record to its store; `null` for a volatile kind. */
  bridge(kind: ResolvedKind, identity: ScopeIdentity): RecordBridge | null {
    if (kind.durability === "volatile") return null;
    const key = this.key(kind.type, identity.id);
    return new RecordBridge(this.batched(kind), { key, identity, rule: kind });
  }

  /** The key of a scope. */
  key(type: string, id: string): string {
    return encodeKey(this.namespace, type, id);
  }

  /** The kind of a type, as it applies to `id`; throws `TypeError` for an unknown type. */
  kind(type: string, id?: string): ResolvedKind {
    const kind = this.#kinds.get(type);
    const isMadeUp = type === "session" && id !== undefined && isEphemeral(id);
    if (kind !== undefined) return isMadeUp ? ephemeralKind(kind) : kind;
    const known = [...this.#kinds.keys()].join(", ");
    const given: unknown = type; // A caller in JavaScript may pass what the types forbid.
    const name = typeof given === "string" ? given : typeName(given);
    throw new TypeError(`unknown scope type "${name}"; declared are: ${known}`);
  }

  /** The kind of a type as it was declared; `undefined` for an unknown type. */
  readonly kindOf = (type: string): ResolvedKind | undefined => this.#kinds.get(type);

  /** Adds a kind, once; another one of that name throws `TypeError`. */
  declare(type: string, kind: KindOptions): void {
    const known = this.#declared.get(type);
    if (known === undefined) {
      this.#add(type, kind);
      this.timers.watch(this.kind(type));
    } else if (known !== kind) throw new TypeError(`scope type "${type}" is declared already`);
  }

  /** The store of a kind, with its requests batched per tick. */
  batched(kind: ResolvedKind): BatchingStore {
    const batched = this.#stores.get(kind.store);
    if (batched === undefined) throw new TypeError(`kind ${kind.type} has no store`);
    return batched;
  }

  /** Lets running calls end, stops every scope, then the wheel, then releases the stores. */
  async close(drainMs: number, runsEnded: Promise<unknown>): Promise<void> {
    const { calls, clock, system, timers } = this;
    timers.stop();
    try {
      const left = await calls.drain({ clock, drainMs, scopes: () => system.living });
      if (left > 0) this.logger.warn("calls were cut off by the end of the runtime", { left });
      await system.stop();
    } finally {
      this.wheel.stop();
      this.#catchUps.stop();
      await Promise.all([...this.#feeds.values()].map((feed) => feed.stop()));
      await Promise.all([runsEnded, timers.close()]);
      for (const batched of this.#stores.values()) batched.erasures.delete(this.#erased);
      await Promise.all(this.#leaves.map((leave) => leave()));
    }
  }

  #add(type: string, kind: KindOptions): void {
    const resolved = resolveKind(type, kind, this.#context);
    this.#kinds.set(type, resolved);
    this.#declared.set(type, kind);
    const { store } = resolved;
    if (this.#stores.has(store)) return;
    const batched = batchingStore(store);
    this.#stores.set(store, batched);
    batched.erasures.add(this.#erased);
    if (this.#isMade && !this.system.stopping) this.#leaves.push(useStore(store));
    if (!this.#watches || !isWatchable(store)) return;
    this.#feeds.set(store, new RemoteChanges(store, this));
    if (this.listeners.size > 0) this.watch();
  }

  /** Another runtime on this store object erased keys: their scopes read the store. */
  readonly #erased = (keys: readonly string[]): void => {
    for (const key of keys) {
      noticeErasure(this.system.find(key));
      void this.system.arrived(key).then(noticeErasure); // It may have been read before.
    }
  };

  watch(): void {
    for (const feed of this.#feeds.values()) void feed.begin();
  }

  /** The owner of a scope: the given one, or the one the session is bound to. */
  async bind(kind: ResolvedKind, id: string, extra: ScopeOwner = {}): Promise<Partial<Binding>> {
    if (kind.type !== "session" || kind.durability === "volatile") return spoken(extra);
    return bindSession(this.batched(kind), { namespace: this.namespace, id }, extra);
  }

  async #load(
    place: Pick<ResidentParts, "key" | "kind" | "identity">,
    first?: FirstChange,
  ): Promise<ResidentScope> {
    const { key, kind, identity } = place;
    const store = this.bridge(kind, identity);
    const load = async (change?: FirstChange): Promise<ResidentScope> => {
      const isRead = store !== null && change === undefined;
      const found = isRead ? await readRecord(store, store, "load") : undefined;
      const scope = this.timers.scope({ ...place, store, keeper: this.#keeper, found });
      this.#expiry.read(scope, store?.until);
      return change === undefined || (await change(scope)) ? scope : load();
    };
    const begin = (): Promise<ResidentScope> =>
      load(kind.durability === "commit" ? first : undefined);
    const feed = store === null ? undefined : this.#feeds.get(kind.store);
    return feed === undefined ? begin() : feed.arrive(key, begin);
  }

  #createKeeper(): Keeper {
    const { calls, listeners, system } = this;
    return {
      listeners,
      calls,
      system,
      published: (change, scope) => {
        this.#feeds.get(scope.kind.store)?.published(scope.key, change.version);
        listeners.announce(change);
      },
      committed: (scope) => {
        system.hold(scope.key, scope);
        this.#expiry.changed(scope);
      },
      taken: (scope, until) => this.#expiry.read(scope, until),
      behind: (scope) => this.#catchUps.add(scope),
    };
  }
}
