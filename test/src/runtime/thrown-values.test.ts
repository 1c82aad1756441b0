/** User code may throw, or abort with, any value, also one that throws when it is looked at. */
import { describe, expect, it, onTestFinished } from "vitest";
import {
  createRuntime,
  createScope,
  defineKind,
  isHoldfastError,
  type Scope,
} from "../../../src/index.ts";

interface Bag {
  n: number;
  inner: object;
}

const initial: Bag = { n: 0, inner: {} };

function refuse(): never {
  throw new Error("not to be looked at");
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

const VALUES: readonly (readonly [string, () => unknown])[] = [
  ["a revoked proxy", revoked],
  ["a proxy that refuses", () => new Proxy({}, { get: refuse, getPrototypeOf: refuse })],
  ["an error that refuses", () => new Proxy(new Error("mine"), { get: refuse, has: refuse })],
  [
    "an error whose code refuses",
    () => Object.defineProperty(new Error(), "code", { get: refuse }),
  ],
  ["undefined", () => undefined],
  ["a symbol", () => Symbol("mine")],
];

function open(kind: string): Promise<Scope<Bag>> | Scope<Bag> {
  if (kind === "alone") return createScope<Bag>({ initial });
  if (kind === "with a bridge")
    return createScope<Bag>({
      initial,
      persist: { save: (_next, _expected, { version }) => Promise.resolve({ ok: true, version }) },
    });
  const durability = kind as "commit" | "checkpoint" | "volatile";
  const runtime = createRuntime({ kinds: { bag: defineKind<Bag>({ initial, durability }) } });
  onTestFinished(() => runtime.close());
  return runtime.open("bag", "a");
}

/** Calls that fail with a value. */
const FAILURES: readonly (readonly [
  string,
  (scope: Scope<Bag>, value: unknown) => Promise<unknown>,
])[] = [
  ["throws it", (scope, value) => scope.update(() => thrown(value))],
  ["rejects with it", (scope, value) => scope.atomicState(() => Promise.reject(value))],
  ["throws it in a section", (scope, value) => scope.exclusive(() => thrown(value))],
  [
    "throws it in a held call",
    (scope, value) => scope.exclusive((held) => held.transact(() => thrown(value))),
  ],
  [
    "aborts with it",
    (scope, value) => {
      const controller = new AbortController();
      const { signal } = controller;
      const never = new Promise<never>(() => undefined);
      const running = scope.update(() => never, { signal });
      controller.abort(value);
      return value === undefined ? running.catch(() => Promise.reject(value)) : running;
    },
  ],
];

function thrown(value: unknown): never {
  throw value;
}

describe.each(["alone", "with a bridge", "volatile", "commit", "checkpoint"])(
  "a scope %s",
  (kind) => {
    it.each(FAILURES)("goes on when code %s", async (_, fail) => {
      for (const [name, make] of VALUES) {
        const scope = await open(kind);
        const value = make();
        const [end] = await Promise.allSettled([fail(scope, value)]);
        expect(end.status === "rejected" && end.reason === value, name).toBe(true);
        expect(await scope.incState({ n: 1 }), name).toBe(true);
        expect(scope.state.n).toBe(1);
      }
    });

    it("goes on when code throws a part of its draft", async () => {
      const scope = await open(kind);
      await Promise.allSettled([scope.update((draft) => thrown(draft.inner))]);
      expect(await scope.incState({ n: 1 })).toBe(true);
    });
  },
);

it("isHoldfastError is false for them", () => {
  for (const [, make] of VALUES) expect(isHoldfastError(make(), "SCOPE_STOPPED")).toBe(false);
});
