/**
 * A child process that adds to one counter of a checkpoint kind once it is to begin: `kind place
 * times flushEvery`. It prints how many calls were answered, and after each flush how many of them
 * are stored for certain.
 */
import { once } from "node:events";
import { defineKind } from "../../src/runtime/kinds.ts";
import { createRuntime } from "../../src/runtime/runtime.ts";
import { openStore } from "./open-store.ts";

const [, , kind = "", place = "", times = "1", flushEvery = "Infinity"] = process.argv;
const runtime = createRuntime({
  store: openStore(kind, place),
  kinds: { draft: defineKind({ durability: "checkpoint" }) },
});
const scope = await runtime.open<{ n?: number }>("draft", "counter");
let answered = 0;

process.stdout.write("ready\n");
await once(process.stdin, "data");
process.stdin.destroy();
for (let done = 1; done <= Number(times); done += 1) {
  if (await scope.incState({ n: 1 })) answered += 1;
  // So that the writes of the processes come between each other's changes.
  if (done % 5 === 0) await new Promise((resolve) => void setImmediate(resolve));
  if (done % Number(flushEvery) !== 0) continue;
  await scope.flush();
  process.stdout.write(`${JSON.stringify({ answered, stored: answered })}\n`);
}
await runtime.close();
process.stdout.write(`${JSON.stringify({ answered, stored: answered })}\n`);
