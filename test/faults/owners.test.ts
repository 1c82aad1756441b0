/** Owners in one process: threads of it, and copies of the package (O1 of process-identity.ts). */
import { join } from "node:path";
import { tsImport } from "tsx/esm/api";
import { describe, expect, it } from "vitest";
import { defineSequencer, step, type Runtime } from "../../src/index.ts";
import { testDirectory } from "../support/directory.ts";
import { runtimeOn } from "../support/sequencer.ts";
import { nextMessage, startWorker } from "../support/worker.ts";
import type * as Copy from "./another-copy.ts";
import { openStore } from "./open-store.ts";
import { gate } from "../support/waiting.ts";

const root = testDirectory("owners");

/** The package once more: nothing is shared with the copy of the test, or with another call's. */
async function anotherCopy(): Promise<typeof Copy> {
  // What that file exports.
  return (await tsImport("./another-copy.ts", import.meta.url)) as typeof Copy;
}

describe("a run that executes", () => {
  it("in a thread is refused to another thread of the process", async () => {
    const task = ["sqlite", root];
    const first = startWorker("owner-worker.ts", task);
    expect(await nextMessage(first)).toBe("step");
    const second = startWorker("owner-worker.ts", task);
    expect(await nextMessage(second)).toBe("RUN_LEASED");
    first.postMessage("end", []);
    expect(await nextMessage(first)).toBe("completed");
    await Promise.all([first.terminate(), second.terminate()]);
  });

  it("in one copy of the package is refused to another copy in the process", async () => {
    const place = join(root, "copies");
    const copies = [await anotherCopy(), await anotherCopy()];
    const open = gate();
    let starts = 0;
    const work = (): Promise<void> => {
      starts += 1;
      return open.promise;
    };
    const sequence = defineSequencer({ name: "s", steps: [step("a", work)] });
    const one = runtimeOn(openStore("sqlite", place));
    const run = one.run(sequence, { runId: "r" });
    await expect.poll(() => starts).toBe(1);
    const others: Runtime[] = copies.map(({ library, stores }) =>
      library.createRuntime({ store: stores.openStore("sqlite", place) }),
    );
    for (const other of others) {
      const refused = { code: "RUN_LEASED" };
      await expect(other.resume(sequence, "r")).rejects.toMatchObject(refused);
    }
    open.open();
    await run.result;
    expect(starts).toBe(1);
    await Promise.all([one, ...others].map((runtime) => runtime.close()));
  });
});
