/** What must compile, and what must not: a runtime that follows its kinds. */
import { describe, expect, expectTypeOf, it, onTestFinished } from "vitest";
import { z } from "zod";
import {
  createRuntime,
  defineKind,
  type DeepReadonly,
  type ExecutionContext,
  type Kind,
  type ListedScope,
  type ResyncMarker,
  type Runtime,
  type RuntimeOptions,
  type Scope,
} from "../../src/index.ts";
import { createBotState } from "../../src/builderbot.ts";
import { RuntimeStorage } from "../../src/turn-state.ts";
import { createVcr } from "../../src/vcr.ts";

const kinds = {
  cart: defineKind({
    schema: z.object({ items: z.array(z.string()).default([]), note: z.string().optional() }),
    initial: { items: [] },
  }),
  session: defineKind({ initial: { topic: "" } }),
  typing: defineKind<{ on: boolean }>({ initial: { on: false }, durability: "volatile" }),
  scratch: defineKind({ durability: "volatile" }),
  plain: { initial: { n: 1 }, durability: "volatile" },
} as const;

interface Cart {
  items: string[];
  note?: string | undefined;
}

function open() {
  const runtime = createRuntime({ kinds });
  onTestFinished(() => runtime.close());
  return runtime;
}

type Shop = ReturnType<typeof open>;
type BuiltIn = "org" | "request" | "sequencer" | "temp" | "user";
type Name = keyof typeof kinds | BuiltIn;

describe("the state of a kind", () => {
  it("follows its schema, its initial state or the type argument", () => {
    expectTypeOf(kinds.cart).toEqualTypeOf<Kind<Cart>>();
    expectTypeOf(kinds.session).toEqualTypeOf<Kind<{ topic: string }>>();
    expectTypeOf(kinds.typing).toEqualTypeOf<Kind<{ on: boolean }>>();
    expectTypeOf(kinds.scratch).toEqualTypeOf<Kind<Record<string, unknown>>>();
  });

  it("holds its initial state to its schema", () => {
    const schema = z.object({ items: z.array(z.string()) });
    // @ts-expect-error items are texts
    const wrong = defineKind({ schema, initial: { items: [1] } });
    expect(() => createRuntime({ kinds: { wrong } })).toThrow(/items/);
    // @ts-expect-error an unknown durability
    expect(() => createRuntime({ kinds: { c: { durability: "always" } } })).toThrow(RangeError);
  });
});

describe("open", () => {
  it("gives the scope of the kind", async () => {
    const runtime = open();
    const cart = await runtime.open("cart", "ann");
    expectTypeOf(cart).toEqualTypeOf<Scope<Cart>>();
    expectTypeOf(await runtime.open("session", "s")).toEqualTypeOf<Scope<{ topic: string }>>();
    expectTypeOf(await runtime.open("typing", "t")).toEqualTypeOf<Scope<{ on: boolean }>>();
    expectTypeOf(await runtime.open("plain", "p")).toExtend<Scope<{ readonly n: 1 }>>();
    await cart.pushState("items", "tea");
    // @ts-expect-error a field the state does not have
    await cart.pushState("itmes", "tea");
    // @ts-expect-error the items are texts
    await expect(cart.pushState("items", 1)).rejects.toMatchObject({ code: "STATE_INVALID" });
    // @ts-expect-error there is no such kind
    await expect(runtime.open("crat", "ann")).rejects.toThrow(TypeError);
    // @ts-expect-error a run is no scope
    await expect(runtime.open("sequencer", "run")).rejects.toThrow(TypeError);
  });

  it("takes a type argument where a kind declares no state, and one that agrees", async () => {
    const runtime = open();
    expectTypeOf(await runtime.open("user", "u")).toEqualTypeOf<Scope<Record<string, unknown>>>();
    expectTypeOf(await runtime.open<Cart>("user", "u")).toEqualTypeOf<Scope<Cart>>();
    expectTypeOf(await runtime.open<Cart>("scratch", "u")).toEqualTypeOf<Scope<Cart>>();
    expectTypeOf(await runtime.open<Cart>("cart", "u")).toEqualTypeOf<Scope<Cart>>();
    // @ts-expect-error the kind declares another state
    expectTypeOf(await runtime.open<{ items: number[] }>("cart", "u")).toBeObject();
    // @ts-expect-error redeclared: no longer any state
    expectTypeOf(await runtime.open<{ topic: number }>("session", "s")).toBeObject();
    // @ts-expect-error the expected scope has another state
    const other: Scope<{ items: number[] }> = await runtime.open("cart", "u");
    expect(other.state).toEqual({ items: [] });
    const named: Scope<Cart> = await runtime.open("user", "u");
    expect(named.version).toBe(0);
  });
});

describe("the other calls of a runtime", () => {
  it("know the scopes of an execution", async () => {
    await open().execute({ userId: "ann", orgId: "o" }, async (context) => {
      expectTypeOf(context.session).toEqualTypeOf<Scope<{ topic: string }>>();
      expectTypeOf(context.user).toEqualTypeOf<Scope<Record<string, unknown>>>();
      expectTypeOf(context.org).toEqualTypeOf<Scope<Record<string, unknown>> | undefined>();
      await context.session.patchState({ topic: "tea" });
      // @ts-expect-error the kind was redeclared
      await context.session.patchState({ topics: "tea" });
    });
    expectTypeOf<ExecutionContext["session"]>().toEqualTypeOf<Scope<Record<string, unknown>>>();
  });

  it("know the drafts of a transaction", async () => {
    const runtime = open();
    const cart = await runtime.open("cart", "ann");
    const typing = await runtime.open("typing", "ann");
    const drafts = runtime.transaction([cart, typing], (first, second) => {
      expectTypeOf(first.items).toEqualTypeOf<string[]>();
      expectTypeOf(second.on).toEqualTypeOf<boolean>();
      // @ts-expect-error the items are texts
      first.items.push(1);
    });
    await expect(drafts).rejects.toBeDefined(); // A volatile kind is in no store.
  });

  it("know the names", async () => {
    const runtime = open();
    const { scopes } = await runtime.list({ type: "cart" });
    expectTypeOf(scopes).toEqualTypeOf<readonly ListedScope<"cart">[]>();
    for await (const { type } of runtime.list()) expectTypeOf(type).toEqualTypeOf<Name>();
    for await (const { type, state } of runtime.list({ type: "cart", states: true })) {
      expectTypeOf(type).toEqualTypeOf<"cart">();
      expectTypeOf(state).toEqualTypeOf<DeepReadonly<Cart>>();
    }
    for await (const entry of runtime.list({ states: true }))
      if (entry.type === "typing") expectTypeOf(entry.state.on).toEqualTypeOf<boolean>();
    const [cart] = await runtime.read("cart", ["a"]);
    expectTypeOf(cart).toEqualTypeOf<
      { readonly version: number; readonly state: DeepReadonly<Cart> } | undefined
    >();
    const [user] = await runtime.read<{ n: number }>("user", ["a"]);
    expectTypeOf(user?.state.n).toEqualTypeOf<number | undefined>();
    // @ts-expect-error there is no such kind
    await expect(runtime.read("crat", ["a"])).rejects.toThrow(TypeError);
    // @ts-expect-error there is no such kind
    expect(() => runtime.supports("crat")).toThrow(TypeError);
    let after: { readonly cursor?: string } = {};
    for (let page = 0; page < 2; page++) {
      const { cursor } = await runtime.list({ type: "session", ...after }); // No circular type.
      after = cursor === undefined ? {} : { cursor };
    }
    // @ts-expect-error there is no such kind
    await expect(runtime.list({ type: "crat" })).rejects.toThrow(TypeError);
    // @ts-expect-error there is no such kind
    await expect(runtime.deleteAll({ type: "crat" })).rejects.toThrow(TypeError);
    // @ts-expect-error there is no such kind
    await expect(runtime.erase({ type: "crat", id: "a" })).rejects.toThrow(TypeError);
    runtime.subscribe((change) => {
      expectTypeOf(change.scope.type).toExtend<Name>();
      // @ts-expect-error there is no such kind
      expect(change.scope.type === "crat").toBe(false);
    });
    const changes = runtime.changes({ signal: AbortSignal.abort() });
    for await (const change of changes) {
      if (change.type === "resync") expectTypeOf(change).toEqualTypeOf<ResyncMarker>();
      // @ts-expect-error there is no such kind
      else expect(change.scope.type === "crat").toBe(false);
    }
  });
});

describe("a runtime without known kinds", () => {
  it("opens every name, with the state that the caller names", async () => {
    const bare: Runtime = open();
    expectTypeOf(await bare.open("cart", "a")).toEqualTypeOf<Scope<Record<string, unknown>>>();
    expectTypeOf(await bare.open<{ a: 1 }>("cart", "a")).toEqualTypeOf<Scope<{ a: 1 }>>();
    await expect(bare.open("crat", "a")).rejects.toThrow(TypeError);
    const options: RuntimeOptions = { kinds };
    expectTypeOf(createRuntime(options)).toEqualTypeOf<Runtime>();
    expectTypeOf(createRuntime()).toEqualTypeOf<Runtime>();
  });

  it("is what every runtime can be used as", async () => {
    const runtime = open();
    expectTypeOf<Shop>().toExtend<Runtime>();
    expectTypeOf<Shop>().toExtend<Runtime<Readonly<Record<string, Kind>>>>();
    expectTypeOf<Runtime<{ cart: Kind<Cart> }>>().toExtend<Runtime>();
    expectTypeOf<Runtime<{ user: Kind<Cart> }>>().toExtend<Runtime>();
    expectTypeOf<Scope<Cart>>().toExtend<Scope<object>>();
    expectTypeOf<Scope<Cart>>().toExtend<Scope<Record<string, unknown>>>();
    expect(createBotState({ runtime })).toBeDefined();
    expect(new RuntimeStorage(runtime)).toBeDefined();
    expect(createVcr({ runtime })).toBeDefined();
    // @ts-expect-error other kinds
    const other: Runtime<{ cart: Kind<{ n: number }> }> = runtime;
    expect(other).toBe(runtime);
  });
});
