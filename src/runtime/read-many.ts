/**
 * Reads the states of many scopes without opening them, by their ids or page by page of a list.
 *
 * Invariants
 *  A1  A read starts after its call and sees every change that resolved before: the record of the
 *      store, or the state in memory when changes of it were not stored at the call. When another
 *      writer has saved meanwhile, the scope adopts that record first, with its changes on top.
 *  A2  No scope becomes resident, and but for that case nothing that a resident scope knows of its
 *      record changes.
 *  A3  A state is read as `open` reads it: decoded, checked, defaults filled in, frozen. What
 *      `open` would reject is rejected with the scope's identity, never read as a missing one.
 *  A4  The reads of one call go to a store in batches, and each batch is one request.
 */
import { CorruptStateError, type ErrorCode, isHoldfastError } from "../../actors/errors.ts";
import type { ScopeIdentity, Stored, Tombstone } from "../../actors/protocol.ts";
import type { DeepReadonly } from "../../actors/state-types.ts";
import { storedState } from "../../actors/scope/options.ts";
import { catchUpWork } from "../../actors/scope/tasks.ts";
import { typeName } from "../../actors/state/copy.ts";
import { checkId } from "./id.ts";
import { refuseRun, type ResolvedKind } from "./kinds.ts";
import {
  type ListedScope,
  type ListedState,
  type ListOptions,
  listScopes,
  type ListSource,
  type ScopeList,
  type ScopeListing,
} from "./list.ts";
import type { ResidentScope } from "./resident-scope.ts";
import type { ScopeHost } from "./scope-host.ts";
import type { StatsSource } from "./stats.ts";

type Found = Stored<object> | undefined;

/** One result of `read`: `undefined` for what was never written, is deleted or has expired. */
export type Read<S> = Stored<DeepReadonly<S>> | undefined;

/** The ids that `read` takes. */
export type Ids = readonly string[];

/** The states of these ids, in their order; rejects with the failure of the first that has one. */
export async function readScopes(host: ScopeHost, type: string, ids: unknown): Promise<Found[]> {
  const kind = stateKind(host, type);
  if (!Array.isArray(ids)) throw new TypeError(`ids must be a list, received ${typeName(ids)}`);
  return readAll(
    host,
    ids.map((id: unknown) => ({ kind, id: checkId(id) })),
  );
}

/** Lists scopes, one page or all, as `ScopeListing` says. */
export function listing<Entry extends ListedScope>(
  host: ScopeHost,
  options: ListOptions = {},
): ScopeListing<Entry> {
  // Not a copy of what is no object: its letters are no options.
  const given = typeof options === "object" ? { ...options } : options;
  const read = (cursor?: string): Promise<ScopeList<Entry>> =>
    host.calls.run(async () => {
      const page = await readPage(host, cursor === undefined ? given : { ...given, cursor });
      return page as ScopeList<Entry>; // The caller names the entries that its options give.
    });
  const first = read();
  async function* entries(): AsyncGenerator<Entry, void, undefined> {
    for (let page = await first; ; page = await read(page.cursor)) {
      yield* page.scopes;
      if (page.cursor === undefined) return;
    }
  }
  return Object.assign(first, { [Symbol.asyncIterator]: entries });
}

/** The sources of a list of `type`, or of all types. */
export function listSource(source: StatsSource, type?: string): ListSource {
  const { namespace, stores, system } = source;
  // All scopes of a kind that saves each change are in its store, but for sessions without an id.
  const isSaved = type !== undefined && source.kindOf(type)?.durability === "commit";
  const isStored = isSaved && type !== "session";
  const living = isStored ? [] : system.living;
  const kept = living.filter((scope) => !scope.isStored);
  const unstored = new Map(kept.map((scope) => [scope.key, scope.exists && !scope.overdue]));
  return { namespace, stores, unstored };
}

async function readPage(host: ScopeHost, options: ListOptions): Promise<ScopeList> {
  const { type, states = false } = options;
  if (type !== undefined) void (states ? stateKind(host, type) : host.kind(type));
  const page = await listScopes(listSource(host, type), options);
  if (!states) return page;
  const known = page.scopes.flatMap(({ type: each, id }) =>
    each === "sequencer" || host.kindOf(each) === undefined ? [] : [{ kind: host.kind(each), id }],
  );
  const found = await readAll(host, known);
  // What was deleted since it was listed has no state.
  const scopes = known.flatMap(({ kind: { type: each }, id }, at): ListedState[] => {
    const stored = found[at];
    // A state is a record, whatever its fields.
    return stored === undefined ? [] : [{ type: each, id, ...(stored as Stored<Fields>) }];
  });
  return { ...page, scopes, ids: scopes.map(({ id }) => id) };
}

type Fields = Record<string, unknown>;

function stateKind(host: ScopeHost, type: string): ResolvedKind {
  refuseRun(type);
  return host.kind(type);
}

/** One scope to read. */
interface Wanted {
  readonly kind: ResolvedKind;
  readonly id: string;
}

async function readAll(host: ScopeHost, wanted: readonly Wanted[]): Promise<Found[]> {
  const reads = new Map<string, Promise<Found>>();
  for (const { kind, id } of wanted) {
    const key = host.key(kind.type, id);
    if (!reads.has(key)) reads.set(key, readOne(host, kind, id));
  }
  const ends = await Promise.allSettled(reads.values());
  const failed = ends.find((end) => end.status === "rejected");
  if (failed !== undefined) throw failed.reason;
  return Promise.all(wanted.map(async ({ kind, id }) => reads.get(host.key(kind.type, id))));
}

async function readOne(host: ScopeHost, { type }: ResolvedKind, id: string): Promise<Found> {
  const kind = host.kind(type, id);
  const live = host.system.find(host.key(type, id));
  const memory = live === undefined ? NOTHING : inMemory(live);
  const scope = live?.identity ?? { type, id };
  const record = await load(host, kind, scope);
  const version = record?.version ?? 0;
  if (live !== undefined && memory.hasUnstored) {
    const isAdopted = version > memory.base && (await adopts(live, version));
    return (isAdopted ? inMemory(live) : memory).found();
  }
  memory.refuseOlder(version);
  if (record?.state === undefined) return undefined;
  return Object.freeze({ version, state: storedState(record.state, { ...kind, identity: scope }) });
}

/** Codes of calls that could not begin. */
const NO_TURN: ReadonlySet<string> = new Set<ErrorCode>([
  "REENTRANT_MUTATION",
  "DEADLOCK",
  "SCOPE_STOPPED",
  "SCOPE_MUTATION_TIMEOUT",
  "MAILBOX_FULL",
]);

/**
 * Lets a scope adopt the record `version`, which was found; resolves to false when a turn of the
 * running code, or a long one, keeps it from that.
 */
async function adopts(scope: ResidentScope, version: number): Promise<boolean> {
  if (version > scope.readVersion) scope.observed(version);
  try {
    if (scope.stale) await scope.submit(catchUpWork(scope));
    return true;
  } catch (error) {
    if (isHoldfastError(error) && NO_TURN.has(error.code)) return false;
    throw error;
  }
}

/** What this process has in memory of a scope when a read begins. */
interface Memory {
  /** It has changes that are not stored. */
  readonly hasUnstored: boolean;
  /** The version of the record under them. */
  readonly base: number;
  /** Its state with them, unless it has expired by now. */
  found(): Found;
  /** Throws when a record of `version` is damaged: missing, or older than it was seen. */
  refuseOlder(version: number): void;
}

const NOTHING: Memory = {
  hasUnstored: false,
  base: 0,
  found: () => undefined,
  refuseOlder: () => undefined,
};

function inMemory(scope: ResidentScope): Memory {
  const { version, state, exists, overdue, isStored, backing, key, identity } = scope;
  const seen = backing?.lastSeen;
  const known = seen?.version ?? 0;
  return {
    hasUnstored: !isStored,
    base: scope.readVersion,
    found() {
      const isOver = overdue || (scope.version === version && scope.overdue);
      return exists && !isOver ? Object.freeze({ version, state }) : undefined;
    },
    refuseOlder(found) {
      // A save that ended meanwhile may have raised what was seen, so both are compared.
      if (found >= known || seen?.isDamage(found) !== true) return;
      const what = found === 0 ? "is missing now" : `version ${found} is stored now`;
      const reason = `version ${known} was stored and ${what}; refresh() adopts what is there`;
      const location = `${scope.kind.store.name} record ${key}`;
      throw new CorruptStateError({ location, reason }, { scope: identity });
    },
  };
}

async function load(
  host: ScopeHost,
  kind: ResolvedKind,
  scope: ScopeIdentity,
): Promise<Stored<object> | Tombstone | undefined> {
  try {
    return await host.bridge(kind, scope)?.load();
  } catch (error) {
    if (!(error instanceof CorruptStateError) || error.scope !== undefined) throw error;
    throw new CorruptStateError(error, { scope, cause: error }); // A store knows keys only.
  }
}
