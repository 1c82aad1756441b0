/**
 * Reports of records that are not loaded here: read for the listeners of the whole runtime, and
 * announced as a whole, without becoming scopes.
 *
 * Invariants
 *  U1  Listeners receive no version twice, and none that is older than one they have received.
 *  U2  A record that is opened while it is being read is announced before anything changes it here,
 *      or announces itself.
 *  U3  A read that failed because the store was unavailable is tried again; others are logged.
 *  U4  At most `UNLOADED_MAX` records are being read, and the last announced version is kept of as
 *      many.
 *  U5  A record that was deleted or erased may be made anew with a lower version; it is announced.
 */
import { whileNotifying } from "../../../actors/scope/cascade.ts";
import { foundChange } from "../../../actors/scope/change-event.ts";
import type { Listeners } from "../../../actors/scope/change-stream.ts";
import { isHoldfastError } from "../../../actors/errors.ts";
import type { Clock, Logger, ScopeIdentity } from "../../../actors/protocol.ts";
import { storedState } from "../../../actors/scope/options.ts";
import type { TimerWheel } from "../../../actors/time/timer-wheel.ts";
import { decodeKey } from "../scope-key.ts";
import type { Binding } from "../session/binding.ts";
import type { RecordBridge } from "../persistence/record-bridge.ts";
import type { ResolvedKind } from "../kinds.ts";

/** Most unloaded records that are read for listeners at the same time. */
const UNLOADED_MAX = 10_000;

/** A record that was read or loaded. */
export interface FoundScope {
  readonly identity: ScopeIdentity;
  readonly version: number;
  readonly state: object;
}

/** Milliseconds until a failed read is tried again. */
const RETRY_MS = 1_000;

/** What `UnloadedChanges` uses of its runtime. */
export interface UnloadedChangesPort {
  readonly namespace: string;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  /** The listeners of the whole runtime. */
  readonly listeners: Listeners;
  /** `find`: the scope of a key, if it was loaded meanwhile. */
  readonly system: {
    find(key: string): { readonly version: number; observed(version: number): void } | undefined;
  };
  kindOf(type: string): ResolvedKind | undefined;
  /** The owner of a session. */
  bind(kind: ResolvedKind, id: string): Promise<Partial<Binding>>;
  bridge(kind: ResolvedKind, identity: ScopeIdentity): RecordBridge | null;
}

/** Reads and announces unloaded records; see the head of this file. */
export class UnloadedChanges {
  readonly #port: UnloadedChangesPort;
  /** The records being read, with the newest reported version of each. */
  readonly #reading = new Map<string, number>();
  readonly #notified = new Map<string, number>();
  /** Keys of `#notified` without a record (U5). */
  readonly #gone = new Set<string>();
  /** Keys of `#reading` for which a lower version was reported since. */
  readonly #anew = new Set<string>();
  #stopped = false;

  constructor(port: UnloadedChangesPort) {
    this.#port = port;
  }

  /** Another owner committed `version` of a record that is not in memory. */
  report(key: string, version: number): void {
    const reading = this.#reading.get(key);
    if (reading === undefined && this.#isOld(key, version)) return;
    if (reading !== undefined && version < reading) this.#anew.add(key);
    if (reading === undefined && this.#reading.size >= UNLOADED_MAX) {
      this.#port.logger.warn("too many changes of other processes at once: one is not announced");
      return;
    }
    this.#reading.set(key, Math.max(version, reading ?? 0));
    if (reading === undefined) void this.#read(key);
  }

  /** The record was loaded; nothing has changed it here yet. */
  arrived(key: string, scope: FoundScope): void {
    if (this.#reading.has(key)) this.#announce(key, scope);
  }

  /** The scope itself has announced a version to listeners. */
  published(key: string, version: number): void {
    if (this.#notified.has(key) || this.#reading.has(key)) this.#setNotified(key, version);
  }

  /** Announces nothing any more. */
  stop(): void {
    this.#stopped = true;
  }

  async #read(key: string): Promise<void> {
    try {
      for (let wanted = 0, reached = 0; !this.#stopped;) {
        const reported = this.#reading.get(key) ?? 0;
        if (reported <= Math.max(wanted, reached) && !this.#anew.delete(key)) break;
        wanted = reported;
        reached = await this.#look(key, reported);
      }
    } catch (error) {
      if (isHoldfastError(error, "STORE_UNAVAILABLE") && !this.#stopped) {
        this.#port.wheel.schedule(RETRY_MS, () => void this.#read(key));
        return;
      }
      if (!this.#stopped)
        this.#port.logger.error("a change of another process could not be read", { key, error });
    }
    this.#reading.delete(key);
  }

  /** Reads and announces a record; resolves to its version, 0 when there is none to announce. */
  async #look(key: string, reported: number): Promise<number> {
    const name = nameOf(key, this.#port);
    if (name === undefined) return 0;
    const { kind, id } = name;
    const identity = { type: kind.type, id, ...(await this.#port.bind(kind, id)) };
    const bridge = this.#port.bridge(kind, identity);
    if (bridge === null) return 0;
    // Erased: only the reported version is known.
    const found = (await bridge.load()) ?? { state: undefined, version: reported };
    if (this.#stopped) return 0;
    const { version } = found;
    const held = this.#port.system.find(key);
    if (held !== undefined && held.version < version) {
      held.observed(version); // The scope announces what it reads.
      return version;
    }
    const state = storedState(found.state, { ...kind, identity });
    this.#announce(key, { identity, version, state });
    if (found.state === undefined) this.#gone.add(key);
    return version;
  }

  #announce(key: string, { identity, version, state }: FoundScope): void {
    if (this.#isOld(key, version)) return;
    this.#setNotified(key, version);
    const { clock, listeners } = this.#port;
    const change = foundChange({ identity, version, state, timestamp: clock.now() });
    whileNotifying(identity, undefined, () => listeners.announce(change));
  }

  /** True when listeners have received that version or a newer one. */
  #isOld(key: string, version: number): boolean {
    const notified = this.#notified.get(key) ?? 0;
    return this.#gone.has(key) ? version === notified : version <= notified;
  }

  #setNotified(key: string, version: number): void {
    const before = this.#gone.delete(key) ? 0 : (this.#notified.get(key) ?? 0);
    this.#notified.delete(key);
    this.#notified.set(key, Math.max(before, version)); // Moves the key to the end of the map.
    if (this.#notified.size <= UNLOADED_MAX) return;
    for (const oldest of this.#notified.keys()) {
      this.#notified.delete(oldest);
      this.#gone.delete(oldest);
      break;
    }
  }
}

/** The scope of a key; `undefined` when listeners of this runtime do not receive it. */
function nameOf(
  key: string,
  port: UnloadedChangesPort,
): { kind: ResolvedKind; id: string } | undefined {
  const parts = decodeKey(key);
  if (parts?.namespace !== port.namespace) return undefined;
  const kind = port.kindOf(parts.type);
  // The record of a run is internal, in every process.
  return kind === undefined || kind.type === "sequencer" ? undefined : { kind, id: parts.id };
}
