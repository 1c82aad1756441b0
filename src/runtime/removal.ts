/**
 * Removes scopes by their ids, in memory or not: all of a kind, or one without a tombstone.
 *
 * Invariants
 *  R1  A scope in memory is removed in an exclusive task and announces it. A scope not in memory is
 *      removed without reading its state, so the schema need not accept it.
 *  R2  A scope that is loaded meanwhile reads that its record was removed.
 */
import { whileNotifying } from "../../actors/scope/cascade.ts";
import { foundChange } from "../../actors/scope/change-event.ts";
import { refuseUnknown } from "../../actors/scope/options.ts";
import {
  conflictError,
  isRefused,
  refusedAt,
  retry,
  type SaveStep,
} from "../../actors/scope/retry.ts";
import { noticeErasure } from "./catch-up.ts";
import { checkId } from "./id.ts";
import type { ResolvedKind } from "./kinds.ts";
import { listScopes } from "./list.ts";
import { listSource } from "./read-many.ts";
import { bindingKey } from "./session/binding.ts";
import type { ScopeHost } from "./scope-host.ts";

/** Which scopes `deleteAll` deletes. */
export interface DeleteAllOptions<Name extends string = string> {
  readonly type: Name;
  /** Only ids that start with this text; default all. */
  readonly prefix?: string | undefined;
}

/** Which scope `erase` erases. */
export interface EraseOptions<Name extends string = string> {
  readonly type: Name;
  readonly id: string;
}

/** Records deleted at the same time: those of one batch of a store. */
const BATCH = 250;

/** Removes everything stored under an id; resolves to whether a record existed. */
export async function eraseScope(home: ScopeHost, options: EraseOptions): Promise<boolean> {
  refuseUnknown("erase", options, ["type", "id"]);
  const { type } = options;
  const kind = home.kind(textOf("type", type));
  const id = checkId(options.id);
  const key = home.key(type, id);
  const bound = type === "session" ? [bindingKey(home.namespace, id)] : [];
  const remove = async (): Promise<boolean> => {
    if (kind.durability === "volatile") return false;
    const timers = await home.timers.keysOf({ kind, identity: { type, id } });
    return home.batched(kind).erase([key, ...bound, ...timers]);
  };
  // In order with the calls of a scope in memory.
  const live = home.system.find(key) ?? (await home.system.arrived(key));
  if (live !== undefined)
    return live.alone(async (section) => {
      const existed = live.exists;
      const removed = await remove();
      if (section.ended) noticeErasure(live);
      else if (existed || removed) live.erased();
      return existed || removed;
    });
  const removed = await remove();
  noticeErasure(await home.system.arrived(key)); // It may have been read before the removal.
  return removed;
}

/** Deletes scopes in batches; resolves to how many. */
export async function deleteScopes(home: ScopeHost, options: DeleteAllOptions): Promise<number> {
  refuseUnknown("deleteAll", options, ["type", "prefix"]);
  const { type, prefix = "" } = options;
  const kind = home.kind(textOf("type", type));
  textOf("prefix", prefix);
  let count = 0;
  let cursor: string | undefined;
  do {
    const page = await listScopes(listSource(home, type), { type, prefix, cursor, limit: BATCH });
    const deleted = await Promise.allSettled(page.ids.map((id) => deleteScope(home, kind, id)));
    count += deleted.filter((each) => each.status === "fulfilled" && each.value).length;
    const failed = deleted.find((each) => each.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    ({ cursor } = page);
  } while (cursor !== undefined);
  return count;
}

async function deleteScope(home: ScopeHost, kind: ResolvedKind, id: string): Promise<boolean> {
  const key = home.key(kind.type, id);
  const live = home.system.find(key) ?? (await home.system.arrived(key));
  if (live !== undefined) return live.delete();
  return kind.durability === "volatile" ? false : deleteStored(home, kind, id);
}

/**
 * Deletes a record that is not in memory; the requests of a batch are sent together. The first
 * attempt takes the record for one that was written once: a store that has another version returns
 * it, so no record is read for itself.
 */
async function deleteStored(home: ScopeHost, kind: ResolvedKind, id: string): Promise<boolean> {
  const { type, tombstoneMs, settings } = kind;
  const identity = { type, id };
  const store = home.batched(kind);
  const key = home.key(type, id);
  let versions = { expectedVersion: 1, actualVersion: 1 };
  const attempt = async (): Promise<SaveStep> => {
    const expectedVersion = versions.actualVersion;
    const write = { key, expectedVersion, version: expectedVersion + 1, state: undefined };
    const result = await store.commit({ ...write, tombstoneMs }, write);
    if (result.ok) return "saved";
    if (result.current?.state === undefined) return "empty";
    versions = { expectedVersion, actualVersion: result.current.version };
    return refusedAt(expectedVersion, versions.actualVersion);
  };
  const guess = await attempt();
  const end = isRefused(guess) ? await retry({ ...settings, attempt }) : guess;
  if (end === "empty") return false;
  if (end !== "saved") throw conflictError(settings.cas, versions, identity);
  const version = versions.actualVersion + 1;
  const late = await home.system.arrived(key); // It may have been read before.
  late?.observed(version);
  await home.timers.forget({ kind, identity }, version);
  announceDelete(home, kind, id, version);
  return true;
}

/** A record that is not in memory was deleted. */
function announceDelete(home: ScopeHost, kind: ResolvedKind, id: string, version: number): void {
  const { clock, listeners } = home;
  const { type, initial } = kind;
  if (listeners.size === 0) return;
  const found = { identity: { type, id }, version, state: initial };
  const by = { operation: "delete", origin: "local", timestamp: clock.now() } as const;
  const change = foundChange({ ...found, ...by });
  whileNotifying(change.scope, undefined, () => listeners.announce(change));
}

function textOf(name: string, value: unknown): string {
  if (typeof value === "string") return value;
  throw new TypeError(`${name} must be a text, received ${typeof value}`);
}
