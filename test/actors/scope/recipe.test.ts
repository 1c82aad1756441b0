import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { equal } from "../../../actors/state/equal.ts";
import { applyPatches } from "../../../actors/state/patches.ts";
import type { StateChange } from "../../../actors/protocol.ts";
import { originalOf } from "../../../actors/scope/recipe.ts";
import { createScope, type Scope } from "../../../src/runtime/scope.ts";
import { isDeepFrozen } from "../../support/frozen.ts";
import { rejection, settled } from "../../support/waiting.ts";

const RUNS = process.env["TEST_SCALE"] === "nightly" ? 100_000 : 1_000;

type Bag = Record<string, unknown>;

/** A scope whose changes are kept. */
function open(initial: Bag): { scope: Scope<Bag>; events: StateChange<Bag>[] } {
  const scope = createScope<Bag>({ initial });
  const events: StateChange<Bag>[] = [];
  scope.subscribe((change) => void events.push(change));
  return { scope, events };
}

/** Runs a recipe and checks all that holds for every recipe. */
async function check(initial: Bag, recipe: (draft: Bag) => void): Promise<Readonly<Bag>> {
  const { scope, events } = open(initial);
  const before = scope.state;
  const copy = structuredClone(initial);
  const changed = await scope.update(recipe);
  expect(equal(before, copy)).toBe(true);
  expect(changed).toBe(!equal(before, scope.state));
  expect(isDeepFrozen(scope.state)).toBe(true);
  expect(events).toHaveLength(changed ? 1 : 0);
  const [event] = events;
  if (event === undefined) return scope.state;
  expect(equal(applyPatches(before, event.patches), scope.state)).toBe(true);
  expect(equal(applyPatches(scope.state, event.inversePatches), before)).toBe(true);
  expect(event.patches.every(({ value }) => isDeepFrozen(value))).toBe(true);
  return scope.state;
}

/** What these tests keep in the fields of their bags; each test knows which of it is there. */
interface Part extends Array<unknown> {
  n: number;
  x: unknown;
  id: unknown;
  polluted?: unknown;
  set(key: unknown, value: unknown): Part;
  get(key: unknown): Part;
  add(member: unknown): Part;
  delete(member: unknown): boolean;
  [Symbol.iterator](): ArrayIterator<Part>;
  [key: string]: unknown;
}

const at = (draft: Bag, key: string): Part => draft[key] as Part; // By the test that put it there.

describe("an update recipe", () => {
  it("leaves what it put in to its caller", async () => {
    const own = { deep: { list: [1] } };
    const member = { id: 1 };
    const { scope } = open({ map: new Map(), set: new Set() });
    await scope.update((draft) => {
      draft["a"] = own;
      draft["b"] = own.deep;
      at(draft, "map").set("k", own);
      at(draft, "set").add(member);
    });
    own.deep.list.push(2);
    member.id = 2;
    expect(Object.isFrozen(own) || Object.isFrozen(own.deep.list)).toBe(false);
    const { state } = scope;
    expect(state["a"]).toEqual({ deep: { list: [1] } });
    expect(state["b"]).toEqual({ list: [1] });
    expect(at(state, "map").get("k")).toEqual({ deep: { list: [1] } });
    expect([...at(state, "set")]).toEqual([{ id: 1 }]);
    expect(isDeepFrozen(state)).toBe(true);
  });

  const cases: [string, Bag, (draft: Bag) => void, Bag | undefined][] = [
    ["change and revert", { n: 1 }, (d) => ((d["n"] = 2), (d["n"] = 1)), { n: 1 }],
    ["an equal fresh object", { o: { a: [1] } }, (d) => (d["o"] = { a: [1] }), undefined],
    [
      "an equal fresh member of a set",
      { s: new Set([{ a: 1 }]) },
      (d) => {
        const [member] = at(d, "s");
        at(d, "s").delete(member);
        at(d, "s").add({ a: 1 });
      },
      undefined,
    ],
    ["shift", { l: [1, 2, 3] }, (d) => at(d, "l").shift(), { l: [2, 3] }],
    [
      "splice",
      { l: [1, 2, 3, 4] },
      (d) => at(d, "l").splice(1, 2, 9, 8, 7),
      { l: [1, 9, 8, 7, 4] },
    ],
    [
      "reverse of objects",
      { l: [{ a: 1 }, { a: 2 }] },
      (d) => at(d, "l").unshift(at(d, "l").pop()),
      { l: [{ a: 2 }, { a: 1 }] },
    ],
    ["length 0", { l: [1, 2] }, (d) => (at(d, "l").length = 0), { l: [] }],
    [
      "a moved subtree",
      { a: { x: { y: 1 } } },
      (d) => ((d["b"] = at(d, "a").x), delete d["a"]),
      { b: { x: undefined, y: 1 } },
    ],
    [
      "a subtree moved and edited",
      { a: { x: { y: 1 } } },
      (d) => {
        const moved = at(d, "a").x;
        d["b"] = moved;
        Object.assign(moved as object, { y: { z: [1] } });
      },
      { a: { x: { y: { z: [1] } } }, b: { y: { z: [1] } } },
    ],
    [
      "one draft in two places",
      { a: { n: 1 } },
      (d) => {
        at(d, "a").n = 2;
        d["b"] = d["a"];
        d["c"] = [d["a"]];
      },
      { a: { n: 2 }, b: { n: 2 }, c: [{ n: 2 }] },
    ],
    [
      "a map inside",
      { m: new Map([["k", { n: 1 }]]) },
      (d) => (at(d, "m").get("k").n = 2),
      { m: new Map([["k", { n: 2 }]]) },
    ],
    [
      "a map's number keys",
      { m: new Map([[1, "a"]]) },
      (d) => at(d, "m").set(2, "b").delete(1),
      { m: new Map([[2, "b"]]) },
    ],
    [
      "a map's other keys",
      { m: new Map<unknown, number>([[true, 1]]) },
      (d) => at(d, "m").set(false, 2),
      {
        m: new Map([
          [true, 1],
          [false, 2],
        ]),
      },
    ],
    [
      "a set inside",
      { s: new Set([1, 2]) },
      (d) => (at(d, "s").delete(1), at(d, "s").add(3)),
      { s: new Set([2, 3]) },
    ],
    [
      "a member of a set",
      { s: new Set([{ n: 1 }, { n: 5 }]) },
      (d) => {
        for (const member of at(d, "s")) member.n += 1;
      },
      { s: new Set([{ n: 2 }, { n: 6 }]) },
    ],
    ["a date replaced", { d: new Date(0) }, (d) => (d["d"] = new Date(5)), { d: new Date(5) }],
    ["undefined on a missing key", {}, (d) => (d["u"] = undefined), { u: undefined }],
    ["a key removed", { a: 1, b: 2 }, (d) => delete d["a"], { b: 2 }],
    ["nothing", { a: 1 }, () => undefined, { a: 1 }],
  ];
  for (const [name, initial, recipe, expected] of cases)
    it(`gives state, patches and inverse of: ${name}`, async () => {
      const state = await check(initial, recipe);
      if (name === "a moved subtree") expect(state).toEqual({ b: { y: 1 } });
      else expect(equal(state, expected ?? initial)).toBe(true);
    });

  it("may be asynchronous", async () => {
    const { scope } = open({ n: 1 });
    const call = scope.update(async (draft) => {
      await settled();
      draft["n"] = 2;
    });
    expect(scope.state).toEqual({ n: 1 });
    expect(await call).toBe(true);
    expect(scope.state).toEqual({ n: 2 });
  });

  it("that throws changes nothing, synchronous or not", async () => {
    const { scope, events } = open({ n: 1 });
    const oops = new Error("oops");
    const calls = [
      scope.update((draft) => {
        draft["n"] = 2;
        throw oops;
      }),
      scope.update(async (draft) => {
        draft["n"] = 2;
        await settled();
        throw oops;
      }),
    ];
    expect(await Promise.all(calls.map((each) => rejection(each)))).toEqual([oops, oops]);
    expect([scope.state, scope.version, events.length]).toEqual([{ n: 1 }, 0, 0]);
  });

  it("that puts in what cannot be stored changes nothing, and the error names the path", async () => {
    const { scope } = open({ o: {} });
    const cycle: Bag = {};
    cycle["self"] = cycle;
    for (const [bad, path] of [
      [() => 1, "o.x"],
      [{ y: Symbol("s") }, "o.x.y"],
      [cycle, "o.x.self"],
      [new WeakMap(), "o.x"],
    ] as const) {
      const call = scope.update((draft) => void (at(draft, "o").x = bad));
      expect(await rejection(call)).toMatchObject({
        code: "STATE_NOT_SERIALIZABLE",
        path,
        scope: scope.identity,
      });
    }
    expect([scope.state, scope.version]).toEqual([{ o: {} }, 0]);
  });

  it("writes __proto__ as an ordinary key or refuses it", async () => {
    const { scope } = open({ o: {} });
    await scope
      .update((draft) => void (at(draft, "o")["__proto__"] = { polluted: true }))
      .catch(() => false);
    expect(Object.hasOwn(Object.prototype, "polluted")).toBe(false);
    expect(at(scope.state, "o").polluted).toBe(undefined);
  });

  it(`gives right patches for random edits (${RUNS} runs)`, async () => {
    const leaf = fc.oneof(fc.integer({ min: 0, max: 3 }), fc.constant(undefined), fc.constant("t"));
    const value = fc.letrec((tie) => ({
      node: fc.oneof(
        { maxDepth: 2 },
        leaf,
        fc.array(tie("node"), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom("a", "b", "c"), tie("node"), {
          maxKeys: 3,
          noNullPrototype: true,
        }),
      ),
    })).node;
    const state = fc.record({
      o: fc.dictionary(fc.constantFrom("a", "b", "c"), value, { noNullPrototype: true }),
      l: fc.array(value, { maxLength: 4 }),
    });
    const edit = fc.record({
      kind: fc.constantFrom("set", "delete", "push", "splice", "move", "share", "sort" as const),
      key: fc.constantFrom("a", "b", "c"),
      index: fc.nat(4),
      value,
    });
    await fc.assert(
      fc.asyncProperty(state, fc.array(edit, { maxLength: 5 }), async (initial, edits) => {
        await check(initial, (draft) => {
          for (const { kind, key, index, value: fresh } of edits) {
            const [o, l] = [at(draft, "o"), at(draft, "l")];
            if (kind === "set") o[key] = fresh;
            else if (kind === "delete") delete o[key];
            else if (kind === "push") l.push(fresh);
            else if (kind === "splice") l.splice(index, 1, fresh, fresh);
            else if (kind === "move") [o[key], l[0]] = [l[0], o[key]];
            else if (kind === "share") l.unshift(o[key]);
            else l.unshift(l.pop());
          }
        });
      }),
      { numRuns: RUNS },
    );
  });
});

describe("the original of a draft", () => {
  it("is the frozen state the draft was made of, whatever was written to the draft", async () => {
    const { scope } = open({ list: [1], n: 1 });
    const before = scope.state;
    await scope.update((draft) => {
      draft["n"] = 2;
      expect(originalOf(draft)).toBe(before);
    });
    expect(scope.state["n"]).toBe(2);
  });
});
