/** A process whose subscribers of all tracing channels throw; prints what it still does. */
import { AsyncLocalStorage } from "node:async_hooks";
import { tracingChannel } from "node:diagnostics_channel";
import { createRuntime } from "../../src/runtime/runtime.ts";

function fail(): never {
  throw new Error("subscriber");
}

const errors: unknown[] = [];
const EVENTS = ["start", "end", "asyncStart", "asyncEnd", "error"] as const;
for (const name of ["mutation", "save", "load", "exclusive", "step", "run"]) {
  const channel = tracingChannel(`holdfast.${name}`);
  for (const event of EVENTS) channel[event].subscribe(fail);
  channel.start.bindStore(new AsyncLocalStorage<unknown>(), fail);
}
const logger = { warn: () => undefined, error: (message: string) => void errors.push(message) };
const runtime = createRuntime({ logger });
const scope = await runtime.open<{ n: number }>("user", "u", {});
await scope.incState({ n: 1 });
await scope.atomicState(async ({ n }) => ({ n: n + 1 }));
await scope.refresh();
await scope.exclusive(async (held) => held.incState({ n: 1 }));
const failed = await scope.atomicState(() => Promise.reject(new Error("no"))).catch(String);
await new Promise((resolve) => {
  setImmediate(resolve);
});
await runtime.close();
console.log(JSON.stringify({ state: scope.state, failed, errors: [...new Set(errors)] }));
