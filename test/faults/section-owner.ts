/**
 * A child process with exclusive sections: `kind place scopeType role times`.
 *
 *   count   after a line on stdin: `times` increments, by sections and by plain calls in turn; prints
 *           how many sections saw a change of another process while they ran
 *   keep    adds 1 in a section and prints `inside`; after a line on stdin adds 1 once more and
 *           prints `over` and how that ended
 *   last    adds 1 in a section, prints `inside`, waits for so many leases, adds 1 and prints `over`
 */
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { defineKind } from "../../src/runtime/kinds.ts";
import { createRuntime, type Runtime } from "../../src/runtime/runtime.ts";
import { openStore } from "./open-store.ts";

const [, , kind = "", place = "", type = "user", role = "count", times = "1"] = process.argv;
/** Short, but a busy machine must still renew it in time. */
const LEASE_MS = 2_500;

const runtime: Runtime = createRuntime({
  store: openStore(kind, place),
  exclusiveLeaseMs: LEASE_MS,
  kinds: { draft: defineKind({ durability: "checkpoint" }) },
});
const scope = await runtime.open<{ n?: number }>(type, "shared");
let disturbed = 0;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function addInSection(): Promise<void> {
  await scope.exclusive(async (held) => {
    const { version } = held;
    const { n = 0 } = held.state;
    await sleep(1);
    await held.refresh();
    if (held.version !== version) disturbed += 1;
    await held.setState({ n: n + 1 }); // It would overwrite what others have added.
  });
}

async function count(): Promise<void> {
  say("ready");
  await once(process.stdin, "data");
  for (let done = 0; done < Number(times); done += 1)
    await (done % 3 === 2 ? scope.incState({ n: 1 }) : addInSection());
  say(`disturbed ${disturbed}`);
}

async function keep(pause: () => Promise<unknown>): Promise<void> {
  await scope.exclusive(async (held, { signal }) => {
    await held.incState({ n: 1 });
    say("inside");
    await pause();
    const end = await held.incState({ n: 1 }).then(
      () => `stored ${held.state.n}`,
      (error: unknown) => String(Reflect.get(Object(error), "code")),
    );
    say(`over ${end}${signal.aborted ? " aborted" : ""}`);
  });
}

if (role === "count") await count();
else if (role === "keep") await keep(() => once(process.stdin, "data"));
else await keep(() => sleep(Number(times) * LEASE_MS));
process.stdin.destroy();
await runtime.close();
