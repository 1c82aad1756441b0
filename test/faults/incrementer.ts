/** A child process that adds to a shared counter by compare-and-set: `dir times`. */
import { openStore } from "./open-store.ts";

const [, , dir = "", times = "1"] = process.argv;
const store = openStore("sqlite", dir);
for (let left = Number(times); left > 0;) {
  const [record] = await store.load(["counter"]);
  const version = record?.version ?? 0;
  const state = Number(record?.state ?? 0) + 1;
  const [result] = await store.commit([
    { key: "counter", expectedVersion: version, version: version + 1, state },
  ]);
  if (result?.ok === true) left -= 1;
}
await store.close();
