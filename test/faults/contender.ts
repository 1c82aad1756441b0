/**
 * A child process that adds to one counter through a runtime, once told to begin: `kind place times
 * how escalate`. `how` is `burst` (all calls at once) or `sequence` (each after the answer to the
 * one before). It prints how many calls were answered and the codes of those that failed.
 */
import { once } from "node:events";
import { createRuntime } from "../../src/runtime/runtime.ts";
import { openStore } from "./open-store.ts";

const [, , kind = "", place = "", times = "1", how = "burst", escalate = "true"] = process.argv;
const runtime = createRuntime({
  store: openStore(kind, place),
  cas: { escalate: escalate === "true" },
});
const scope = await runtime.open<{ n?: number }>("user", "counter");
const codes: Record<string, number> = {};
let answered = 0;

async function add(): Promise<void> {
  try {
    await scope.atomicState((state) => ({ n: (state.n ?? 0) + 1 }));
    answered += 1;
  } catch (error) {
    const code = String(Reflect.get(Object(error), "code") ?? error);
    codes[code] = (codes[code] ?? 0) + 1;
  }
}

process.stdout.write("ready\n");
await once(process.stdin, "data");
process.stdin.destroy();
if (how === "burst") await Promise.all(Array.from({ length: Number(times) }, add));
else for (let done = 0; done < Number(times); done += 1) await add();
await runtime.close();
process.stdout.write(`${JSON.stringify({ answered, codes })}\n`);
