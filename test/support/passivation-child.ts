/** Opens many scopes with few in memory, and prints what is left of them after collection. */
import { residentOf } from "../../src/runtime/handle.ts";
import { createRuntime } from "../../src/runtime/runtime.ts";
import { defineKind } from "../../src/runtime/kinds.ts";
import { memoryStore } from "../../src/stores/memory/store.ts";

const COUNT = 10_000;
const store = memoryStore();
const text = "x".repeat(2_000);
// A time to live as well, so that what waits for it does not keep scopes either.
const kinds = { note: defineKind({ ttlMs: 3_600_000 }) };
const runtime = createRuntime({ store, kinds, maxResidentScopes: 100 });

async function visit(id: number): Promise<WeakRef<object>> {
  const scope = await runtime.open("note", `n${id}`);
  await scope.patchState({ text: text + String(id), id });
  return new WeakRef(scope);
}

/** A collection takes weak references whose targets nothing reached since the last turn. */
async function collect(): Promise<void> {
  for (let round = 0; round < 10; round += 1) {
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
    globalThis.gc?.();
  }
}

const held = await runtime.open("note", "n0");
const references: WeakRef<object>[] = [];
for (let id = 0; id < COUNT; id += 100)
  references.push(...(await Promise.all(Array.from({ length: 100 }, (_, at) => visit(id + at)))));
await collect();
const alive = references.filter((reference) => reference.deref() !== undefined).length;
const again = await runtime.open("note", "n0");
let right = 0;
for (let id = 0; id < COUNT; id += 97) {
  const scope = await runtime.open("note", `n${id}`);
  if (scope.state["id"] === id && scope.version === 1) right += 1;
}
const resident = runtime.residentScopes;
console.log(
  JSON.stringify({ alive, right, resident, same: residentOf(again) === residentOf(held) }),
);
await runtime.close();
