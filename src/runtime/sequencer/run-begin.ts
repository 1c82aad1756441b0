/**
 * What a run begins with: the settings of its state, its checked input, and its scopes.
 */
import { refuseUnknown, scopeSettings, type ScopeSettings } from "../../../actors/scope/options.ts";
import { createChecks, initialState } from "../../../actors/scope/validation.ts";
import { RunAbandonedError } from "../../../actors/errors.ts";
import { typeName } from "../../../actors/state/copy.ts";
import type { ScopeIdentity } from "../../../actors/protocol.ts";
import { ScopeHandle } from "../handle.ts";
import type { ScopeHost } from "../scope-host.ts";
import { checkedValue } from "./checked-value.ts";
import type { RunScopes } from "./context.ts";
import type { AnySequencer } from "./define.ts";
import { type GivenScopes, type RunLog, SCOPE_NAMES } from "./run-record.ts";

/** Settings of the states of a sequencer's runs; throws for an invalid initial state. */
export function runSettings(sequencer: AnySequencer, home: ScopeHost): ScopeSettings {
  const identity = { type: "sequencer", id: sequencer.name };
  const checks = createChecks({ schema: sequencer.schema });
  const initial = initialState(sequencer.initial, checks, identity);
  const { logger, storeName } = home.kind("sequencer").settings;
  return scopeSettings({ clock: home.clock, logger }, { initial, checks, storeName });
}

/** Throws `RunAbandonedError` when recovery has started the current step too often. */
export function refuseStart({ record, identity: scope }: RunLog, maxStarts: number): void {
  const { runId, steps, stepIndex, starts } = record;
  if (starts <= maxStarts) return;
  const step = steps[stepIndex] ?? "";
  throw new RunAbandonedError({ runId, step, starts: maxStarts }, { scope });
}

/** The checked input of a run; the stored run has its own when none is given. */
export async function inputOf(
  { input }: AnySequencer,
  given: unknown,
  log: RunLog,
): Promise<unknown> {
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
  const opened = await Promise.all(
    Object.entries(scopes).map(async ([name, { type, id, ...extra }]) => {
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
