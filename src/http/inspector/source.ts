/** What an inspector reads from: the runtime of a program, or a store that programs write to. */
import { ScopeHandle } from "../../runtime/handle.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { AnySequencer } from "../../runtime/sequencer/define.ts";
import { type StatsSource, sourceOf } from "../../runtime/stats.ts";
import { notFound } from "../problem.ts";

/** What the endpoints of an inspector use. */
export interface Inspected {
  readonly runtime: Runtime;
  readonly inside: StatsSource;
  /** The program works on the scopes itself: its mailboxes are there. */
  readonly live: boolean;
  readonly write: boolean;
  /** Gives `work` the scope of a stored record, or of the program. */
  readonly withScope: WithScope;
  /** The sequencers of the program, besides those that its runtime has used. */
  readonly sequencers: readonly AnySequencer[];
}

/** Opens a scope for `work`; rejects with `HttpProblem` 404 for one that is not there. */
export type WithScope = <T>(
  type: string,
  id: string,
  work: (scope: ScopeHandle) => Promise<T>,
) => Promise<T>;

/** What a runtime is read from; throws `TypeError` for what is no runtime of this copy. */
export function insideOf(runtime: unknown): StatsSource {
  const inside = typeof runtime === "object" && runtime !== null ? sourceOf(runtime) : undefined;
  if (inside === undefined) throw new TypeError("inspector takes a runtime of this package");
  return inside;
}

/** The scopes of the program. */
export function scopesOf(runtime: Runtime): WithScope {
  return async (type, id, work) => {
    if (type === "sequencer") throw notFound("runs of sequencers are no scopes");
    if (!isDeclared(runtime, type)) throw notFound("the program does not declare this kind");
    const scope = await runtime.open(type, id);
    if (!(scope instanceof ScopeHandle)) throw notFound();
    return work(scope);
  };
}

function isDeclared(runtime: Runtime, type: string): boolean {
  try {
    runtime.supports(type);
    return true;
  } catch {
    return false;
  }
}
