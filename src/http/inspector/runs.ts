/** The runs: the last changed ones, one with its steps, and what can be done with it. */
import { toJson } from "../../patches/to-json.ts";
import { jsonSchemaOf, logsOf, sequencerNamed } from "../../runtime/sequencer/definitions.ts";
import type { AnySequencer } from "../../runtime/sequencer/define.ts";
import type { StoredRun } from "../../runtime/sequencer/run-record.ts";
import { isHoldfastError } from "../../../actors/errors.ts";
import type { Json } from "../../../actors/protocol.ts";
import { readMembers } from "../body.ts";
import { badRequest, HttpProblem, invalidBody, notFound } from "../problem.ts";
import { limitOf } from "../query.ts";
import { jsonResponse } from "../reply.ts";
import type { Call } from "../router.ts";
import { resumeFor } from "../run-routes.ts";
import { barsOf } from "./bars.ts";
import type { Inspected } from "./source.ts";
import type { Traces } from "./traces.ts";
import type { RunPage, RunRow, RunView } from "./wire.ts";

/** Records that one request looks at, most. */
const LOOKED_MAX = 2_000;
/** Runs in one answer, by default. */
const RUNS = 200;

/** Answers with the runs of a status, or of all; the last changed ones first. */
export async function listRuns(
  { inside }: Inspected,
  traces: Traces,
  { url }: Call,
): Promise<Response> {
  const status = url.searchParams.get("status");
  const text = (url.searchParams.get("filter") ?? "").toLowerCase();
  const limit = limitOf(url, RUNS);
  const found = new Map<string, RunRow>();
  let looked = 0;
  for await (const record of recordsOf(inside, traces)) {
    looked += 1;
    if (looked > LOOKED_MAX) break;
    const { runId, sequencer } = record;
    const isAsked = status === null || record.status === status;
    if (isAsked && `${runId}\n${sequencer}`.toLowerCase().includes(text))
      found.set(runId, rowOf(record));
  }
  const runs = [...found.values()].toSorted((left, right) => right.updatedAt - left.updatedAt);
  const more = runs.length > limit || looked > LOOKED_MAX;
  return jsonResponse({ runs: runs.slice(0, limit), more } satisfies RunPage);
}

/** First those that execute here, and those of the last steps; then all, with these once more. */
async function* recordsOf(inside: object, traces: Traces): AsyncGenerator<StoredRun> {
  const logs = logsOf(inside);
  if (logs === undefined) return;
  for (const log of logs.inMemory.values()) if (log.exists) yield log.record;
  for (const runId of traces.runIds.slice(0, RUNS)) {
    const record = await logs.read(runId).catch(() => undefined);
    if (record !== undefined) yield record;
  }
  yield* logs.records();
}

function rowOf(record: StoredRun): RunRow {
  const { runId, sequencer, status, steps, stepIndex, createdAt, updatedAt } = record;
  const step = steps[stepIndex];
  return {
    runId,
    sequencer,
    status,
    ...(step === undefined ? {} : { step }),
    createdAt,
    updatedAt,
  };
}

/** Answers with one run. */
export async function readRun(
  inspected: Inspected,
  traces: Traces,
  { url }: Call,
): Promise<Response> {
  const runId = url.searchParams.get("id") ?? "";
  return jsonResponse(viewOf(await recordOf(inspected, runId), inspected, traces));
}

async function recordOf({ inside }: Inspected, runId: string): Promise<StoredRun> {
  if (runId === "" || runId.length > 4_096) throw badRequest("no run has this id");
  try {
    const log = await logsOf(inside)?.look(runId);
    if (log?.exists === true) return log.record;
  } catch (error) {
    if (isHoldfastError(error)) throw error; // Else it is a scope of an earlier release.
  }
  throw notFound("there is no such run");
}

function viewOf(record: StoredRun, inspected: Inspected, traces: Traces): RunView {
  const { input, state, outputs, suspension, error, status, scopes } = record;
  const sequencer = sequencerOf(inspected, record.sequencer);
  return {
    ...rowOf(record),
    bars: barsOf(record, traces.barsOf(record.runId), sequencer),
    input: toJson(input),
    state: toJson(state),
    outputs: outputs.map(toJson),
    scopes: Object.values(scopes).map(({ type, id }) => ({ type, id })),
    ...(suspension === null
      ? {}
      : {
          suspension: {
            id: suspension.id,
            reason: toJson(suspension.reason),
            ...(suspension.data === undefined ? {} : { data: toJson(suspension.data) }),
            ...(suspension.timeoutAt === undefined ? {} : { timeoutAt: suspension.timeoutAt }),
            ...schemaOf(suspension.id),
          },
        }),
    ...(error === null || status !== "failed" ? {} : { error }),
    resumable: sequencer !== undefined,
  };
}

function schemaOf(suspension: string): { readonly schema?: Json } {
  const schema = jsonSchemaOf(suspension);
  return schema === undefined ? {} : { schema: toJson(schema) };
}

function sequencerOf({ inside, sequencers }: Inspected, name: string): AnySequencer | undefined {
  return sequencerNamed(inside, name) ?? sequencers.find((each) => each.name === name);
}

/** Resumes a run: with data, one that is suspended; without, one that failed or was interrupted. */
export async function resumeRun(inspected: Inspected, { request }: Call): Promise<Response> {
  const { runId, suspension, data } = await readMembers(request, ["runId", "suspension", "data"]);
  if (typeof runId !== "string") throw invalidBody("a resume needs runId");
  if (suspension !== undefined && (typeof suspension !== "string" || suspension === ""))
    throw invalidBody("suspension must be the id that the run waits for");
  const record = await recordOf(inspected, runId);
  if (record.status === "suspended" && suspension === undefined)
    throw invalidBody("the run waits for data: name the suspension");
  const sequencer = sequencerOf(inspected, record.sequencer);
  if (sequencer === undefined) {
    const detail = "this program does not know the sequencer of the run";
    throw new HttpProblem(409, "CONFLICT", detail);
  }
  const isOver = await resumeFor(inspected.runtime, sequencer, runId, { data, suspension });
  return jsonResponse({}, { status: isOver ? 200 : 202 });
}

/** Cancels a run. */
export async function cancelRun(inspected: Inspected, { request }: Call): Promise<Response> {
  const { runId } = await readMembers(request, ["runId"]);
  if (typeof runId !== "string") throw invalidBody("a cancellation needs runId");
  await recordOf(inspected, runId);
  return jsonResponse({ cancelled: await inspected.runtime.cancel(runId) });
}
