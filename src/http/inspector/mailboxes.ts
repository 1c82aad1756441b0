/** The mailboxes: which scopes are busy, with what, and which met changes of other owners. */
import type { LivingScope } from "../../runtime/stats.ts";
import { jsonResponse } from "../reply.ts";
import type { Inspected } from "./source.ts";
import type { Traces } from "./traces.ts";
import type { Mailboxes, MailboxRow } from "./wire.ts";

/** Most rows of an answer. */
const ROWS_MAX = 200;

/** Answers with the mailboxes that have work, the fullest first. */
export function readMailboxes({ inside }: Inspected, traces: Traces): Response {
  const busy = inside.system.living.filter(isBusy);
  const rows = busy.map((scope) => rowOf(scope, traces));
  const body: Mailboxes = {
    busy: rows.toSorted(fullestFirst).slice(0, ROWS_MAX),
    count: busy.length,
    contended: traces.contended.slice(0, ROWS_MAX),
    since: traces.since,
  };
  return jsonResponse(body);
}

function isBusy({ activity: { waiting, running, saving } }: LivingScope): boolean {
  return waiting > 0 || running || saving;
}

function rowOf({ identity, activity }: LivingScope, traces: Traces): MailboxRow {
  const { waiting, running, saving } = activity;
  const underway = running ? traces.running(identity) : undefined;
  return {
    type: identity.type,
    id: identity.id,
    waiting,
    busy: running ? "running" : saving ? "saving" : null,
    ...(underway === undefined
      ? {}
      : {
          operation: underway.operation,
          runningMs: Math.max(0, performance.now() - underway.began),
        }),
  };
}

function fullestFirst(left: MailboxRow, right: MailboxRow): number {
  return right.waiting - left.waiting || (right.runningMs ?? 0) - (left.runningMs ?? 0);
}
