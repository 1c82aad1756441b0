/**
 * A thread that holds a store directory. It says the outcome of a write when it has opened the
 * store and at each message; the message "freeze" stops the whole thread until `pause` is set.
 */
import { parentPort, workerData, type MessagePort } from "node:worker_threads";
import { isHoldfastError } from "../../src/index.ts";
import { timedFileStore } from "../../src/stores/file/store.ts";
import type { LockTiming } from "../../src/stores/file/lock.ts";

/** What the thread is given. */
export interface LockTask {
  readonly dir: string;
  readonly timing: LockTiming;
  readonly pause: Int32Array;
}

// The tests give a task.
const { dir, timing, pause } = workerData as LockTask;
const port = threadPort();
const store = timedFileStore({ dir }, timing);
let version = 0;

function threadPort(): MessagePort {
  if (parentPort === null) throw new Error("this script is a thread's");
  return parentPort;
}

async function write(): Promise<void> {
  const next = { key: "k", expectedVersion: version, version: version + 1, state: "thread" };
  try {
    const [result] = await store.commit([next]);
    if (result?.ok === true) version += 1;
    port.postMessage(result?.ok === true ? "stored" : "conflict");
  } catch (error) {
    port.postMessage(isHoldfastError(error) ? error.code : String(error));
  }
}

port.on("message", (message) => {
  if (message === "freeze") {
    // Before it stands still: the test waits for this.
    port.postMessage("frozen");
    Atomics.wait(pause, 0, 0);
  }
  void write();
});
await write();
