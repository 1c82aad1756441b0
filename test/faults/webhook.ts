/**
 * A child process that handles deliveries of a webhook, each with its own key, until it is killed:
 * `kind place first`. It prints the number of each delivery that was answered.
 */
import { once } from "node:events";
import { writeSync } from "node:fs";
import { createRuntime } from "../../src/runtime/runtime.ts";
import { openStore } from "./open-store.ts";

const [, , kind = "", place = "", first = "0"] = process.argv;
await once(process.stdin, "data");
const runtime = createRuntime({ store: openStore(kind, place) });
const account = await runtime.open<{ sum?: number; seen?: number[] }>("user", "account");

for (let delivery = Number(first); ; delivery += 1) {
  const sum = await account.transact(
    (draft) => {
      draft.sum = (draft.sum ?? 0) + 1;
      (draft.seen ??= []).push(delivery);
      return draft.sum;
    },
    { once: `delivery-${delivery}` },
  );
  writeSync(1, `${delivery} ${sum}\n`);
}
