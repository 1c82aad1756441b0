/** What a recipe may return, from JavaScript, and what must not be lost by it. */
import { describe, expect, it } from "vitest";
import { createRuntime } from "../../../src/runtime/runtime.ts";
import { createScope, type Scope } from "../../../src/runtime/scope.ts";
import { rejection, settled } from "../../support/waiting.ts";

interface Bag {
  n: number;
  name: string;
  list: { id: number }[];
  user: { tags: string[]; seen: Map<string, { at: number }> };
  at?: Date;
  more?: unknown;
}

const initial: Bag = {
  n: 1,
  name: "Ann",
  list: [{ id: 1 }, { id: 2 }],
  user: { tags: ["a"], seen: new Map([["k", { at: 1 }]]) },
};

class Own {
  readonly mine = 1;
}

type Loose = (draft: Bag) => unknown;

function bag(): Scope<Bag> {
  return createScope<Bag>({ initial });
}

/** Both ways to run a recipe on one scope, synchronous and not, as JavaScript may call them. */
const ways: Record<string, (scope: Scope<Bag>, recipe: Loose) => Promise<boolean>> = {
  update: (scope, recipe) => scope.update(recipe as never),
  "asynchronous update": (scope, recipe) =>
    scope.update((async (draft: Bag) => {
      await settled();
      return recipe(draft);
    }) as never),
};

const shared = { theme: "dark" };

const kept: [string, Loose, Partial<Bag> | null][] = [
  ["a number of a change", (d) => (d.n += 1), { n: 2 }],
  [
    "the length of a push",
    (d) => d.list.push({ id: 3 }),
    { list: [{ id: 1 }, { id: 2 }, { id: 3 }] },
  ],
  ["what was spliced out", (d) => d.list.splice(0, 1), { list: [{ id: 2 }] }],
  ["what was popped", (d) => d.list.pop(), { list: [{ id: 1 }] }],
  ["a boolean without a change", (d) => d.n > 5 && (d.n = 0), null],
  ["null", () => null, null],
  ["the draft", (d) => ((d.n = 2), d), { n: 2 }],
  ["the draft, unchanged", (d) => d, null],
  ["a part of the draft", (d) => ((d.n = 2), d.user), { n: 2 }],
  ["a part that is there already", (d) => (d.user ??= initial.user), null],
  ["a list that is there already", (d) => (d.list ??= []), null],
  ["a text that was put in", (d) => (d.name = "Bea"), { name: "Bea" }],
  ["a text that was there already", (d) => (d.name = "Ann"), null],
  ["a list that was put in", (d) => (d.list = []), { list: [] }],
  ["a date that was put in", (d) => (d.at = new Date(5)), { at: new Date(5) }],
  ["an object that was put in", (d) => (d.more = { a: 1 }), { more: { a: 1 } }],
  [
    "an object that was put in deep",
    (d) => ((d.more = { a: shared }), shared),
    { more: { a: shared } },
  ],
  [
    "the map it changed",
    (d) => d.user.seen.delete("k"),
    { user: { tags: ["a"], seen: new Map() } },
  ],
];

const replaced: [string, Loose, object][] = [
  ["a new state", () => ({ n: 5 }), { n: 5 }],
  ["a frozen one", () => Object.freeze({ n: 5 }), { n: 5 }],
  ["an empty one", () => ({}), {}],
  ["one with parts of the draft", (d) => ({ ...d, n: 5 }), { ...initial, n: 5 }],
  [
    "one with parts further down",
    (d) => ({ a: [d.list[1]], m: d.user.seen }),
    {
      a: [{ id: 2 }],
      m: new Map([["k", { at: 1 }]]),
    },
  ],
  [
    "one without a prototype",
    () => Object.assign(Object.create(null) as object, { n: 5 }),
    { n: 5 },
  ],
  [
    "one with an odd key",
    () => JSON.parse('{"__proto__":{"a":1}}') as object,
    JSON.parse('{"__proto__":{"a":1}}') as object,
  ],
];

const refused: [string, Loose, string][] = [
  ["a list", () => [1, 2], "array"],
  ["an empty list", () => [], "array"],
  ["a list made of the draft", (d) => d.list.filter(({ id }) => id > 1), "array"],
  ["a text", () => "next", "string"],
  ["a function", () => () => 1, "function"],
  ["a date", () => new Date(5), "Date"],
  ["a map", () => new Map(), "Map"],
  ["an instance", () => new Own(), "Own"],
  ["a new state beside a change", (d) => ((d.n = 2), { n: 5 }), "object"],
  ["a copy beside a change", (d) => ((d.n = 2), { ...d }), "object"],
];

describe.each(Object.entries(ways))("a recipe of %s", (_, run) => {
  it.each(kept)("may return %s", async (_name, recipe, expected) => {
    const scope = bag();
    expect(await run(scope, recipe)).toBe(expected !== null);
    expect(scope.state).toEqual({ ...initial, ...expected });
  });

  it.each(replaced)("replaces the state by %s", async (_name, recipe, expected) => {
    const scope = bag();
    const events: number[] = [];
    scope.subscribe(({ version }) => events.push(version));
    expect(await run(scope, recipe)).toBe(true);
    expect(scope.state).toEqual(expected);
    expect(Object.keys(scope.state)).toEqual(Object.keys(expected));
    expect(Object.isFrozen(scope.state)).toBe(true);
    expect([scope.version, events]).toEqual([1, [1]]);
  });

  it.each(refused)("may not return %s", async (_name, recipe, received) => {
    const scope = bag();
    const error = await rejection(run(scope, recipe));
    expect(error).toMatchObject({ code: "STATE_TYPE", path: "", received });
    expect(scope.state).toEqual(initial);
    expect(scope.version).toBe(0);
    expect(await run(scope, (d) => (d.n += 1))).toBe(true);
  });

  it("does not take a part of the state for the next state", async () => {
    const scope = bag();
    // These two cannot be told apart.
    for (const recipe of [
      () => scope.state.user,
      (d: Bag) => (d.user = scope.state.user as Bag["user"]),
    ])
      expect(await rejection(run(scope, recipe))).toMatchObject({ code: "STATE_TYPE" });
    expect(await run(scope, () => scope.state)).toBe(false);
    expect(scope.state).toEqual(initial);
  });

  it("refuses what goes round in a circle", async () => {
    const scope = bag();
    const circle: Record<string, unknown> = {};
    circle["self"] = circle;
    for (const recipe of [(d: Bag) => (d.more = circle), () => circle])
      expect(await rejection(run(scope, recipe))).toMatchObject({ code: "STATE_NOT_SERIALIZABLE" });
    expect(scope.version).toBe(0);
  });

  it("leaves what it returned to its caller", async () => {
    const scope = bag();
    const next = { n: 5, list: [{ id: 9 }] };
    await run(scope, () => next);
    next.list.push({ id: 10 });
    expect(scope.state).toEqual({ n: 5, list: [{ id: 9 }] });
  });
});

type Pair = (a: Bag, b: Bag) => unknown;

describe("a recipe of a transaction", () => {
  async function pair() {
    const runtime = createRuntime();
    const [a, b] = [await runtime.open<Bag>("user", "a"), await runtime.open<Bag>("user", "b")];
    await a.setState(initial);
    await b.setState(initial);
    const run = (recipe: Pair): Promise<boolean> => runtime.transaction([a, b], recipe as never);
    return { runtime, a, b, run };
  }

  const lost: [string, Pair][] = [
    ["an object", () => ({ n: 5 })],
    ["an object with parts", (a) => ({ ...a })],
    ["an object beside a change", (a) => ((a.n = 2), { n: 5 })],
    ["a list", () => [{ n: 5 }, { n: 6 }]],
    ["a text", () => "next"],
    ["a promise of an object", () => Promise.resolve({ n: 5 })],
  ];
  it.each(lost)("may not return %s", async (_name, recipe) => {
    const { runtime, a, b, run } = await pair();
    expect(await rejection(run(recipe))).toMatchObject({ code: "STATE_TYPE" });
    expect([a.state, b.state, a.version, b.version]).toEqual([initial, initial, 1, 1]);
    await runtime.close();
  });

  const harmless: [string, Pair, boolean][] = [
    ["nothing", () => undefined, false],
    ["a number", (a, b) => ((a.n -= 1), (b.n += 1)), true],
    ["what it put into the second", (_a, b) => (b.more = { c: 1 }), true],
    ["a part of the second", (_a, b) => b.user, false],
    ["what it spliced out", (a) => a.list.splice(0, 1), true],
  ];
  it.each(harmless)("may return %s", async (_name, recipe, changed) => {
    const { runtime, run } = await pair();
    expect(await run(recipe)).toBe(changed);
    await runtime.close();
  });

  it("on one scope may return its next state", async () => {
    const { runtime, a } = await pair();
    expect(await runtime.transaction([a], (() => ({ n: 5 })) as never)).toBe(true);
    expect(a.state).toEqual({ n: 5 });
    await runtime.close();
  });
});
