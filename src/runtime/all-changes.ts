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

/** Calls `listener` with every change; the returned function removes it. */
export function subscribeAll(
  host: ScopeHost,
  listener: (change: StateChange) => void,
): Unsubscribe {
  if (host.calls.phase === "open") host.watch();
  return host.listeners.add(listener);
}

/** A stream of every change from now on. */
export function allChanges(
  host: ScopeHost,
  options: Omit<FeedOptions, "since">,
): AsyncIterable<RuntimeFeedItem> {
  refuseUnknown("changes", options, ["signal", "snapshot"]);
  checkSignal(options.signal);
  const { calls, listeners } = host;
  const isOpen = calls.phase === "open";
  if (isOpen) host.watch();
  const source = {
    listeners,
    marker: (): ResyncMarker => ({ type: "resync" }),
    replaces: false, // A marker has no states of scopes.
  };
  const signal = isOpen ? options.signal : AbortSignal.abort();
  const start = options.snapshot === true ? [source.marker()] : [];
  return new ChangeReader<unknown, ResyncMarker>(source, start, 0, signal);
}
