/** The steps of a run as bars: by its tries where these were seen, else by the record. */
import type { AnySequencer } from "../../runtime/sequencer/define.ts";
import type { StoredRun } from "../../runtime/sequencer/run-record.ts";
import type { Bar } from "./wire.ts";

/** The bars of a run in the order of its steps, those to come included as far as they are known. */
export function barsOf(
  record: StoredRun,
  seen: readonly Bar[],
  sequencer: AnySequencer | undefined,
): readonly Bar[] {
  const { steps, stepIndex, createdAt, ends, outputs } = record;
  const first = outputs.length - ends.length; // Of earlier ones the ends were not stored.
  const endOf = (index: number): number | null => {
    const end = ends[index - first];
    return end === undefined ? null : createdAt + end;
  };
  const reached = steps.slice(0, stepIndex + 1).flatMap((step, index): readonly Bar[] => {
    const isDone = index < stepIndex;
    const tries = seen.filter((bar) => bar.step === step);
    // A record of a run that has another process now: what was seen here is a part of it.
    const last = tries.at(-1);
    if (last !== undefined)
      return tries.map((bar) => (isDone || bar !== last ? bar : presentBar(bar, record)));
    const from = index === 0 ? createdAt : endOf(index - 1);
    const whole = { step, from, attempt: 1 };
    if (isDone) return [{ ...whole, to: endOf(index), status: "done" }];
    return [{ ...whole, to: restOf(record), status: statusOf(record) }];
  });
  const known = sequencer?.steps.slice(stepIndex + 1) ?? [];
  const isLast = record.status === "completed";
  const pending = isLast ? [] : known.map(({ name }) => pendingBar(name));
  return [...reached, ...pending];
}

/** The last try of the present step; between two tries the run executes and the bar has ended. */
function presentBar(bar: Bar, record: StoredRun): Bar {
  if (record.status === "running" && bar.to !== null) return bar;
  return { ...bar, to: bar.to ?? restOf(record), status: statusOf(record) };
}

/** When the present step came to rest; `null` while it runs. */
function restOf({ status, updatedAt }: StoredRun): number | null {
  return status === "running" ? null : updatedAt;
}

function statusOf({ status }: StoredRun): Bar["status"] {
  return status === "completed" ? "done" : status;
}

function pendingBar(step: string): Bar {
  return { step, from: null, to: null, status: "pending", attempt: 1 };
}
