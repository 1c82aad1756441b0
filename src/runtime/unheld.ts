/**
 * A record that another process changed and nobody holds in memory here: read for those who listen
 * to the whole runtime, and announced as a whole, without becoming a scope.
 */
import { foundChange } from "../../actors/change.ts";
import type { ScopeIdentity, StateChange } from "../../actors/protocol.ts";
import { storedState } from "../../actors/settings.ts";
import { decodeKey } from "../stores/keys.ts";
import type { IdentityExtra } from "./binding.ts";
import type { StoreBridge } from "./bridge.ts";
import type { ResolvedKind } from "./kinds.ts";

/** What a change left behind, for readers who missed it. */
export interface ChangeOrigin {
  readonly identity: ScopeIdentity;
  readonly version: number;
  readonly state: object;
}

/** What is asked of the runtime. */
export interface UnheldPort {
  readonly namespace: string;
  now(): number;
  kindOf(type: string): ResolvedKind | undefined;
  /** Whose a session is. */
  bind(kind: ResolvedKind, id: string): Promise<IdentityExtra>;
  bridge(kind: ResolvedKind, identity: ScopeIdentity): StoreBridge | null;
  /** The scope of a key, if it came into memory meanwhile. */
  find(key: string): { readonly version: number; heard(version: number): void } | undefined;
  announce(change: StateChange, origin: ChangeOrigin): void;
}

/** The identity a key stands for; `undefined` when it is not for listeners of this runtime. */
function nameOf(key: string, port: UnheldPort): { kind: ResolvedKind; id: string } | undefined {
  const parts = decodeKey(key);
  if (parts?.namespace !== port.namespace) return undefined;
  const kind = port.kindOf(parts.type);
  // A run's record is the run's own, in this process as in another.
  return kind === undefined || kind.type === "sequencer" ? undefined : { kind, id: parts.id };
}

/** Reads and announces the record of `key`; resolves to the version read, 0 when there is none. */
export async function announceUnheld(key: string, port: UnheldPort): Promise<number> {
  const name = nameOf(key, port);
  if (name === undefined) return 0;
  const { kind, id } = name;
  const identity = { type: kind.type, id, ...(await port.bind(kind, id)) };
  const found = await port.bridge(kind, identity)?.load();
  if (found === undefined) return 0;
  const { version } = found;
  const held = port.find(key);
  if (held !== undefined && held.version !== version) {
    held.heard(version); // It announces what it finds.
    return version;
  }
  const state = storedState(found.state, kind.settings, identity);
  const origin = { identity, version, state };
  port.announce(foundChange({ ...origin, timestamp: port.now() }), origin);
  return version;
}
