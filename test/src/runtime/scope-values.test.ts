/** What goes into a scope and what comes out: values, types, no-ops, schema, size. */
import { describe, expect, it } from "vitest";
import * as z from "zod";
import type { MutationOptions } from "../../../actors/protocol.ts";
import type { StateSchema } from "../../../actors/scope/validation.ts";
import { createScope, type Scope } from "../../../src/runtime/scope.ts";
import { isDeepFrozen } from "../../support/frozen.ts";
import { tableBridge } from "../../support/table-bridge.ts";
import { rejection, settled } from "../../support/waiting.ts";

type Bag = Record<string, unknown>;

class Odd {
  readonly n = 1;
}

/** The operations as untyped callers see them. */
interface Loose {
  readonly state: Bag;
  readonly version: number;
  patchState(first: unknown, second?: unknown, options?: MutationOptions): Promise<boolean>;
  setState(next: unknown): Promise<boolean>;
  incState(increments: unknown): Promise<boolean>;
  pushState(field: unknown, value: unknown): Promise<boolean>;
  setStateRecord(field: unknown, key: unknown, value: unknown): Promise<boolean>;
  deleteStateRecord(field: unknown, key: unknown): Promise<boolean>;
  atomicState(mutator: unknown): Promise<boolean>;
}

function open(initial: Bag): Loose {
  const scope: unknown = createScope<Bag>({ initial });
  return scope as Loose; // The tests call it as JavaScript does.
}

describe("no-ops (semantics 5)", () => {
  const date = new Date(5);
  const cases: [string, Bag, (scope: Loose) => Promise<boolean>, boolean][] = [
    ["NaN = NaN", { v: Number.NaN }, (s) => s.patchState({ v: Number.NaN }), false],
    ["+0 ≠ -0", { v: 0 }, (s) => s.patchState({ v: -0 }), true],
    ["key order", { v: { a: 1, b: 2 } }, (s) => s.patchState({ v: { b: 2, a: 1 } }), false],
    ["missing ≠ undefined", {}, (s) => s.patchState({ v: undefined }), true],
    ["Date by time", { v: date }, (s) => s.patchState({ v: new Date(5) }), false],
    ["an empty patch", { v: 1 }, (s) => s.patchState({}), false],
    ["a patch of nothing", { v: 1 }, (s) => s.patchState(undefined), false],
    ["a patch of null", { v: 1 }, (s) => s.patchState(null), false],
    ["a key without an updater", { v: 1 }, (s) => s.patchState("v"), false],
    ["an updater of identity", { v: { a: 1 } }, (s) => s.patchState("v", (v: unknown) => v), false],
    ["inc by 0", { v: 1 }, (s) => s.incState({ v: 0 }), false],
    ["inc of a missing field by 0", {}, (s) => s.incState({ v: 0 }), true],
    ["inc of nothing", { v: 1 }, (s) => s.incState({}), false],
    ["an equal state", { v: [1] }, (s) => s.setState({ v: [1] }), false],
    ["an equal key", { v: { k: [1] } }, (s) => s.setStateRecord("v", "k", [1]), false],
    ["a new key of undefined", { v: {} }, (s) => s.setStateRecord("v", "k", undefined), true],
    ["a missing key", { v: {} }, (s) => s.deleteStateRecord("v", "k"), false],
    ["a missing record", {}, (s) => s.deleteStateRecord("v", "k"), false],
    ["a mutator of nothing", { v: 1 }, (s) => s.atomicState(() => undefined), false],
    ["a mutator of null", { v: 1 }, (s) => s.atomicState(() => null), false],
  ];
  for (const [name, initial, act, changed] of cases)
    it(`${name}: ${changed}`, async () => {
      const scope = open(initial);
      expect(await act(scope)).toBe(changed);
      expect(scope.version).toBe(changed ? 1 : 0);
    });
});

describe("types (semantics 10 and 14)", () => {
  const cases: [string, Bag, (scope: Loose) => Promise<boolean>, string][] = [
    ["inc of text", { v: "1" }, (s) => s.incState({ v: 1 }), "v"],
    ["inc of null is missing, inc of an array is not", { v: [] }, (s) => s.incState({ v: 1 }), "v"],
    ["inc by text", { v: 1 }, (s) => s.incState({ v: "1" }), "v"],
    ["inc by undefined", { v: 1 }, (s) => s.incState({ v: undefined }), "v"],
    [
      "several incs of which one is wrong",
      { a: 1, v: "x" },
      (s) => s.incState({ a: 1, v: 1 }),
      "v",
    ],
    ["push to text", { v: "x" }, (s) => s.pushState("v", 1), "v"],
    ["push to a record", { v: {} }, (s) => s.pushState("v", 1), "v"],
    ["push to a field that is no name", {}, (s) => s.pushState(5, 1), "field"],
    ["a key of an array", { v: [] }, (s) => s.setStateRecord("v", "k", 1), "v"],
    ["a key of null", { v: null }, (s) => s.setStateRecord("v", "k", 1), "v"],
    ["a key that is none", { v: {} }, (s) => s.setStateRecord("v", 5, 1), "v key"],
    ["removing a key of text", { v: "x" }, (s) => s.deleteStateRecord("v", "k"), "v"],
    ["a patch that is an array", {}, (s) => s.patchState([1]), ""],
    ["a patch that is a number", {}, (s) => s.patchState(5), ""],
    ["a patch of a class", {}, (s) => s.patchState(new Odd()), ""],
    ["an updater that is none", {}, (s) => s.patchState("v", 5), "v"],
    ["a state of nothing", {}, (s) => s.setState(undefined), ""],
    ["a state that is a map", {}, (s) => s.setState(new Map()), ""],
    ["a mutator that is none", {}, (s) => s.atomicState({ v: 1 }), ""],
    ["a mutator that returns text", {}, (s) => s.atomicState(() => "v"), ""],
  ];
  for (const [name, initial, act, path] of cases)
    it(`STATE_TYPE for ${name}`, async () => {
      const scope = open(initial);
      const before = scope.state;
      const error = await rejection(act(scope));
      expect(error).toMatchObject({ code: "STATE_TYPE", path, scope: { type: "scope" } });
      expect(error).toHaveProperty("expected");
      expect(error).toHaveProperty("received");
      expect([scope.state, scope.version]).toEqual([before, 0]);
    });

  it("missing starts at 0, [value] and {}; a field of undefined counts as missing", async () => {
    for (const initial of [{}, { n: undefined, l: undefined, m: undefined }]) {
      const scope = open(initial);
      await scope.incState({ n: 2 });
      await scope.pushState("l", "x");
      await scope.setStateRecord("m", "k", 1);
      expect(scope.state).toEqual({ n: 2, l: ["x"], m: { k: 1 } });
    }
  });
});

describe("values (semantics 9)", () => {
  const good: [string, unknown][] = [
    ["JSON", { a: [1, "x", null, true, { b: [] }] }],
    ["undefined", { a: undefined, b: [undefined] }],
    ["numbers", [Number.NaN, -0, 0, Infinity, -Infinity]],
    ["dates", [new Date(0), new Date(Number.NaN)]],
    ["bigint", 2n ** 70n],
    ["maps and sets", new Map<unknown, unknown>([["k", new Set([1, { a: 1 }])]])],
    ["bytes", new Uint8Array([1, 2])],
  ];
  for (const [name, value] of good)
    it(`keeps ${name}, copied in and frozen`, async () => {
      const scope = open({});
      const copy = structuredClone(value);
      await scope.patchState({ v: value });
      await scope.pushState("l", value);
      await scope.setStateRecord("m", "k", value);
      await scope.patchState("u", () => value);
      await scope.atomicState(() => ({ a: value }));
      expect(scope.state).toEqual({ v: copy, l: [copy], m: { k: copy }, u: copy, a: copy });
      expect(isDeepFrozen(scope.state)).toBe(true);
      if (typeof value === "object") expect(scope.state["v"]).not.toBe(value);
    });

  const cycle: Bag = {};
  cycle["self"] = cycle;
  const deep = (levels: number): unknown => (levels === 0 ? 1 : { d: deep(levels - 1) });
  const bad: [string, unknown, string][] = [
    ["a function", { f: () => 1 }, "v.f"],
    ["a symbol", [Symbol("s")], "v[0]"],
    ["a class", new Odd(), "v"],
    ["a promise", { p: Promise.resolve() }, "v.p"],
    ["a cycle", cycle, "v.self"],
    ["65 levels", deep(64), `v${".d".repeat(63)}`],
  ];
  for (const [name, value, path] of bad)
    it(`refuses ${name} with its path, before any change`, async () => {
      const scope = open({ n: 1 });
      const calls = [
        scope.patchState({ n: 2, v: value }),
        scope.setState({ v: value }),
        scope.atomicState(() => ({ n: 2, v: value })),
        scope.patchState("v", () => value),
      ];
      for (const error of await Promise.all(calls.map((each) => rejection(each))))
        expect(error).toMatchObject({ code: "STATE_NOT_SERIALIZABLE", path });
      expect([scope.state, scope.version]).toEqual([{ n: 1 }, 0]);
    });

  it("copies arguments when the call is made, also when the call waits", async () => {
    const scope = createScope<Bag>({ initial: {}, persist: tableBridge<Bag>() });
    const loose = scope as unknown as Loose; // As above.
    const value = { a: [1] };
    const meta = { who: "x" };
    const increments = { n: 1 };
    const events: unknown[] = [];
    scope.subscribe((change) => void events.push(change.meta));
    const calls = [
      loose.patchState({ v: value }, { meta }),
      loose.pushState("l", value),
      loose.setStateRecord("m", "k", value),
      loose.incState(increments),
    ];
    value.a.push(2);
    meta.who = "y";
    increments.n = 100;
    await Promise.all(calls);
    expect(scope.state).toEqual({ v: { a: [1] }, l: [{ a: [1] }], m: { k: { a: [1] } }, n: 1 });
    expect(events[0]).toEqual({ who: "x" });
  });

  it("never changes a state that was handed out, and shares nothing with what is returned", async () => {
    const scope = open({ l: [1], m: { a: 1 } });
    const states: [Bag, string][] = [];
    const keep = (): void => void states.push([scope.state, JSON.stringify(scope.state)]);
    keep();
    const mine = { x: [1] };
    for (let turn = 0; turn < 5; turn++) {
      void scope.pushState("l", turn);
      void scope.setStateRecord("m", `k${turn}`, turn);
      if (turn % 2 === 0) keep();
      void scope.atomicState(() => ({ mine }));
      void scope.deleteStateRecord("m", `k${turn - 1}`);
      mine.x.push(turn);
      keep();
    }
    for (const [state, text] of states) expect(JSON.stringify(state)).toBe(text);
    expect(scope.state["mine"]).not.toBe(mine);
  });

  it("throws when a mutator changes what it was given (semantics 8)", async () => {
    const scope = open({ l: [1], m: new Map([["k", 1]]), s: new Set([1]) });
    const calls = [
      scope.atomicState((state: Bag) => void (state["l"] as number[]).push(2)),
      scope.atomicState((state: Bag) => void (state["m"] as Map<string, number>).set("x", 1)),
      scope.atomicState((state: Bag) => (state["s"] as Set<number>).clear()),
      scope.patchState("l", (l: number[]) => l.fill(0)),
    ];
    for (const error of await Promise.all(calls.map((each) => rejection(each))))
      expect(error).toBeInstanceOf(TypeError);
    expect([scope.state["l"], scope.version]).toEqual([[1], 0]);
  });

  for (const key of ["__proto__", "constructor", "toString", "hasOwnProperty"])
    it(`takes ${key} for an ordinary own key in every operation`, async () => {
      const scope = open({});
      const own = (bag: unknown): unknown => Object.getOwnPropertyDescriptor(bag ?? {}, key)?.value;
      await scope.incState({ [key]: 1 });
      expect(own(scope.state)).toBe(1);
      await scope.patchState({ [key]: 2 });
      await scope.patchState(key, (n: number) => n + 1);
      await scope.atomicState((state: Bag) => ({ [key]: Number(own(state)) + 1 }));
      expect(own(scope.state)).toBe(4);
      await scope.setStateRecord("m", key, { x: 1 });
      expect(own(scope.state["m"])).toEqual({ x: 1 });
      expect(await scope.deleteStateRecord("m", key)).toBe(true);
      expect(scope.state["m"]).toEqual({});
      await scope.setState({});
      await scope.pushState(key, 1);
      expect(own(scope.state)).toEqual([1]);
      await scope.setState({});
      expect(await scope.deleteStateRecord(key, key)).toBe(false);
      await scope.setStateRecord(key, key, 1);
      expect(own(own(scope.state))).toBe(1);
      expect(Object.getPrototypeOf(scope.state)).toBe(Object.prototype);
      expect(Object.hasOwn(Object.prototype, "x")).toBe(false);
    });

  it("keeps the identity it was given without holding on to the caller's object", () => {
    const identity = { type: "t", id: "a" };
    const scope = createScope({ initial: {}, identity });
    expect(Object.isFrozen(identity)).toBe(false);
    identity.id = "b";
    expect(scope.identity).toEqual({ type: "t", id: "a" });
  });

  it("refuses NaN in every numeric option", () => {
    const options = [
      "version",
      "mutationTimeoutMs",
      "mailboxLimit",
      "maxStateSizeBytes",
      "hardLimitBytes",
    ];
    for (const name of options)
      expect(() => createScope({ initial: {}, [name]: Number.NaN }), name).toThrow(RangeError);
    for (const name of ["maxRetries", "baseDelayMs", "maxDelayMs"])
      expect(() => createScope({ initial: {}, cas: { [name]: Number.NaN } })).toThrow(RangeError);
  });
});

describe("a schema (semantics 11 and 14)", () => {
  const schema = z.object({
    n: z.number().max(10).default(1),
    o: z.object({ a: z.number().default(2), b: z.string().optional() }).default({ a: 2 }),
    l: z.array(z.object({ x: z.number().default(3) })).default([]),
  });
  type State = z.output<typeof schema>;
  // A scope may be opened without the fields that have defaults.
  const typed = (initial: Bag): Scope<State> =>
    createScope<State>({ initial: initial as never, schema });

  it("fills missing fields at creation, also nested, and strips nothing", () => {
    const scope = typed({ o: {}, l: [{}, { x: 9 }], extra: true });
    expect(scope.state).toEqual({ n: 1, o: { a: 2 }, l: [{ x: 3 }, { x: 9 }], extra: true });
    expect(isDeepFrozen(scope.state)).toBe(true);
  });

  it("restores dropped fields, and dropping one that had its default changes nothing", async () => {
    const scope = typed({ n: 5 });
    expect(await scope.setState({ o: { a: 2 }, l: [] } as never)).toBe(true);
    expect(scope.state.n).toBe(1);
    expect(await scope.setState({ o: { a: 2 }, l: [] } as never)).toBe(false);
    expect(scope.version).toBe(1);
  });

  it("refuses a write whose result does not fit, with the issues and no trace", async () => {
    const scope = typed({});
    const error = await rejection(scope.incState({ n: 100 }));
    expect(error).toMatchObject({ code: "STATE_INVALID", scope: scope.identity });
    expect(error).toHaveProperty("issues.0.path", ["n"]);
    expect([scope.state.n, scope.version]).toEqual([1, 0]);
    expect(await scope.incState({ n: 1 })).toBe(true);
  });

  it("refuses a bad initial state and an asynchronous schema at creation", () => {
    expect(() => typed({ n: "x" })).toThrow(expect.objectContaining({ code: "STATE_INVALID" }));
    const slow = z.object({}).refine(() => Promise.resolve(true));
    expect(() => createScope({ initial: {}, schema: slow })).toThrow();
    // Not a promise, but no answer either.
    const answer = Object.fromEntries(["then"].map((name) => [name, () => undefined]));
    const thenable: StateSchema = {
      "~standard": { version: 1, vendor: "t", validate: () => answer as never },
    };
    expect(() => createScope({ initial: {}, schema: thenable })).toThrow(TypeError);
  });

  it("fills and checks what the store holds", async () => {
    const bridge = tableBridge<State>();
    const scope = createScope<State>({
      initial: { n: 1, o: { a: 2 }, l: [] },
      schema,
      persist: bridge,
      cas: { baseDelayMs: 0 },
    });
    bridge.write({ l: [{ x: 1 }] } as never);
    await scope.incState({ n: 1 });
    expect(scope.state).toEqual({ n: 2, o: { a: 2 }, l: [{ x: 1 }] });
    bridge.write({ n: "broken" } as never);
    expect(await rejection(scope.incState({ n: 1 }))).toMatchObject({ code: "STATE_INVALID" });
    expect(scope.state.n).toBe(2);
  });
});

describe("size (semantics 12)", () => {
  const text = (bytes: number): string => "x".repeat(bytes - '{"v":""}'.length);

  it("warns over maxStateSizeBytes of the new state, strictly, and the write succeeds", async () => {
    const warnings: unknown[] = [];
    const scope = createScope<Bag>({
      initial: {},
      onStateSizeWarning: (warning) => void warnings.push(warning),
    });
    await scope.setState({ v: text(10_240) });
    expect(warnings).toEqual([]);
    expect(await scope.setState({ v: text(10_241) })).toBe(true);
    expect(warnings).toEqual([
      { scope: scope.identity, sizeBytes: 10_241, maxStateSizeBytes: 10_240 },
    ]);
  });

  it("warns once per save, whatever the hook does", async () => {
    const sizes: number[] = [];
    const lines: string[] = [];
    const scope = createScope<Bag>({
      initial: {},
      persist: tableBridge<Bag>(),
      maxStateSizeBytes: 1,
      logger: { warn: () => undefined, error: (message) => void lines.push(message) },
      // An asynchronous hook fits the type; its promise must not get lost.
      // eslint-disable-next-line typescript/no-misused-promises
      onStateSizeWarning: ({ sizeBytes }) => {
        sizes.push(sizeBytes);
        if (sizes.length === 1) throw new Error("hook");
        return Promise.reject(new Error("later"));
      },
    });
    const calls = [1, 2, 3].map((n) => scope.patchState({ [`k${n}`]: n }));
    expect(await Promise.all(calls)).toEqual([true, true, true]);
    expect(sizes).toEqual([JSON.stringify({ k1: 1, k2: 2, k3: 3 }).length]);
    await scope.patchState({ k1: 9 });
    await settled();
    expect([sizes.length, lines.length]).toEqual([2, 2]);
  });

  it("refuses a state over hardLimitBytes, strictly, with no trace", async () => {
    const scope = createScope<Bag>({ initial: {}, hardLimitBytes: 100 });
    expect(await scope.setState({ v: text(100) })).toBe(true);
    expect(await rejection(scope.setState({ v: text(101) }))).toMatchObject({
      code: "STATE_TOO_LARGE",
      sizeBytes: 101,
      limitBytes: 100,
    });
    expect([scope.version, String(scope.state["v"]).length]).toEqual([1, text(100).length]);
  });
});
