/** Reads cron expressions with `croner`, which is loaded for the first one. */
import { isError } from "../../../actors/realm.ts";
import type { Repetition } from "./plan.ts";

/**
 * The first time of a cron expression after `after`, in milliseconds since the epoch; `undefined`:
 * there is none. Rejects with `TypeError` for an expression or time zone that cannot be read.
 */
export async function nextTime(
  { cron = "", timeZone }: Repetition,
  after: number,
): Promise<number | undefined> {
  const { Cron } = await import("croner");
  try {
    const times = new Cron(cron, {
      paused: true,
      ...(timeZone !== undefined && { timezone: timeZone }),
    });
    return times.nextRun(new Date(after))?.getTime();
  } catch (cause) {
    const reason = isError(cause) ? cause.message : "it is no cron expression";
    const place = timeZone === undefined ? "" : ` in ${JSON.stringify(timeZone)}`;
    throw new TypeError(`cron ${JSON.stringify(cron)}${place} cannot be read: ${reason}`, {
      cause,
    });
  }
}
