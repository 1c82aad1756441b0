/** One scope: its state now and at earlier versions, its changes, and the way back. */
import type { HistoryEntry } from "../../runtime/scope-types.ts";
import type { Patch } from "../../../actors/protocol.ts";
import { isHoldfastError } from "../../../actors/errors.ts";
import { difference } from "../../../actors/state/diff.ts";
import { applyPatches } from "../../patches/apply-patches.ts";
import { toJson } from "../../patches/to-json.ts";
import { Past, type PastState } from "../../runtime/past.ts";
import { changesOf as pastChanges } from "../../runtime/past-ops.ts";
import { residentOf, type ScopeHandle } from "../../runtime/handle.ts";
import type { ResidentScope } from "../../runtime/resident-scope.ts";
import { readMembers } from "../body.ts";
import { whileKept } from "../past-changes.ts";
import { badRequest, invalidBody, notFound } from "../problem.ts";
import { limitOf, wholeNumber } from "../query.ts";
import { jsonResponse } from "../reply.ts";
import type { Call } from "../router.ts";
import type { Inspected } from "./source.ts";
import type { ChangeView, Difference, HistoryPage, ScopeView, TimerView } from "./wire.ts";

/** Milliseconds for which the page waits for the newest state. */
const READ_MS = 300;
/** Changes in one answer, by default. */
const CHANGES = 50;
/** Most differences of one change. */
const DIFFERENCES_MAX = 100;
/** Most places that are named one by one where the change replaced a part as a whole. */
const FINE_MAX = 20;
/** Most characters of a value in a difference. */
const VALUE_MAX = 2_000;

/** Answers with the scope, with the state of `at` if it is given. */
export function readScope({ withScope }: Inspected, { url }: Call): Promise<Response> {
  const { type, id } = named(url);
  const at = wholeNumber(url, "at");
  return withScope(type, id, async (scope) => {
    await freshen(scope);
    const { version } = scope;
    if (at !== undefined && at > version) throw notFound("the scope has no such version yet");
    const isPast = at !== undefined && at < version;
    const found = isPast ? await stateAt(scope, at) : { version, timestamp: 0, state: scope.state };
    return jsonResponse(await viewOf(scope, found));
  });
}

/** Reads the store, unless the scope is busy: the page shows it also while a call keeps it. */
async function freshen(scope: ScopeHandle): Promise<void> {
  const { waiting, running } = scope.stats;
  if (waiting > 0 || running) return;
  try {
    await scope.read({ timeoutMs: READ_MS });
  } catch (error) {
    if (!isHoldfastError(error, "SCOPE_MUTATION_TIMEOUT")) throw error;
  }
}

async function viewOf(
  scope: ScopeHandle,
  found: { readonly version: number; readonly timestamp: number; readonly state: object },
): Promise<ScopeView> {
  const { type, id, userId, orgId } = scope.identity;
  const { waiting, running, saving } = scope.stats;
  const resident = residentScope(scope);
  const timers = resident.kind.timers === null ? null : await timersOf(scope);
  return {
    type,
    id,
    version: scope.version,
    shown: { version: found.version, timestamp: found.timestamp },
    state: toJson(found.state),
    until: untilOf(resident),
    timers,
    keepsHistory: resident.kind.history !== null,
    ...(userId === undefined ? {} : { userId }),
    ...(orgId === undefined ? {} : { orgId }),
    waiting,
    busy: running ? "running" : saving ? "saving" : null,
  };
}

async function timersOf(scope: ScopeHandle): Promise<TimerView[]> {
  return (await scope.timers()).map(({ key, name, at, payload }) => ({
    key,
    name,
    at: at.getTime(),
    payload: toJson(payload),
  }));
}

function untilOf(resident: ResidentScope): number | null {
  const until = resident.exists ? resident.life.until : Infinity;
  return until === Infinity ? null : until;
}

/** Answers with the changes before the version `before`, newest first. */
export function readHistory({ withScope }: Inspected, { url }: Call): Promise<Response> {
  const { type, id } = named(url);
  const before = wholeNumber(url, "before");
  const limit = limitOf(url, CHANGES);
  return withScope(type, id, async (scope) => {
    const changes = await whileKept(async () => {
      await freshen(scope);
      const end = Math.min(before ?? Infinity, scope.version + 1); // Newer ones are not read yet.
      return changesOf(scope, { before: end, limit: limit + 1 });
    });
    const page: HistoryPage = { changes: changes.slice(0, limit), more: changes.length > limit };
    return jsonResponse(page);
  });
}

/** A state of the past, read beside the calls in the mailbox. */
function stateAt(scope: ScopeHandle, version: number): Promise<PastState> {
  const resident = residentScope(scope);
  const present = { state: resident.state, version: resident.version };
  return new Past(resident).at(version, present, resident.settings.clock.now());
}

function residentScope(scope: ScopeHandle): ResidentScope {
  const resident = residentOf(scope);
  if (resident === undefined) throw notFound();
  return resident;
}

async function changesOf(
  scope: ScopeHandle,
  options: { readonly before: number; readonly limit: number },
): Promise<ChangeView[]> {
  const entries: HistoryEntry[] = [];
  // `history` of the scope itself would wait for the calls in its mailbox.
  const found = pastChanges(residentScope(scope), options, () => Promise.resolve());
  for await (const entry of found) entries.push(entry);
  const changes: ChangeView[] = [];
  let after: { version: number; state: object } = { version: scope.version, state: scope.state };
  for (const entry of entries) {
    if (after.version !== entry.version) after = await stateAt(scope, entry.version);
    const before = applyPatches(after.state, entry.inversePatches);
    changes.push(changeOf(entry, before));
    after = { version: entry.version - 1, state: before };
  }
  return changes;
}

function changeOf(entry: HistoryEntry, before: object): ChangeView {
  const { version, timestamp, operation, meta } = entry;
  const patches = finestOf(entry.patches, before);
  const shown = patches.slice(0, DIFFERENCES_MAX);
  return {
    version,
    timestamp,
    operation,
    differences: differencesOf(shown, before),
    more: patches.length - shown.length,
    ...(meta === undefined ? {} : { meta }),
  };
}

/** The places within what was replaced as a whole, unless these are too many to look at. */
function finestOf(patches: readonly Patch[], before: object): readonly Patch[] {
  if (!patches.some(({ op, value }) => op === "replace" && typeof value === "object"))
    return patches;
  const finest = difference(before, applyPatches(before, patches)).patches;
  return finest.length <= Math.max(FINE_MAX, patches.length) ? finest : patches;
}

/** Each patch with the value that it replaces, which earlier ones may have made. */
function differencesOf(patches: readonly Patch[], before: object): Difference[] {
  let state: object = before;
  return patches.map((patch) => {
    const old = patch.op === "add" ? undefined : valueAt(state, patch.path);
    state = applyPatches(state, [patch]);
    return {
      path: patch.path.map(String),
      ...(old === undefined ? {} : { before: shownValue(old) }),
      ...(patch.op === "remove" ? {} : { after: shownValue(patch.value) }),
    };
  });
}

function valueAt(state: unknown, path: Patch["path"]): unknown {
  let value = state;
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = Reflect.get(value, key);
  }
  return value;
}

function shownValue(value: unknown): string {
  const text = JSON.stringify(toJson(value));
  return text.length > VALUE_MAX ? `${text.slice(0, VALUE_MAX)}…` : text;
}

/** Makes a new version with the state of an earlier one. */
export async function rewindScope({ withScope }: Inspected, { request }: Call): Promise<Response> {
  const { type, id, version } = await readMembers(request, ["type", "id", "version"]);
  if (typeof type !== "string" || typeof id !== "string" || !isVersion(version))
    throw invalidBody("a rewind needs type, id and version");
  return withScope(type, id, async (scope) => {
    await scope.read();
    if (version > scope.version) throw invalidBody("the scope has no such version yet");
    const changed = await scope.rewind(version, { meta: { by: "inspector" } });
    return jsonResponse({ changed, version: scope.version });
  });
}

function isVersion(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function named(url: URL): { readonly type: string; readonly id: string } {
  const type = url.searchParams.get("type");
  const id = url.searchParams.get("id");
  if (type === null || id === null) throw badRequest("a scope is named by type and id");
  if (id === "" || id.length > 4_096) throw badRequest("no scope has this id");
  return { type, id };
}
