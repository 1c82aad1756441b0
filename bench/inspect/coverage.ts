/**
 * Counts calls of functions by V8's precise coverage, from when this module is imported on: import
 * it first. Functions that were compiled before are counted once more at each of their awaits.
 */
import { Session } from "node:inspector";

const session = new Session();
session.connect();
session.post("Profiler.enable");
// By blocks: without them V8 counts an async function again whenever it goes on after an await.
session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });

/**
 * Calls of functions since it was last asked, by the file below `folder` they are in; then all
 * counts begin at 0 again.
 */
export function takeCalls(folder: string): Record<string, number> {
  const start = `file://${folder}/`;
  const calls: Record<string, number> = {};
  // In its own process the session answers before `post` returns.
  session.post("Profiler.takePreciseCoverage", (error, coverage) => {
    if (error !== null) throw error;
    for (const { url, functions } of coverage.result) {
      if (!url.startsWith(start)) continue;
      const count = functions.reduce((sum, { ranges }) => sum + (ranges[0]?.count ?? 0), 0);
      if (count > 0) calls[url.slice(start.length)] = count;
    }
  });
  return calls;
}
