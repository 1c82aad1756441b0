/** What a look at a store has found. */

/** One thing that was looked at. */
export interface Finding {
  readonly name: string;
  /** `warning`: it works, but acknowledged writes could be lost or late. `error`: damage. */
  readonly level: "ok" | "info" | "warning" | "error";
  readonly text: string;
}

/** A difference of clocks up to this many milliseconds counts as none. */
const SKEW_MS = 1_000;

/** The finding about a server's clock, which was asked between two times of the own one. */
export function clockFinding(serverMs: number, before: number, after: number): Finding {
  const late = Math.max(0, before - serverMs);
  const early = Math.max(0, serverMs - after);
  const skew = Math.round(early - late);
  const isClose = Math.abs(skew) <= SKEW_MS;
  const text = isClose ? "as the server's" : `the server's differs by ${skew} ms`;
  return { name: "clock", level: isClose ? "ok" : "warning", text };
}
