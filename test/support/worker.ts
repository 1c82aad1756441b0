/** Worker threads that run the library's sources. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";

/** Starts `test/faults/<script>` in a thread of this process, with `data` as its `workerData`. */
export function startWorker(script: string, data: unknown): Worker {
  const url = new URL(`../faults/${script}`, import.meta.url).href;
  // A thread does not share the loader of the one that starts it.
  const code = `
    const { register } = await import("tsx/esm/api");
    register();
    await import(${JSON.stringify(url)});
  `;
  return new Worker(`(async () => {${code}})()`, { eval: true, workerData: data });
}

/** The next message of a worker; rejects with what ended it. */
export async function nextMessage(worker: Worker): Promise<unknown> {
  // Of the arguments of an event, a message has one.
  const [message] = (await once(worker, "message")) as unknown[];
  return message;
}
