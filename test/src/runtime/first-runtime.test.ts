/** What the first runtime of a process does, and what it leaves to the first that needs it. */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { expect, it, onTestFinished, vi } from "vitest";
import { createRuntime } from "../../../src/runtime/runtime.ts";
import { thisProcess } from "../../../src/stores/shared/process-identity.ts";

it("opens no file of the system before a run or a lock needs to name its owner", async () => {
  const reads = [vi.spyOn(fs, "readFileSync"), vi.spyOn(fs, "readlinkSync")];
  syncBuiltinESMExports();
  onTestFinished(() => {
    for (const read of reads) read.mockRestore();
    syncBuiltinESMExports();
  });
  const count = (): number => reads.reduce((sum, { mock }) => sum + mock.calls.length, 0);
  const runtime = createRuntime();
  const scope = await runtime.open<{ n?: number }>("session", "s", { userId: "u" });
  await scope.patchState({ n: 1 });
  expect(count()).toBe(0);
  thisProcess();
  expect(count()).toBeGreaterThan(0); // The spies see it.
  await runtime.close();
});
