/**
 * What a save uses of a bridge. A bridge is user code: its results are checked before anything
 * builds on them.
 */
import { StoreContractError } from "../errors.ts";
import { isPlainObject, typeName } from "../state/kind.ts";
import type { ScopeCore } from "./scope-core.ts";
import { LOADS, SAVES, type Traced, tracedLoad } from "./trace.ts";
import type {
  CommitInfo,
  Tombstone,
  PersistBridge,
  SaveResult,
  ScopeIdentity,
  Stored,
} from "../protocol.ts";

/** A bridge that sends the saves of many scopes as one, without a promise for each of them. */
export abstract class GatheringBridge {
  /** Calls `executor.send()` once, when its next request begins. */
  abstract gather(executor: { send(): void }): void;
  /** As `save` of a bridge; then calls `answered` or `failed` of the save, once. */
  abstract send(next: object, save: SentSave): void;
}

/** What such a bridge uses of a save. */
export interface SentSave {
  /** The version that the save builds on, and how many changes it has. */
  readonly expected: number;
  readonly changes: number;
  /** The confirmed state under the changes. */
  readonly base: object | null;
  readonly patches: CommitInfo["patches"];
  /** What a history gets; `null` for a scope without one. */
  readonly info: Pick<CommitInfo, "changes" | "created"> | null;
  answered(result: SaveResult<object>): void;
  failed(error: unknown): void;
}

/** The scope of a save. */
type Saved = Pick<ScopeCore, "bridge" | "listening">;

/**
 * Whether saves of a scope are gathered. One that is traced or announced keeps the async context of
 * its calls for their subscribers: it has a request of its own.
 */
export function gathers<S extends Saved>(scope: S): scope is S & Gathered {
  return scope.bridge instanceof GatheringBridge && !scope.listening && !SAVES.hasSubscribers;
}

/** A scope whose saves are gathered. */
interface Gathered {
  readonly bridge: GatheringBridge;
}

/** The result of a store whose version is not the expected one. */
export type Refusal = Extract<SaveResult<object>, { ok: false }>;

/** A refusal, or the version that the bridge returned, or a description of another result. */
export type Judged = Refusal | { readonly received: unknown };

/** Checks the result of a bridge. */
export function readAnswer(result: unknown): Judged {
  if (!isObject(result)) return { received: typeName(result) };
  const { ok, version, current } = result;
  if (ok === true) return { received: typeof version === "number" ? version : typeName(version) };
  if (ok !== false || !(version === undefined || isVersion(version)))
    return { received: "a result of another shape" };
  const tombstone = version === undefined ? {} : { version };
  if (current === undefined || current === null) return { ok, current: undefined, ...tombstone };
  if (isStored(current)) return { ok, current, ...tombstone };
  return { received: "a current record of another shape" };
}

/** Whether the store still has `expected`; calls `load` of a bridge without `verify`. */
export async function verification(
  bridge: PersistBridge<object>,
  expected: number,
  scope: ScopeIdentity,
): Promise<Judged> {
  if (bridge.verify !== undefined) return readAnswer(await bridge.verify(expected));
  if (bridge.load === undefined) return { received: expected }; // It cannot be read.
  const { state, version } = readLoaded(await bridge.load(), scope);
  if (version === expected) return { received: version };
  return { ok: false, current: state === undefined ? undefined : { state, version }, version };
}

/** The stored record, as a refusal reports it. */
export function foundIn({ current, version }: Refusal): Stored<object> | Tombstone {
  return current ?? { state: undefined, version: version ?? 0 };
}

/** A bridge that loads. */
type Loading = Required<Pick<PersistBridge<object>, "load">>;

/** Reads a record, traced as `operation`; throws `StoreContractError` as `readLoaded`. */
export async function readRecord(
  traced: Traced,
  bridge: Loading,
  operation: "load" | "refresh",
): Promise<Stored<object> | Tombstone> {
  const found: unknown = await (LOADS.hasSubscribers
    ? tracedLoad(traced, { operation }, bridge.load.bind(bridge))
    : bridge.load());
  return readLoaded(found, traced.identity);
}

/** The result of `load`; throws `StoreContractError` when it is no record, nor absent. */
function readLoaded(found: unknown, scope: ScopeIdentity): Stored<object> | Tombstone {
  if (found === undefined || found === null) return { state: undefined, version: 0 };
  if (isStored(found)) return found;
  if (isObject(found) && found["state"] === undefined && isVersion(found["version"]))
    return { state: undefined, version: found["version"] };
  const fields = { expected: "a state with its version", received: typeName(found) };
  throw new StoreContractError(fields, { scope });
}

function isStored(value: unknown): value is Stored<object> {
  return isObject(value) && isPlainObject(value["state"]) && isVersion(value["version"]);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function isVersion(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
