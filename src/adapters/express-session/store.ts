/**
 * A session store of express-session, which writes what a request changed and not all it has read.
 *
 * Invariants
 *  E1  A session that was read is saved by merging what differs from what was read.
 *  E2  A session that was read and is gone by now is not written: a destroyed one stays destroyed.
 *  E3  A save of a session that was not read replaces.
 */
import { EventEmitter } from "node:events";
import { callbackify } from "node:util";
import type expressSession from "express-session";
import type { Session, SessionData, Store } from "express-session";
import { mutableCopy } from "../../../actors/state/mutable-copy.ts";
import { peerError, requirePeer } from "../../stores/shared/optional-peer.ts";
import { KeptValues, type KeptOptions, type KeptValue } from "../shared/kept-values.ts";
import { merged } from "./merge.ts";

const DAY_MS = 86_400_000;

/** Options of `HoldfastSessionStore`. */
export interface SessionStoreOptions extends KeptOptions {
  /**
   * Milliseconds after its last request until a session whose cookie has no end is removed; default
   * one day, `Infinity`: never.
   */
  readonly ttlMs?: number | undefined;
}

type Request = Parameters<Store["createSession"]>[0];
type Done<T = void> = (error: unknown, result?: T) => void;

/** The store; see the head of this file. */
export class HoldfastSessionStore extends EventEmitter implements Store {
  readonly #values: KeptValues;
  readonly #now: () => number;
  readonly #ttlMs: number;
  readonly #own: Store;
  /** What each session was when it was read or last saved. */
  readonly #bases = new WeakMap<object, unknown>();
  /** New sessions of which no save has taken effect. */
  readonly #unsaved = new WeakSet<object>();

  /**
   * Throws `TypeError` for an unknown option, `RangeError` for a bad `ttlMs`, and
   * `StoreUnavailableError` where express-session is missing.
   */
  constructor(options: SessionStoreOptions) {
    super();
    const place = { where: "HoldfastSessionStore", type: "express-session", more: ["ttlMs"] };
    this.#values = new KeptValues(options, place);
    const { clock } = options.runtime;
    this.#now = () => clock.now();
    this.#ttlMs = options.ttlMs ?? DAY_MS;
    if (!(this.#ttlMs > 0))
      throw new RangeError(`ttlMs must be more than 0, received ${this.#ttlMs}`);
    this.#own = ownMethods();
  }

  /** Gives the session of an id; nothing when there is none, or none any more. */
  get(sid: string, done: Done<SessionData | null>): void {
    callbackify(async () => {
      const value = await this.#values.get(sid);
      if (value === undefined) return null;
      const session = mutableCopy(value) as SessionData; // This class stored it.
      this.#bases.set(session, value);
      return session;
    })(done);
  }

  /** Saves a session (E1–E3). */
  set(sid: string, session: SessionData, done: Done = ignore): void {
    const mine = asJson(session);
    const isNew = !this.#bases.has(session);
    const base = this.#bases.get(session);
    this.#bases.set(session, mine); // Now, so that a save right after it writes what is newer.
    if (isNew) this.#unsaved.add(session);
    const next = (stored: object | undefined): unknown => {
      // A save that waited for the first one, which failed, is the first one.
      if (isNew || (stored === undefined && this.#unsaved.has(session))) return mine;
      return stored && merged({ base, mine, stored });
    };
    callbackify(async () => {
      try {
        await this.#write(sid, mine, next);
        this.#unsaved.delete(session);
      } catch (error) {
        if (isNew) this.#bases.delete(session);
        else this.#bases.set(session, base);
        throw error;
      }
    })(done);
  }

  /** Keeps a session for longer: its cookie is written, if it still exists. */
  touch(sid: string, session: SessionData, done: Done = ignore): void {
    const { cookie } = asJson(session);
    const touched = (stored: object | undefined): object | undefined =>
      stored && { ...stored, cookie };
    callbackify(() => this.#write(sid, { cookie }, touched))(done);
  }

  /** Removes a session; one that does not exist is no error. */
  destroy(sid: string, done: Done = ignore): void {
    callbackify(async () => {
      await this.#values.delete(sid);
    })(done);
  }

  /** Gives all sessions by their ids. */
  all(done: Done<Record<string, SessionData>>): void {
    callbackify(async () => {
      const entries: [string, SessionData][] = [];
      for await (const [sid, value] of this.#values.entries())
        entries.push([sid, mutableCopy(value) as SessionData]);
      return Object.fromEntries(entries);
    })(done);
  }

  /** Gives the number of sessions. */
  length(done: Done<number>): void {
    callbackify(async () => {
      let count = 0;
      for await (const _ of this.#values.keys()) count += 1;
      return count;
    })(done);
  }

  /** Removes all sessions. */
  clear(done: Done = ignore): void {
    callbackify(() => this.#values.clear())(done);
  }

  /**
   * Changes the stored session by a recipe, after all changes before it, and stores it at once: for
   * values that are computed from the present one, such as counters. Resolves to whether it
   * changed; `false` for a session that does not exist. The session of the request in hand keeps
   * what it has, and does not write over what it did not change.
   */
  async update(
    sid: string,
    recipe: (session: SessionData) => void | Promise<void>,
  ): Promise<boolean> {
    const scope = await this.#values.open(sid);
    return scope.update(async (draft) => {
      if (draft.value !== undefined) await recipe(draft.value as SessionData);
    });
  }

  /** As express-session defines it. */
  regenerate(request: Request, done: (error?: unknown) => void): void {
    this.#own.regenerate.call(this, request, done);
  }

  /** As express-session defines it. */
  load(sid: string, done: (error: unknown, session?: SessionData) => void): void {
    this.#own.load.call(this, sid, done);
  }

  /** As express-session defines it; the session remembers what was read. */
  createSession(request: Request, data: SessionData): Session & SessionData {
    const isRead = this.#bases.has(data);
    const base = this.#bases.get(data);
    const session = this.#own.createSession.call(this, request, data);
    if (isRead) this.#bases.set(session, base);
    return session;
  }

  /** Writes what `next` makes of the stored session; nothing when it makes nothing. */
  async #write(
    sid: string,
    { cookie }: Written,
    next: (stored: object | undefined) => unknown,
  ): Promise<void> {
    const scope = await this.#values.open(sid);
    const end = typeof cookie?.expires === "string" ? Date.parse(cookie.expires) : Number.NaN;
    const until = Number.isNaN(end) ? this.#now() + this.#ttlMs : end;
    await scope.atomicState((state) => {
      const value = next(state.value as object | undefined); // Only sessions are stored here.
      return value === undefined ? undefined : ({ value, until } satisfies KeptValue);
    });
  }
}

/** A session as it is stored. */
interface Written {
  readonly cookie?: { readonly expires?: unknown } | undefined;
}

/** As each store of express-session keeps it. */
function asJson(session: SessionData): Written {
  return JSON.parse(JSON.stringify(session)) as Written; // A cookie is written as an object.
}

/** The methods that express-session has for all stores. */
function ownMethods(): Store {
  try {
    // The package exports this function.
    return (requirePeer("express-session") as typeof expressSession).Store.prototype;
  } catch (cause) {
    throw peerError("express-session", cause, "^1.19.0");
  }
}

function ignore(): void {
  // The caller asked for no result.
}
