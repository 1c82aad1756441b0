/** A store that fails the first time: what asks again finds no trace of it. */
import { createRuntime, defineKind, defineSequencer, memoryStore, step } from "holdfast";
import { faultyStore, type FaultCall } from "holdfast/testing";
import { describe, expect, it } from "vitest";
import type { Runtime } from "../../../src/runtime/runtime.ts";

const logger = { warn: () => undefined, error: () => undefined };

const kinds = { draft: defineKind({ durability: "checkpoint" }) };

/** A runtime on a store whose first call of each kind fails. */
function create(operations: readonly FaultCall["operation"][]): Runtime {
  const store = faultyStore(memoryStore(), {
    choose: ({ number, operation }) =>
      number === 1 && operations.includes(operation) ? "fail" : undefined,
  });
  return createRuntime({ store, logger, kinds });
}

const counting = defineSequencer({ name: "count", steps: [step("one", () => 1)] });

const works: readonly (readonly [string, (runtime: Runtime) => Promise<unknown>])[] = [
  ["open", (runtime) => runtime.open("user", "u")],
  ["open of a bound session", (runtime) => runtime.open("session", "s", { userId: "u" })],
  [
    "several opens of one key",
    (runtime) => Promise.all([1, 2, 3].map(() => runtime.open("user", "u"))),
  ],
  [
    "execute",
    (runtime) => runtime.execute({ userId: "u" }, ({ user }) => user.patchState({ n: 1 })),
  ],
  ["a mutation", async (runtime) => (await runtime.open("user", "u")).patchState({ n: 1 })],
  [
    "flush",
    async (runtime) => {
      const scope = await runtime.open("draft", "s");
      await scope.patchState({ n: Math.random() });
      await scope.flush();
    },
  ],
  [
    "a transaction",
    async (runtime) => {
      const scopes = [await runtime.open("user", "a"), await runtime.open("user", "b")] as const;
      await runtime.transaction(
        scopes,
        (a, b) => void Object.assign(a, { n: 1 }, Object.assign(b, {})),
      );
    },
  ],
  ["a run", (runtime) => runtime.run(counting, { runId: "r" }).result],
  ["checkpoints", (runtime) => runtime.checkpoints("r")],
];

describe.each(works)("%s", (_name, work) => {
  it.each([["load"], ["commit"]] as const)("succeeds after a %s that failed", async (operation) => {
    await using runtime = create([operation]);
    await work(runtime).catch((error: unknown) =>
      expect(error).toMatchObject({ code: "STORE_UNAVAILABLE" }),
    );
    await work(runtime);
    await work(runtime);
  });
});
