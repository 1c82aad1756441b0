/**
 * A child process in which callers use two accounts once it is to begin: `kind place answers watch
 * seed first callers times`. `first` is the number of its first caller. It prints what they called
 * and when, by the clock that all processes of the machine share.
 */
import { once } from "node:events";
import { defineKind } from "../../src/runtime/kinds.ts";
import { createRuntime } from "../../src/runtime/runtime.ts";
import { callAccounts, openAccounts } from "../support/accounts.ts";
import { openStore } from "./open-store.ts";

const [, , kind = "", place = "", answers = "", watch = "", ...numbers] = process.argv;
const [seed = 1, first = 0, callers = 1, times = 1] = numbers.map(Number);
const store = openStore(kind, place);
const user = defineKind({ answers: answers === "local" ? answers : "verified" });
const runtime = createRuntime({ store, watch: watch === "true", kinds: { user } });
const opened = await openAccounts(runtime);
const joint = store.supports.transactions;

process.stdout.write("ready\n");
await once(process.stdin, "data");
process.stdin.destroy();
const called = await Promise.all(
  Array.from({ length: callers }, (_, at) =>
    callAccounts({ opened, index: first + at, seed, times, joint }),
  ),
);
await runtime.close();
process.stdout.write(`${JSON.stringify(called.flat())}\n`);
