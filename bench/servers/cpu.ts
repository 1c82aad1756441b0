/** Processor time of processes and of the machine, as Linux counts it; elsewhere unknown. */
import { readdirSync, readFileSync } from "node:fs";

/** What `/proc` counts in; the kernel reports hundredths to programs on every usual machine. */
const TICKS_PER_SECOND = 100;

/** The fields of `/proc/<pid>/stat` used here. */
interface Stat {
  readonly name: string;
  readonly parent: number;
  /** Its own time, in ticks. */
  readonly own: number;
  /** That of its children that have ended and were waited for. */
  readonly ended: number;
}

function statOf(pid: number): Stat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return undefined; // It has ended, or this is no Linux.
  }
  // The name stands in brackets and may itself hold any character.
  const end = text.lastIndexOf(")");
  const fields = text.slice(end + 2).split(" ");
  const at = (index: number): number => Number(fields[index]);
  return {
    name: text.slice(text.indexOf("(") + 1, end),
    parent: at(1),
    own: at(11) + at(12),
    ended: at(13) + at(14),
  };
}

/** Seconds one process has used; `undefined` when it is not a process `name` of this machine. */
export function processSeconds(pid: number, name: string): number | undefined {
  const stat = statOf(pid);
  return stat?.name.startsWith(name) === true ? stat.own / TICKS_PER_SECOND : undefined;
}

/** Seconds a process and all its children have used, those that have ended included. */
export function familySeconds(pid: number, name: string): number | undefined {
  const stat = statOf(pid);
  if (stat?.name.startsWith(name) !== true) return undefined;
  const children = readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .map((entry) => statOf(Number(entry)))
    .filter((child) => child?.parent === pid);
  const living = children.reduce((sum, child) => sum + (child?.own ?? 0), 0);
  return (stat.own + stat.ended + living) / TICKS_PER_SECOND;
}

/** Seconds all processors of the machine were busy, for whomever; `undefined` when unknown. */
export function machineSeconds(): number | undefined {
  try {
    const [line = ""] = readFileSync("/proc/stat", "utf8").split("\n");
    const [user = 0, nice = 0, system = 0, , , irq = 0, softIrq = 0, steal = 0] = line
      .split(/\s+/)
      .slice(1)
      .map(Number);
    return (user + nice + system + irq + softIrq + steal) / TICKS_PER_SECOND;
  } catch {
    return undefined;
  }
}
