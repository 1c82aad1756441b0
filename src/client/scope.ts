/**
 * A scope of a server, followed by its stream of changes.
 *
 *  F1  The base is a state that the server had, at a version it said: a snapshot, the changes after
 *      it in order, or the result of a patch. A change that does not fit the base discards the
 *      position, so that the next stream starts with a snapshot. What the stream has before the
 *      result of a patch that is known by then, a snapshot too, takes nothing back.
 *  F2  A subscriber sees the base with the optimistic patches that have no result yet, in the order
 *      of their calls. A patch leaves with its result, in the same step that brings that result.
 *  F3  A stream runs while there are subscribers and the server does not refuse it.
 *  F4  Patches of one scope are sent one after another, in the order of their calls. Each is
 *      settled at most `silenceMs` after it was sent.
 */
import type { ServerEvent } from "./events.ts";
import { merged, type Operation, patched, shared } from "./frozen-json.ts";
import { type ConnectOptions, send, silenceOf, within } from "./requests.ts";
import { follow } from "./stream.ts";

/** `loading` before the first state, `closed` after `close` or a refusal. */
export type Status = "loading" | "live" | "reconnecting" | "closed";

/** A state with its version. */
export interface Versioned<S> {
  readonly state: S;
  readonly version: number;
}

/** What is known of a scope at a moment; the same object until something changes. */
export interface ScopeView<S> {
  /** Frozen; `undefined` before the first snapshot. Unchanged parts are the same objects. */
  readonly state: S | undefined;
  /** The version of the server's state, without optimistic patches. */
  readonly version: number | undefined;
  readonly status: Status;
  /** Why the server refused the stream, or why the last attempt failed. */
  readonly error: unknown;
}

/** What `patch` takes besides the patch. */
export interface PatchOptions {
  /** Refuse (412, `PRECONDITION_FAILED`) unless the scope has this version; 0: does not exist. */
  readonly ifVersion?: number;
  /** A key of 1 to 128 characters: a second patch with the same key changes nothing. */
  readonly once?: string;
  /** Show the patch in `state` at once, and take it back when it is refused. */
  readonly optimistic?: boolean;
}

/** A scope of the server. */
export interface RemoteScope<S extends object> extends ScopeView<S> {
  readonly view: ScopeView<S>;
  /**
   * Calls `listener` after each change of `view`. The first subscriber starts the stream, and the
   * end of the last one ends it.
   */
  readonly subscribe: (listener: (view: ScopeView<S>) => void) => () => void;
  /**
   * Changes the scope by a JSON Merge Patch (RFC 7396; `null` removes a field), and resolves to the
   * state that it made. Rejects with `RequestError`, which has `status` and `code`.
   */
  readonly patch: (mergePatch: object, options?: PatchOptions) => Promise<Versioned<S>>;
  /** Ends the stream for all that hold this object; `scope` of the client gives a new one. */
  readonly close: () => void;
}

type State = object;
type Sent = Versioned<State> & { readonly patch: readonly Operation[] };
type Listener = (view: ScopeView<State>) => void;

/** The view before the first snapshot. */
export const NOTHING: ScopeView<never> = Object.freeze({
  state: undefined,
  version: undefined,
  status: "loading",
  error: undefined,
});

/** See the head of this file. */
export class FollowedScope implements RemoteScope<State> {
  view: ScopeView<State> = NOTHING;
  readonly #url: string;
  readonly #options: ConnectOptions;
  readonly #listeners = new Set<Listener>();
  #base: Versioned<State> | undefined;
  /** The optimistic patches without a result. */
  #pending: object[] = [];
  /** The version to which the stream has come; -1 before its first snapshot. */
  #reached = -1;
  /** True when the next stream must start with a snapshot. */
  #isAdrift = false;
  /** Ends the stream. */
  #stop: (() => void) | undefined;
  #lastPatch: Promise<unknown> = Promise.resolve();

  constructor(url: string, options: ConnectOptions) {
    this.#url = url;
    this.#options = options;
  }

  get state(): State | undefined {
    return this.view.state;
  }

  get version(): number | undefined {
    return this.view.version;
  }

  get status(): Status {
    return this.view.status;
  }

  get error(): unknown {
    return this.view.error;
  }

  readonly subscribe: RemoteScope<State>["subscribe"] = (listener) => {
    const own: Listener = (view) => listener(view);
    this.#listeners.add(own);
    if (this.status !== "closed") this.#stop ??= this.#follow();
    return () => {
      this.#listeners.delete(own);
      // A component that is mounted again at once keeps the stream.
      queueMicrotask(() => {
        if (this.#listeners.size === 0) this.#end("loading");
      });
    };
  };

  readonly patch: RemoteScope<State>["patch"] = async (mergePatch, options = {}) => {
    const body = JSON.stringify(mergePatch);
    const shown: object | undefined = options.optimistic === true ? JSON.parse(body) : undefined;
    if (shown !== undefined) {
      this.#pending.push(shown);
      this.#show(this.status, this.error);
    }
    const sent = this.#lastPatch.then(() => this.#send(body, options));
    this.#lastPatch = sent.catch(() => undefined);
    try {
      const made = await sent;
      const state = shared(made.state, this.#base?.state) as State;
      const result = { version: made.version, state };
      if (made.version > (this.#base?.version ?? -1)) this.#setBase(result);
      return result;
    } finally {
      this.#pending = this.#pending.filter((each) => each !== shown);
      this.#show(this.status, this.error);
    }
  };

  readonly close: RemoteScope<State>["close"] = () => this.#end("closed");

  async #send(body: string, { ifVersion, once }: PatchOptions): Promise<Versioned<State>> {
    const headers = {
      "content-type": "application/merge-patch+json",
      ...(ifVersion !== undefined && { "if-match": `"${ifVersion}"` }),
      ...(once !== undefined && { "idempotency-key": once }),
    };
    return within(silenceOf(this.#options), async (signal) => {
      const init = { method: "PATCH", headers, body, signal };
      const response = await send(this.#url, init, this.#options);
      const [version] = /\d+/.exec(response.headers.get("etag") ?? "") ?? [];
      // The result of a patch is an object, as every state is.
      return { version: Number(version), state: (await response.json()) as State };
    });
  }

  #follow(): () => void {
    return follow({
      url: `${this.#url}/changes`,
      options: this.#options,
      since: () => {
        const since = this.#isAdrift ? undefined : this.#base?.version;
        this.#reached = since ?? -1;
        return since;
      },
      opened: () => {
        if (this.#base !== undefined && !this.#isAdrift) this.#show("live", undefined);
      },
      take: (event) => {
        if (this.status !== "closed") this.#take(event);
      },
      failed: (error) => this.#show(this.#base === undefined ? "loading" : "reconnecting", error),
      refused: (error) => this.#end("closed", error),
    });
  }

  /** Throws when an event does not fit (F1). */
  #take({ type, data }: ServerEvent): void {
    if (type !== "snapshot" && type !== "change") return;
    // What the handler sends: a state or a patch.
    const event = JSON.parse(data) as Sent;
    const isChange = type === "change";
    if (!this.#isOlder(event, isChange)) this.#apply(event, isChange);
    else if (this.status !== "live") this.#show("live", undefined);
  }

  /** True for what the server sent before the result of a patch that is the base by now. */
  #isOlder({ version }: Sent, isChange: boolean): boolean {
    const before = this.#base?.version ?? -1;
    // A stream that goes back is of a scope, or a server, that has begun anew.
    const isOnward = version > this.#reached && !this.#isAdrift;
    this.#reached = version;
    return isChange ? version <= before : isOnward && version < before;
  }

  #apply({ version, state: whole, patch }: Sent, isChange: boolean): void {
    const base = this.#base;
    this.#isAdrift = true;
    if (isChange && version !== (base?.version ?? -1) + 1) throw new Error("a version is missing");
    const state = isChange ? patched(base?.state, patch) : shared(whole, base?.state);
    this.#setBase({ version, state: state as State });
    this.#show("live", undefined);
  }

  #setBase(base: Versioned<State>): void {
    this.#base = base;
    this.#isAdrift = false;
  }

  #end(status: Status, error?: unknown): void {
    this.#stop?.();
    this.#stop = undefined;
    if (this.status !== "closed") this.#show(status, error);
  }

  #show(status: Status, error: unknown): void {
    const base = this.#base;
    const state = base && (this.#pending.reduce<unknown>(merged, base.state) as State);
    this.view = Object.freeze({ state, version: base?.version, status, error });
    for (const listener of this.#listeners) {
      try {
        listener(this.view);
      } catch (failure) {
        console.error(failure); // It must not keep others from the change.
      }
    }
  }
}
