/**
 * The changes of all scopes of a runtime, for listeners and as streams. After the runtime began to
 * close no store is watched anew and a new stream is empty; running streams end when it has closed.
 */
import { ChangeReader, type FeedOptions } from "../../actors/scope/change-stream.ts";
import { checkSignal, refuseUnknown } from "../../actors/scope/options.ts";
import type {
  ResyncMarker,
  RuntimeFeedItem,
  StateChange,
  Unsubscribe,
} from "../../actors/protocol.ts";
import type { ScopeHost } from "./scope-host.ts";

/** The changes of one runtime; see the head of this file. */
export class AllChanges {
  readonly #host: ScopeHost;
  #closing = false;

  constructor(host: ScopeHost) {
    this.#host = host;
  }

  /** Calls `listener` with every change; the returned function removes it. */
  subscribe(listener: (change: StateChange) => void): Unsubscribe {
    if (!this.#closing) this.#host.watch();
    return this.#host.listeners.add(listener);
  }

  /** A stream of every change from now on. */
  stream(options: Omit<FeedOptions, "since">): AsyncIterable<RuntimeFeedItem> {
    refuseUnknown("changes", options, ["signal", "snapshot"]);
    checkSignal(options.signal);
    if (!this.#closing) this.#host.watch();
    const { listeners } = this.#host;
    const source = {
      listeners,
      marker: (): ResyncMarker => ({ type: "resync" }),
      replaces: false, // A marker has no states of scopes.
    };
    const signal = this.#closing ? AbortSignal.abort() : options.signal;
    const start = options.snapshot === true ? [source.marker()] : [];
    return new ChangeReader<unknown, ResyncMarker>(source, start, 0, signal);
  }

  /** The runtime begins to close. */
  close(): void {
    this.#closing = true;
  }

  /** The runtime has closed. */
  end(): void {
    this.#host.listeners.end();
  }
}
