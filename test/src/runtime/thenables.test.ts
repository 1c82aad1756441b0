/** Code may return any object with a `then` method, as `await` takes it: such as a query. */
import { describe, expect, it, onTestFinished } from "vitest";
import { createRuntime, defineKind, defineSequencer, type Scope } from "../../../src/index.ts";
import { rejection } from "../../support/waiting.ts";

interface Bag {
  n: number;
}

type Settle = (resolve: (value: unknown) => void, reject: (error: unknown) => void) => void;

/**
 * No promise, though its type says so: its `then` returns nothing, and calls what it is given
 * without a look.
 */
function thenable(settle: Settle): Promise<never> {
  return Object.fromEntries(["then"].map((name) => [name, settle])) as unknown as Promise<never>;
}

const failure = new Error("the query failed");
const good: readonly Settle[] = [
  (resolve) => resolve(undefined),
  (resolve) => queueMicrotask(() => resolve(undefined)),
  (resolve, reject) => {
    resolve(undefined);
    resolve(5);
    reject(failure);
  },
  (resolve) => resolve(thenable((inner) => inner(undefined))),
];
const bad: readonly Settle[] = [
  (_, reject) => reject(failure),
  (_, reject) => queueMicrotask(() => reject(failure)),
  () => {
    throw failure;
  },
];

const WAYS: readonly (readonly [
  string,
  (scope: Scope<Bag>, settle: Settle) => Promise<unknown>,
])[] = [
  [
    "update",
    (scope, settle) =>
      scope.update((draft) => {
        draft.n += 1;
        return thenable(settle);
      }),
  ],
  [
    "transact",
    (scope, settle) =>
      scope.transact((draft) => {
        draft.n += 1;
        return thenable(settle);
      }),
  ],
  [
    "atomicState",
    (scope, settle) =>
      scope.atomicState(async ({ n }) => {
        await thenable(settle);
        return { n: n + 1 };
      }),
  ],
  [
    "a held call",
    (scope, settle) =>
      scope.exclusive((held) =>
        held.update((draft) => {
          draft.n += 1;
          return thenable(settle);
        }),
      ),
  ],
];

const timers = { remind: () => undefined };

describe.each([
  ["a kind", defineKind<Bag>({ initial: { n: 0 } })],
  ["a kind with timers", defineKind<Bag, "remind">({ initial: { n: 0 }, timers })],
])("thenables in code of %s", (_, kind) => {
  it.each(WAYS)("are awaited in %s", async (_name, change) => {
    const runtime = createRuntime({ kinds: { bag: kind } });
    onTestFinished(() => runtime.close());
    const scope: Scope<Bag> = await runtime.open("bag", "a");
    for (const settle of good) await change(scope, settle);
    expect(scope.state).toEqual({ n: good.length });
    for (const settle of bad) expect(await rejection(change(scope, settle))).toBe(failure);
    expect(scope.state).toEqual({ n: good.length });
  });
});

it("thenables that a step returns are awaited once", async () => {
  const runtime = createRuntime();
  onTestFinished(() => runtime.close());
  for (const [at, settle] of [...good, ...bad].entries()) {
    const query = defineSequencer({ name: `q${at}` }).step("ask", () => thenable(settle));
    const { result } = runtime.run(query);
    if (at < good.length) expect(await result).toMatchObject({ status: "completed" });
    else expect(await rejection(result)).toBe(failure);
  }
});
