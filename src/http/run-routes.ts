/** The routes of runs: start one, list and read them, resume and cancel. */
import { randomUUID } from "node:crypto";
import { type ErrorCode, isHoldfastError } from "../../actors/errors.ts";
import type { Clock, Json } from "../../actors/protocol.ts";
import { toJson } from "../patches/to-json.ts";
import { checkedValue } from "../runtime/sequencer/checked-value.ts";
import type { AnySequencer } from "../runtime/sequencer/define.ts";
import type { RunInfo, RunsOptions } from "../runtime/sequencer/run-logs.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { readMembers } from "./body.ts";
import { eventResponse, frameOf, type Heartbeat } from "./event-stream.ts";
import { badRequest, HttpProblem, invalidBody, notFound } from "./problem.ts";
import { limitOf, PAGE_MAX } from "./query.ts";
import { jsonResponse } from "./reply.ts";
import type { Call, Endpoint, Route } from "./router.ts";
import type { Access } from "./security.ts";

/** What the routes of runs use. */
export interface RunRoutesPort {
  readonly runtime: Runtime;
  /** Those whose runs are exposed, by name. */
  readonly sequencers: ReadonlyMap<string, AnySequencer>;
  readonly basePath: string;
  readonly heartbeat: Heartbeat;
}

/** Milliseconds for which a resume waits for the next end of the run, before it is answered. */
const RESUME_WAIT_MS = 2_000;

const STATUSES: ReadonlySet<unknown> = new Set<RunInfo["status"]>([
  "running",
  "suspended",
  "completed",
  "failed",
  "cancelled",
]);

/** Codes of a resume that was refused, besides those of the server. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "SUSPENSION_MISMATCH",
  "RUN_LEASED",
  "RUN_CANCELLED",
  "SEQUENCER_CHANGED",
]);

/** The routes of the runs of a runtime; none when no sequencer is exposed. */
export function runRoutes(port: RunRoutesPort): Route[] {
  if (port.sequencers.size === 0) return [];
  const one = { GET: reading(port), POST: starting(port) };
  const paths: readonly (readonly [Route["path"], ReturnType<Route["methods"]>])[] = [
    [["runs"], { GET: listing(port) }],
    [["runs", null], one],
    [["runs", null, "events"], { GET: watching(port) }],
    [["runs", null, "resume"], { POST: resuming(port) }],
    [["runs", null, "cancel"], { POST: cancelling(port) }],
  ];
  return paths.map(([path, methods]) => ({ path, methods: () => methods }));
}

function starting({ runtime, sequencers, basePath }: RunRoutesPort): Endpoint {
  const bodies = new WeakMap<Request, { readonly runId: string; readonly input: unknown }>();
  return {
    async access({ request, ids: [sequencer = ""] }) {
      if (!sequencers.has(sequencer)) throw notFound("no such sequencer is exposed");
      const { runId, input } = await readMembers(request, ["runId", "input"]);
      // The id is one of the things that `authorize` decides about.
      bodies.set(request, { runId: idOf(runId) ?? `run_${randomUUID()}`, input });
      const named = runId === undefined ? {} : { id: idOf(runId) ?? "" };
      return { action: "run", type: "sequencer", ...named, sequencer };
    },
    async serve({ request, ids: [name = ""] }) {
      const sequencer = sequencers.get(name);
      const given = bodies.get(request);
      if (sequencer === undefined || given === undefined) throw notFound();
      const { runId, input } = given;
      const scope = { type: "sequencer", id: runId };
      if (sequencer.input !== undefined)
        await checkedValue(sequencer.input, input, { what: "input", scope });
      const known = await infoOf(runtime, runId);
      if (known !== undefined && known.sequencer !== name)
        throw new HttpProblem(409, "CONFLICT", "there is a run of another sequencer with this id");
      // Its failure is in the run's record, and is logged by the runtime.
      runtime.run(sequencer, { runId, input });
      const location = `${basePath}/runs/${encodeURIComponent(runId)}`;
      return jsonResponse({ runId }, { status: 202, headers: { location } });
    },
  };
}

function idOf(runId: unknown): string | undefined {
  if (runId === undefined) return undefined;
  if (typeof runId === "string" && runId.length >= 1 && runId.length <= 4_096) return runId;
  throw invalidBody("runId must be a text of 1 to 4096 characters");
}

function listing({ runtime, sequencers }: RunRoutesPort): Endpoint {
  return {
    access: () => ({ action: "list", type: "sequencer" }),
    async serve({ url }) {
      const status = url.searchParams.get("status");
      if (status !== null && !STATUSES.has(status)) throw badRequest("there is no such status");
      const limit = limitOf(url, PAGE_MAX);
      // Checked above.
      const selected = status === null ? {} : { status: status as RunInfo["status"] };
      const runs: Json[] = [];
      for await (const info of runtime.runs(selected satisfies RunsOptions)) {
        if (!sequencers.has(info.sequencer)) continue;
        if (runs.length === limit) return jsonResponse({ runs, more: true });
        runs.push(toJson(info));
      }
      return jsonResponse({ runs });
    },
  };
}

function reading(port: RunRoutesPort): Endpoint {
  return { access: accessTo("read"), serve: async (call) => runResponse(port, call) };
}

/** The events of a run, read as fast as the client takes them; the stream ends with the run. */
function watching(port: RunRoutesPort): Endpoint {
  return {
    access: accessTo("read"),
    async serve(call) {
      const { runId } = await exposedRun(port, call);
      const events = port.runtime.watchRun(runId);
      const more = async (): Promise<void> => {
        try {
          const { done, value } = await events.next();
          if (done === true) reader.end();
          else reader.push(frameOf(value.type, toJson(value)));
        } catch (error) {
          reader.fail(error);
        }
      };
      const left = (): void => void events.return?.();
      const reader = port.heartbeat.open({ more: () => void more(), left });
      return eventResponse(reader.stream);
    },
  };
}

function resuming(port: RunRoutesPort): Endpoint {
  return {
    access: accessTo("run"),
    async serve(call) {
      const { suspension, data } = await readMembers(call.request, ["suspension", "data"]);
      if (typeof suspension !== "string" || suspension === "")
        throw invalidBody("suspension must be the id that the run waits for");
      const { runtime, sequencers } = port;
      const { runId, sequencer: name } = await exposedRun(port, call);
      const sequencer = sequencers.get(name);
      if (sequencer === undefined) throw notFound();
      const isOver = await resumeFor(runtime, sequencer, runId, { data, suspension });
      return runResponse(port, call, isOver ? 200 : 202);
    },
  };
}

function cancelling(port: RunRoutesPort): Endpoint {
  return {
    access: accessTo("run"),
    async serve(call) {
      await readMembers(call.request, []);
      const { runId } = await exposedRun(port, call);
      await port.runtime.cancel(runId);
      return runResponse(port, call);
    },
  };
}

function accessTo(action: Access["action"]): Endpoint["access"] {
  return ({ ids: [id = ""] }) => ({ action, type: "sequencer", id });
}

/** The record of a run, with its output once it is completed. */
async function runResponse(port: RunRoutesPort, call: Call, status = 200): Promise<Response> {
  const info = await exposedRun(port, call);
  const body = { ...Object(toJson(info)) };
  if (info.status === "completed") {
    const [last] = await port.runtime.checkpoints(info.runId);
    body.output = toJson(last?.outputs.at(-1));
  }
  return jsonResponse(body, { status });
}

async function exposedRun(
  { runtime, sequencers }: RunRoutesPort,
  { ids: [id = ""] }: Call,
): Promise<RunInfo> {
  const info = id.length > 4_096 ? undefined : await infoOf(runtime, id);
  if (info === undefined || !sequencers.has(info.sequencer)) throw notFound("there is no such run");
  return info;
}

async function infoOf(runtime: Runtime, runId: string): Promise<RunInfo | undefined> {
  for await (const info of runtime.runs({ runId })) return info;
  return undefined;
}

/** A resume, as a client gives it. */
export interface GivenResume {
  readonly data: unknown;
  readonly suspension: string | undefined;
}

/**
 * Resumes a run and waits a moment for its next end; resolves to whether it came. Rejects when the
 * resume was refused.
 */
export function resumeFor(
  runtime: Runtime,
  sequencer: AnySequencer,
  runId: string,
  { data, suspension }: GivenResume,
): Promise<boolean> {
  const end = runtime.resume(sequencer, runId, data, { suspension });
  return settledWithin(runtime.clock, end, async (error) => {
    const isRefusal = isHoldfastError(error) && REFUSALS.has(error.code);
    // A step that failed later is no failure of the resume.
    if (isRefusal || (await infoOf(runtime, runId))?.status !== "failed") throw error;
  });
}

/** Whether `end` is settled in time; `failed` receives its rejection, and may reject itself. */
async function settledWithin(
  clock: Clock,
  end: Promise<unknown>,
  failed: (error: unknown) => Promise<void>,
): Promise<boolean> {
  let timer: unknown;
  const late = new Promise<false>((resolve) => {
    timer = clock.setTimeout(() => resolve(false), RESUME_WAIT_MS);
  });
  const over = end.then(
    () => true,
    (error: unknown) => failed(error).then(() => true),
  );
  over.catch(() => undefined); // It may reject after the answer.
  try {
    return await Promise.race([over, late]);
  } finally {
    clock.clearTimeout(timer);
  }
}
