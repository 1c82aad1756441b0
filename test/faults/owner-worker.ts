/**
 * A thread that executes the run `o1` on a store of a kind at a place. It says when its step
 * begins, and how the run ended; the step ends at the first message.
 */
import { once } from "node:events";
import { parentPort, workerData } from "node:worker_threads";
import { createRuntime, defineSequencer, isHoldfastError, step } from "../../src/index.ts";
import { openStore } from "./open-store.ts";

// The tests give two texts.
const [kind, place] = workerData as readonly [string, string];
const port = parentPort;
if (port === null) throw new Error("this script is a thread's");

const sequence = defineSequencer({
  name: "owned",
  steps: [
    step("a", async () => {
      port.postMessage("step");
      await once(port, "message");
    }),
  ],
});

const runtime = createRuntime({ store: openStore(kind, place) });
try {
  const outcome = await runtime.run(sequence, { runId: "o1" }).result;
  port.postMessage(outcome.status);
} catch (error) {
  port.postMessage(isHoldfastError(error) ? error.code : String(error));
}
await runtime.close();
