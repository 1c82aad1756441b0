/** The operation table of the seed, on every path a change can take. */
import { describe, expect, it } from "vitest";
import {
  createScopeStateOps,
  createStateContainer,
  StateSerializationError,
  StateTypeError,
  type ContainerOps,
  type StateChange,
  type StateContainer,
} from "../../../../src/flow-state.ts";
import { CasStore } from "./cas-store.ts";

type Bag = Record<string, unknown>;
/** Operations as untyped callers use them; the table is about what happens to bad values too. */
type LooseOps = Record<
  "patchState" | "setState" | "incState" | "pushState" | "setStateRecord" | "deleteStateRecord",
  (...given: unknown[]) => Promise<boolean>
> & { atomicState: (mutator: (state: Bag) => unknown) => Promise<boolean> };

interface Fixture {
  readonly ops: LooseOps;
  readonly typed: ContainerOps<Bag>;
  readonly container: StateContainer<Bag>;
}

function fixture(container: StateContainer<Bag>, typed: ContainerOps<Bag>): Fixture {
  return { container, typed, ops: typed as unknown as LooseOps };
}

function foreignContainer(initial: Bag): StateContainer<Bag> {
  let state = initial;
  let version = 0;
  return {
    read: () => state,
    getVersion: () => version,
    commit(next, to) {
      state = next;
      version = Math.max(0, to);
      return state;
    },
  };
}

const paths: Readonly<Record<string, (initial: Bag) => Fixture>> = {
  "the lock path": (initial) => {
    const container = createStateContainer(initial);
    return fixture(container, createScopeStateOps(container));
  },
  "the lock path with somebody else's container": (initial) => {
    const container = foreignContainer(initial);
    return fixture(container, createScopeStateOps(container));
  },
  "the CAS path": (initial) => {
    const container = createStateContainer(initial);
    const { persist } = new CasStore(initial);
    return fixture(container, createScopeStateOps(container, { persist }));
  },
  "the CAS path with somebody else's container": (initial) => {
    const container = foreignContainer(initial);
    const { persist } = new CasStore(initial);
    return fixture(container, createScopeStateOps(container, { persist }));
  },
};

type Call = (ops: LooseOps) => Promise<boolean>;
type Row = readonly [name: string, initial: Bag, call: Call, changed: boolean, after: Bag];

const rows: readonly Row[] = [
  [
    "patchState merges one level",
    { a: 1, b: 2 },
    (o) => o.patchState({ b: 3 }),
    true,
    { a: 1, b: 3 },
  ],
  ["patchState({}) is a no-op", { a: 1 }, (o) => o.patchState({}), false, { a: 1 }],
  ["patchState(undefined) is a no-op", { a: 1 }, (o) => o.patchState(undefined), false, { a: 1 }],
  ["patchState(null) is a no-op", { a: 1 }, (o) => o.patchState(null), false, { a: 1 }],
  [
    "patchState keeps an undefined value as an own key",
    {},
    (o) => o.patchState({ a: undefined }),
    true,
    { a: undefined },
  ],
  [
    "patchState to undefined is a change",
    { a: 1 },
    (o) => o.patchState({ a: undefined }),
    true,
    { a: undefined },
  ],
  [
    "patchState replaces a nested object whole",
    { o: { a: 1, b: 2 } },
    (o) => o.patchState({ o: { a: 9 } }),
    true,
    { o: { a: 9 } },
  ],
  [
    "patchState with an equal value is a no-op",
    { o: { a: 1, b: 2 } },
    (o) => o.patchState({ o: { b: 2, a: 1 } }),
    false,
    { o: { a: 1, b: 2 } },
  ],
  [
    "patchState(key, updater) is a read-modify-write",
    { a: 1 },
    (o) => o.patchState("a", (n: number) => n + 1),
    true,
    { a: 2 },
  ],
  [
    "patchState(key, updater) gets undefined for a missing field",
    {},
    (o) => o.patchState("a", (n: unknown) => String(n)),
    true,
    { a: "undefined" },
  ],
  [
    "patchState(key) without an updater is a no-op",
    { a: 1 },
    (o) => o.patchState("a"),
    false,
    { a: 1 },
  ],
  [
    "patchState with the identity updater is a no-op",
    { a: 1 },
    (o) => o.patchState("a", (n: unknown) => n),
    false,
    { a: 1 },
  ],
  [
    "patchState awaits an async updater",
    { a: 1 },
    (o) => o.patchState("a", async (n: number) => n + 1),
    true,
    { a: 2 },
  ],
  [
    "setState replaces the whole state",
    { a: 1, b: 2 },
    (o) => o.setState({ a: 5 }),
    true,
    { a: 5 },
  ],
  [
    "setState with an equal copy is a no-op",
    { a: 1, b: 2 },
    (o) => o.setState({ b: 2, a: 1 }),
    false,
    { a: 1, b: 2 },
  ],
  [
    "incState adds per field",
    { a: 1, b: 2 },
    (o) => o.incState({ a: 1, b: -1 }),
    true,
    { a: 2, b: 1 },
  ],
  ["incState starts a missing field at 0", {}, (o) => o.incState({ a: 2 }), true, { a: 2 }],
  [
    "incState of a present field by 0 is a no-op",
    { a: 1 },
    (o) => o.incState({ a: 0 }),
    false,
    { a: 1 },
  ],
  ["incState of a missing field by 0 creates it", {}, (o) => o.incState({ a: 0 }), true, { a: 0 }],
  ["incState({}) is a no-op", { a: 1 }, (o) => o.incState({}), false, { a: 1 }],
  [
    "incState starts null at 0",
    { a: null, b: 1 },
    (o) => o.incState({ a: 2, b: 1 }),
    true,
    { a: 2, b: 2 },
  ],
  ["incState of null by 0 makes it 0", { a: null }, (o) => o.incState({ a: 0 }), true, { a: 0 }],
  ["pushState starts null as a list", { l: null }, (o) => o.pushState("l", 1), true, { l: [1] }],
  [
    "setStateRecord starts null as a map",
    { m: null },
    (o) => o.setStateRecord("m", "a", 1),
    true,
    { m: { a: 1 } },
  ],
  [
    "deleteStateRecord of null is a no-op",
    { m: null },
    (o) => o.deleteStateRecord("m", "a"),
    false,
    { m: null },
  ],
  [
    "incState of NaN stays NaN",
    { a: Number.NaN },
    (o) => o.incState({ a: 1 }),
    false,
    { a: Number.NaN },
  ],
  ["incState of -0 by 0 is a change", { a: -0 }, (o) => o.incState({ a: 0 }), true, { a: 0 }],
  ["incState of 0 by -0 is a no-op", { a: 0 }, (o) => o.incState({ a: -0 }), false, { a: 0 }],
  ["pushState appends", { l: [1] }, (o) => o.pushState("l", 2), true, { l: [1, 2] }],
  ["pushState starts a missing array", {}, (o) => o.pushState("l", 1), true, { l: [1] }],
  [
    "pushState appends undefined",
    { l: [1] },
    (o) => o.pushState("l", undefined),
    true,
    { l: [1, undefined] },
  ],
  [
    "pushState of an equal value is never a no-op",
    { l: [1] },
    (o) => o.pushState("l", 1),
    true,
    { l: [1, 1] },
  ],
  [
    "setStateRecord sets one key",
    { m: { a: 1 } },
    (o) => o.setStateRecord("m", "b", 2),
    true,
    { m: { a: 1, b: 2 } },
  ],
  [
    "setStateRecord starts a missing map",
    {},
    (o) => o.setStateRecord("m", "a", 1),
    true,
    { m: { a: 1 } },
  ],
  [
    "setStateRecord with an equal value is a no-op",
    { m: { a: [1] } },
    (o) => o.setStateRecord("m", "a", [1]),
    false,
    { m: { a: [1] } },
  ],
  [
    "setStateRecord of a new key with undefined is a change",
    { m: {} },
    (o) => o.setStateRecord("m", "a", undefined),
    true,
    { m: { a: undefined } },
  ],
  [
    "deleteStateRecord removes one key",
    { m: { a: 1, b: 2 } },
    (o) => o.deleteStateRecord("m", "a"),
    true,
    { m: { b: 2 } },
  ],
  [
    "deleteStateRecord of the last key leaves an empty map",
    { m: { a: 1 } },
    (o) => o.deleteStateRecord("m", "a"),
    true,
    { m: {} },
  ],
  [
    "deleteStateRecord of an absent key is a no-op",
    { m: { a: 1 } },
    (o) => o.deleteStateRecord("m", "b"),
    false,
    { m: { a: 1 } },
  ],
  [
    "deleteStateRecord of an absent map is a no-op",
    {},
    (o) => o.deleteStateRecord("m", "a"),
    false,
    {},
  ],
  [
    "atomicState merges what the mutator returns",
    { a: 1, b: 1 },
    (o) => o.atomicState((s) => ({ a: Number(s["a"]) + 1 })),
    true,
    { a: 2, b: 1 },
  ],
  [
    "atomicState(() => ({})) is a no-op",
    { a: 1 },
    (o) => o.atomicState(() => ({})),
    false,
    { a: 1 },
  ],
  [
    "atomicState(() => undefined) is a no-op",
    { a: 1 },
    (o) => o.atomicState(() => undefined),
    false,
    { a: 1 },
  ],
  [
    "atomicState(() => null) is a no-op",
    { a: 1 },
    (o) => o.atomicState(() => null),
    false,
    { a: 1 },
  ],
  [
    "atomicState with the same values is a no-op",
    { a: 1 },
    (o) => o.atomicState((s) => ({ a: s["a"] })),
    false,
    { a: 1 },
  ],
  [
    "atomicState awaits an async mutator",
    { a: 1 },
    (o) => o.atomicState(async (s) => ({ a: Number(s["a"]) + 1 })),
    true,
    { a: 2 },
  ],
];

type Refusal = readonly [
  name: string,
  initial: Bag,
  call: Call,
  error: new (...given: never[]) => Error,
];

const refusals: readonly Refusal[] = [
  ["patchState with an array", { a: 1 }, (o) => o.patchState([1]), StateTypeError],
  [
    "patchState(key, value) without an updater function",
    { a: 1 },
    (o) => o.patchState("a", 5),
    StateTypeError,
  ],
  ["setState(undefined)", { a: 1 }, (o) => o.setState(undefined), StateTypeError],
  ["setState(null)", { a: 1 }, (o) => o.setState(null), StateTypeError],
  ["incState of a string", { a: "abc" }, (o) => o.incState({ a: 1 }), StateTypeError],
  ["incState of an array", { a: [1] }, (o) => o.incState({ a: 1 }), StateTypeError],
  ["incState by undefined", { a: 1 }, (o) => o.incState({ a: undefined }), StateTypeError],
  ["incState by a string", { a: 1 }, (o) => o.incState({ a: "2" }), StateTypeError],
  [
    "incState of one good and one bad field",
    { a: 1, b: "x" },
    (o) => o.incState({ a: 1, b: 1 }),
    StateTypeError,
  ],
  ["pushState to a string", { l: "x" }, (o) => o.pushState("l", 1), StateTypeError],
  ["pushState to an object", { l: {} }, (o) => o.pushState("l", 1), StateTypeError],
  ["setStateRecord on an array", { m: [1] }, (o) => o.setStateRecord("m", "a", 1), StateTypeError],
  [
    "incState of null and of a string",
    { a: null, b: "x" },
    (o) => o.incState({ a: 1, b: 1 }),
    StateTypeError,
  ],
  [
    "deleteStateRecord on a string",
    { m: "x" },
    (o) => o.deleteStateRecord("m", "a"),
    StateTypeError,
  ],
  ["a function in a patch", { a: 1 }, (o) => o.patchState({ f: () => 1 }), StateSerializationError],
  ["a class instance pushed", { l: [] }, (o) => o.pushState("l", /x/), StateSerializationError],
  [
    "in-place mutation in atomicState",
    { a: 1 },
    (o) => o.atomicState((s) => Object.assign(s, { a: 2 })),
    TypeError,
  ],
];

describe.each(Object.entries(paths))("%s", (_path, make) => {
  it.each(rows)("%s", async (...[, initial, call, changed, after]) => {
    const { ops, container, typed } = make(initial);
    expect(await call(ops)).toBe(changed);
    expect(container.read()).toStrictEqual(after);
    expect(container.getVersion()).toBe(changed ? 1 : 0);
    expect({ state: typed.state, version: typed.version }).toStrictEqual({
      state: after,
      version: container.getVersion(),
    });
  });

  it.each(refusals)("refuses %s and changes nothing", async (_name, initial, call, error) => {
    const { ops, container } = make(initial);
    await expect(call(ops)).rejects.toThrow(error);
    expect(container.read()).toStrictEqual(initial);
    expect(container.getVersion()).toBe(0);
    expect(await ops.patchState({ next: 1 })).toBe(true); // The queue goes on.
    expect(container.getVersion()).toBe(1);
  });

  it("keeps __proto__ as an own key", async () => {
    const { ops, container } = make({ m: {} });
    expect(await ops.setStateRecord("m", "__proto__", 1)).toBe(true);
    const map = Object(container.read()["m"]);
    expect(Object.keys(map)).toEqual(["__proto__"]);
    expect(Object.getPrototypeOf(map)).toBe(Object.prototype);
  });

  it("an exception in a mutator rejects that call only", async () => {
    const { ops, container } = make({ n: 0 });
    const failing = ops.atomicState(() => {
      throw new Error("boom");
    });
    const next = ops.incState({ n: 1 });
    await expect(failing).rejects.toThrow("boom");
    expect(await next).toBe(true);
    expect(container.read()).toEqual({ n: 1 });
    expect(container.getVersion()).toBe(1);
  });

  it("one op of several fields is one version", async () => {
    const { ops, container } = make({ a: 0, b: 0 });
    await ops.incState({ a: 1, b: 1 });
    await ops.patchState({ a: 5, b: 5 });
    expect(container.getVersion()).toBe(2);
  });

  it("un-awaited calls take effect in the order of the calls", async () => {
    const { ops, container } = make({ log: [] });
    const calls = Array.from({ length: 20 }, (_, i) => ops.pushState("log", i));
    expect(await Promise.all(calls)).toEqual(calls.map(() => true));
    expect(container.read()["log"]).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(container.getVersion()).toBe(20);
  });

  it("the ops work when they are passed around one by one", async () => {
    const { ops, container } = make({ n: 0 });
    const { incState, atomicState } = ops;
    await incState({ n: 1 });
    await atomicState((state) => ({ n: Number(state["n"]) * 10 }));
    expect(container.read()).toEqual({ n: 10 });
  });

  it("old snapshots stay as they were, untouched branches are shared", async () => {
    const { ops, container } = make({ kept: { deep: 1 }, l: [1] });
    await ops.pushState("l", 2);
    const before = container.read();
    await ops.pushState("l", 3);
    expect(before).toEqual({ kept: { deep: 1 }, l: [1, 2] });
    expect(container.read()["l"]).toEqual([1, 2, 3]);
  });

  it("an aborted call rejects with the signal's reason and has no effect", async () => {
    const { ops, container } = make({ n: 0 });
    const reason = new Error("stop");
    await expect(ops.incState({ n: 1 }, { signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    );
    expect(container.getVersion()).toBe(0);
  });
});

describe.each([
  ["the lock path", undefined],
  ["the CAS path", new CasStore({ n: 0 }).persist],
])("an event of %s", (_path, persist) => {
  it("carries operation, path, delta, version, patches and meta", async () => {
    const container = createStateContainer({ n: 0 });
    const events: StateChange[] = [];
    container.subscribe((change) => events.push(change));
    const ops = createScopeStateOps(container, { persist });
    await ops.patchState("n", (n) => n + 1, { meta: { by: "test" } });
    await ops.atomicState(({ n }) => ({ n: n + 1 }));
    const scope = { type: "container" };
    const common = { type: "state_change", origin: "local", scope };
    const [first, second] = events;
    expect(first).toMatchObject({
      ...common,
      operation: "patch",
      path: "n",
      delta: { n: 1 },
      version: 1,
      meta: { by: "test" },
      patches: [{ op: "replace", path: ["n"], value: 1 }],
      inversePatches: [{ op: "replace", path: ["n"], value: 0 }],
    });
    expect(second).toMatchObject({ ...common, operation: "atomic", version: 2 });
    expect(Object.keys(second ?? {})).not.toContain("path");
    expect(Object.keys(second ?? {})).not.toContain("delta");
    expect(events).toHaveLength(2);
  });
});

describe.each([
  ["the lock path", undefined],
  ["the CAS path", new CasStore({ n: null, list: null }).persist],
])("an event of %s about a field that was null", (_path, persist) => {
  it("leads from null and back to it", async () => {
    const container = createStateContainer<Bag>({ n: null, list: null });
    const events: StateChange[] = [];
    container.subscribe((change) => events.push(change));
    const ops = createScopeStateOps(container, { persist: persist as never });
    await ops.incState({ n: 2 });
    await ops.pushState("list", "a");
    expect(events).toMatchObject([
      {
        operation: "increment",
        delta: { n: 2 },
        patches: [{ op: "replace", path: ["n"], value: 2 }],
        inversePatches: [{ op: "replace", path: ["n"], value: null }],
      },
      {
        operation: "push",
        path: "list",
        delta: { list: "a" },
        patches: [{ op: "replace", path: ["list"], value: ["a"] }],
        inversePatches: [{ op: "replace", path: ["list"], value: null }],
      },
    ]);
    expect(Object.keys(events[0] ?? {})).not.toContain("path");
  });
});

describe("the lock path", () => {
  it("plain data on an idle container is visible at once", () => {
    const container = createStateContainer({ n: 0 });
    const ops = createScopeStateOps(container, { mutationTimeoutMs: 1_000 });
    void ops.incState({ n: 1 });
    void ops.incState({ n: 1 });
    expect(ops.state).toEqual({ n: 2 });
  });
});

describe("options", () => {
  it("NaN is refused when the ops are made", () => {
    const container = createStateContainer({ n: 0 });
    for (const options of [
      { mutationTimeoutMs: Number.NaN },
      { cas: { maxRetries: Number.NaN } },
      { cas: { baseDelayMs: Number.NaN } },
    ])
      expect(() => createScopeStateOps(container, options)).toThrow(RangeError);
  });

  it("something without a state is refused", () => {
    const none = {} as unknown as StateContainer<Bag>;
    expect(() => createScopeStateOps(none)).toThrow(/read, getVersion and commit/);
  });
});
