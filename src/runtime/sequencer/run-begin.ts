/**
 * What a run begins with: its record, the settings of its state, its checked input, its scopes.
 */
import { refuseUnknown, scopeSettings, type StateRule } from "../../../actors/scope/options.ts";
import { createChecks, initialState } from "../../../actors/scope/validation.ts";
import { RunAbandonedError } from "../../../actors/errors.ts";
import { copyIn, typeName } from "../../../actors/state/copy.ts";
import type { ScopeIdentity } from "../../../actors/protocol.ts";
import { ScopeHandle } from "../handle.ts";
import type { ScopeHost } from "../scope-host.ts";
import { checkedValue } from "./checked-value.ts";
import type { RunScopes } from "./context.ts";
import type { AnySequencer } from "./define.ts";
import { namesOf } from "./run-fit.ts";
import { copyOf, NOT_BEGUN, type RunLog, type StoredRun } from "./run-record.ts";

/** Scopes of any state, by the names under which steps find them; an execution's context fits. */
export type GivenScopes = {
  readonly [Name in keyof RunScopes]?: { readonly identity: ScopeIdentity } | undefined;
};

/** The names of the scopes of a run. */
const SCOPE_NAMES = ["request", "session", "user", "org"] as const;

/** The parts of the record of a new run. */
export interface NewRun {
  readonly runId: string;
  readonly sequencer: AnySequencer;
  readonly input: unknown;
  readonly initial: object;
  readonly createdAt: number;
  readonly scopes: GivenScopes | undefined;
}

/** The record of a run that has not begun. */
export function newRecord({
  runId,
  sequencer,
  input,
  initial,
  createdAt,
  scopes,
}: NewRun): StoredRun {
  return Object.assign(copyOf(NOT_BEGUN), {
    runId,
    sequencer: sequencer.name,
    definition: sequencer.version ?? null,
    steps: namesOf(sequencer, 1),
    input,
    state: initial,
    createdAt,
    updatedAt: createdAt,
    scopes: scopes === undefined ? NOT_BEGUN.scopes : identitiesOf(scopes),
  });
}

function identitiesOf(scopes: GivenScopes): StoredRun["scopes"] {
  const identities = SCOPE_NAMES.flatMap((name) => {
    const given = scopes[name];
    return given === undefined ? [] : [[name, given.identity] as const];
  });
  return copyIn(Object.fromEntries(identities), "scopes");
}

/** What the states of all runs of a sequencer have in common. */
export type RunRule = Omit<StateRule, "identity">;

/** The rule of a sequencer's runs; throws for an invalid initial state. */
export function runRule(sequencer: AnySequencer, home: ScopeHost): RunRule {
  const identity = { type: "sequencer", id: sequencer.name };
  const checks = createChecks({ schema: sequencer.schema });
  const initial = initialState(sequencer.initial, checks, identity);
  const { logger, storeName } = home.kind("sequencer").settings;
  const settings = scopeSettings({ clock: home.clock, logger }, { checks, storeName });
  return { settings, initial };
}

/** Throws `RunAbandonedError` when recovery has started the current step too often. */
export function refuseStart({ record, identity: scope }: RunLog, maxStarts: number): void {
  const { runId, steps, stepIndex, starts } = record;
  if (starts <= maxStarts) return;
  const step = steps[stepIndex] ?? "";
  throw new RunAbandonedError({ runId, step, starts: maxStarts }, { scope });
}

/** The checked input of a run, or its promise; the stored run has its own when none is given. */
export function inputOf({ input }: AnySequencer, given: unknown, log: RunLog): unknown {
  if (input === undefined || (log.exists && given === undefined)) return given;
  return checkedValue(input, given, { what: "input", scope: log.identity });
}

/** What the scopes of `execute` come with. */
const EXECUTION_IDS = ["userId", "sessionId", "orgId", "requestId"];

/** The `scopes` option of a run; throws `TypeError` for another name, and for what is no scope. */
export function scopesOption(given: GivenScopes | undefined): RunScopes | undefined {
  if (given === undefined) return undefined;
  refuseUnknown("scopes", given, [...SCOPE_NAMES, ...EXECUTION_IDS]);
  for (const name of SCOPE_NAMES) {
    const scope: unknown = given[name];
    if (scope !== undefined && typeof Object(Object(scope)["identity"])["type"] !== "string")
      throw new TypeError(`scopes.${name} must be an open scope, received ${typeName(scope)}`);
  }
  // Scopes of any state: the steps declare the types.
  return given as RunScopes;
}

/** The scopes of a stored run, as they are stored now. */
export async function reopened(
  home: ScopeHost,
  scopes: Readonly<Record<string, ScopeIdentity>>,
): Promise<RunScopes> {
  const stored = Object.entries(scopes);
  if (stored.length === 0) return {};
  const opened = await Promise.all(
    stored.map(async ([name, { type, id, ...extra }]) => {
      // A scope in memory may be older than the last write of the killed process.
      const known = home.system.find(home.key(type, id));
      const scope = await home.open(type, id, extra);
      if (known !== undefined) await scope.refresh();
      return [name, new ScopeHandle(scope)] as const;
    }),
  );
  // Stored under these names from scopes of these kinds.
  return Object.fromEntries(opened) as RunScopes;
}
