/**
 * A child process that writes without end and prints each answered write, once
 * told to begin: `kind dir keys`.
 */
import { once } from "node:events";
import { writeSync } from "node:fs";
import { historyAt, openStore, stateAt } from "./open-store.ts";

const [, , kind = "", dir = "", keys = "1"] = process.argv;
// The parent starts the next child while it checks what the last one left.
await once(process.stdin, "data");
const store = openStore(kind, dir);

async function writeForever(key: number): Promise<void> {
  const name = `k${key}`;
  const [record] = await store.load([name]);
  for (let version = record?.version ?? 0; ; version += 1) {
    const next = version + 1;
    const patches =
      version === 0
        ? []
        : ([
            { op: "replace", path: ["n"], value: next },
            { op: "replace", path: ["sum"], value: `${key}:${next}` },
          ] as const);
    const state = stateAt(key, next);
    const history = historyAt(store, next);
    const [result] = await store.commit([
      { key: name, expectedVersion: version, version: next, state, patches, history },
    ]);
    if (result?.ok !== true) throw new Error(`a conflict on ${name} with one writer`);
    // Synchronous: the line is in the pipe before the next write begins.
    writeSync(1, `${key} ${next}\n`);
  }
}

await Promise.all(Array.from({ length: Number(keys) }, (_, key) => writeForever(key)));
