/** Worker threads that run the library's sources. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { programOf } from "./programs.ts";

/** Starts `test/faults/<script>` in a thread of this process, with `data` as its `workerData`. */
export function startWorker(script: string, data: unknown): Worker {
  return new Worker(programOf(`test/faults/${script}`), { workerData: data });
}

/** The next message of a worker; rejects with what ended it. */
export async function nextMessage(worker: Worker): Promise<unknown> {
  // Of the arguments of an event, a message has one.
  const [message] = (await once(worker, "message")) as unknown[];
  return message;
}
