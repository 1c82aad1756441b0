/**
 * A sequencer run: steps in order, each finished step recorded, so that a run that was cut off
 * continues at the first step whose completion is not stored.
 *
 *     running ──step done──▶ (boundary: checkpoint in the background) ──▶ next step … ──▶ completed
 *        │  │
 *        │  ├─suspend──▶ suspended ──resume(data), or its time is over──▶ running (the step starts
 *        │  │              ▲              again, suspend resolves to the data, or rejects)
 *        │  │              └─the data does not fit: the same suspension
 *        │  └─a try failed, and more are left──▶ running (the step starts again, after a wait)
 *        └─the last try failed──▶ failed ──resume──▶ running (the step starts again)
 *
 * The run works on a record and knows nothing of stores: its port writes and flushes the record.
 * One try of a step is in `step-try.ts`.
 *
 * Invariants
 *  Q1  A step starts only when all steps before it are in the record.
 *  Q2  A run resolves to `completed` or `suspended` only after the record of that is stored.
 *  Q3  A `runOnce` function runs only when every boundary before it is stored, and its value is
 *      stored before it is returned; a stored value is returned without running anything. So it
 *      runs again only when the process, or the time of its try, ended before the value was stored.
 *  Q4  Code of a try that has ended (failed, out of time, suspended, cut off) cannot change the
 *      record. The next try starts from the state at the begin of the step.
 *  Q5  The data of a step is stored under its name: equal `runOnce` keys of two steps are different
 *      keys, and `steps` names the finished steps and the current one.
 *  Q6  An end of a suspension counts for this suspension only: the data of a resume, or the end of
 *      its time, whichever is stored first.
 */
import { isHoldfastError } from "../../../actors/errors.ts";
import { noteSchema } from "./definitions.ts";
import type { CurrentStep, RunOutcome, RunPort } from "./run-port.ts";
import type { StepRules } from "./step-rules.ts";
import { codeOf, RUNS, STEPS, type Traced, traceOf, tracing } from "../../../actors/scope/trace.ts";
import { type TryEnd, tryStep } from "./step-try.ts";
import { backoffMs } from "../../../actors/scope/retry.ts";
import { randomUUID } from "../../stores/shared/node-crypto.ts";

/**
 * Runs the remaining steps. Resolves to the outcome of the run; rejects with what a step threw, or
 * with why it refused the data of a resume.
 */
export function runSteps(port: RunPort, traced: Traced): Promise<RunOutcome> {
  if (!RUNS.hasSubscribers) return runAll(port, traced);
  const { sequencer: operation } = port.record;
  const trace = traceOf(RUNS, traced, { operation });
  return tracing(trace, runAll.bind(null, port, traced), ({ status }) => {
    trace?.set({ status });
    return "ok";
  });
}

async function runAll(port: RunPort, traced: Traced): Promise<RunOutcome> {
  for (let each = port.current; each !== undefined; each = port.current) {
    port.check();
    let end: TryEnd;
    try {
      end = await tried(port, each, traced);
    } catch (error) {
      await failed(port, each.rules, error);
      continue;
    }
    if (end.kind !== "done") return suspend(port, end);
    port.check();
    port.finish(end.output);
  }
  if (port.record.status !== "completed") port.write({ status: "completed" });
  await port.flush();
  const { outputs, state } = port.record;
  return { status: "completed", output: outputs.at(-1), state };
}

/** Tries a step once. */
function tried(port: RunPort, current: CurrentStep, traced: Traced): Promise<TryEnd> {
  if (!STEPS.hasSubscribers) return tryStep(port, current);
  const attempt = port.record.tries + 1;
  const trace = traceOf(STEPS, traced, { operation: current.step.name, attempt });
  return tracing(trace, tryStep.bind(null, port, current), (end) =>
    end.kind === "refused" ? codeOf(end.error) : "ok",
  );
}

/** A try failed: waits for the next one, or throws when the rules of the step allow none. */
async function failed(port: RunPort, rules: StepRules, error: unknown): Promise<void> {
  port.check();
  const tries = port.record.tries + 1;
  if (tries >= rules.attempts || isHoldfastError(error, "SUSPENSION_TIMEOUT")) throw error;
  port.failedTry(error);
  await pause(port, port.now() + backoffMs(rules, tries, () => port.random()));
}

/** The wait before the next try; its end is stored, so the run is due then. */
async function pause(port: RunPort, until: number): Promise<void> {
  await port.rest(until);
  port.check();
  const cancels: (() => void)[] = [];
  const over = new Promise<void>((resolve, reject) => {
    port.onLost(reject);
    cancels.push(port.alarm(until, resolve));
  });
  await over.finally(() => cancels.forEach((cancel) => cancel()));
  await port.rest(null);
}

async function suspend(
  port: RunPort,
  end: Exclude<TryEnd, { readonly kind: "done" }>,
): Promise<RunOutcome> {
  if (end.kind === "refused") {
    const { answering, answers, answered } = port.record;
    port.write({
      status: "suspended",
      suspension: answering,
      answering: null,
      answers: Object.freeze(answers.slice(0, -1)),
      answered: Object.freeze(answered.filter(({ id }) => id !== answering?.id)),
      error: null,
    });
    await port.flush();
    throw end.error;
  }
  const { reason, schema, timeoutMs, extra } = end.question;
  const time = timeoutMs === Infinity ? {} : { timeoutAt: port.now() + timeoutMs };
  const suspension = Object.freeze({ id: randomUUID(), reason, ...extra, ...time });
  noteSchema(suspension.id, schema);
  // The state is kept as it was when the step began: the step starts again from it.
  port.write({ status: "suspended", suspension, error: null, starts: 0 });
  await port.flush();
  return { status: "suspended", suspension };
}
