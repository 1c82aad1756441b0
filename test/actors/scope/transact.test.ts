import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { StateChange } from "../../../actors/protocol.ts";
import { createScope } from "../../../src/runtime/scope.ts";
import { isDeepFrozen } from "../../support/frozen.ts";
import { tableBridge } from "../../support/table-bridge.ts";
import { rejection } from "../../support/waiting.ts";

interface Item {
  name: string;
  tags: string[];
}

interface Shop {
  count: number;
  items: Item[];
  best: Item;
  seen?: Map<string, Item>;
  names?: Set<Item>;
}

function shop(): Shop {
  const tea = { name: "tea", tags: ["hot"] };
  return { count: 0, items: [tea, { name: "ice", tags: [] }], best: tea };
}

function open() {
  return createScope<Shop>({ initial: shop() });
}

class Page {
  readonly items: unknown;

  constructor(items: unknown) {
    this.items = items;
  }
}

describe("transact", () => {
  it("resolves to what the recipe returned, five at once to 1, 2, 3, 4, 5", async () => {
    const scope = open();
    const calls = Array.from({ length: 5 }, (_, n) =>
      n % 2 === 0
        ? scope.transact((draft) => (draft.count += 1))
        : scope.transact(async (draft) => {
            await Promise.resolve();
            draft.count += 1;
            return draft.count;
          }),
    );
    expect(await Promise.all(calls)).toEqual([1, 2, 3, 4, 5]);
    expect(scope.version).toBe(5);
  });

  it("never replaces the state by a returned object, and reports an update", async () => {
    const scope = open();
    const events: StateChange[] = [];
    scope.subscribe((event) => void events.push(event));
    const own = { count: 9 };
    expect(await scope.transact(() => own)).toBe(own);
    expect(scope.version).toBe(0);
    const both = await scope.transact((draft) => {
      draft.count = 1;
      return own;
    });
    expect(both).toBe(own);
    expect(Object.isFrozen(own)).toBe(false);
    expect(scope.state).toEqual({ ...shop(), count: 1 });
    expect(events.map(({ operation, version }) => [operation, version])).toEqual([["update", 1]]);
  });

  it("gives the committed state for the draft itself", async () => {
    const scope = open();
    const changed = await scope.transact((draft) => {
      draft.count = 3;
      return draft;
    });
    expect(changed).toBe(scope.state);
    expect(await scope.transact((draft) => draft)).toBe(scope.state);
  });

  it("gives frozen committed values for drafts anywhere in the result", async () => {
    const scope = open();
    const found = await scope.transact((draft) => {
      const [tea, ice] = draft.items;
      if (tea === undefined || ice === undefined) throw new Error("two items");
      tea.tags.push("green");
      draft.items.push({ name: "new", tags: [] });
      draft.seen = new Map([["ice", ice]]);
      const last = draft.items.at(-1);
      return {
        list: [tea, { deep: ice.tags }],
        map: new Map([["tea", tea]]),
        keyed: new Map([[tea, 1]]),
        set: new Set([draft.best]),
        last,
        own: { free: true },
      };
    });
    const [tea, ice, last] = scope.state.items;
    expect(found.list).toEqual([tea, { deep: ice?.tags }]);
    expect(found.list[0]).toBe(tea);
    expect(found.map.get("tea")).toBe(tea);
    expect([...found.keyed.keys()][0]).toBe(tea);
    expect([...found.set]).toEqual([scope.state.best]);
    expect(found.last).toBe(last);
    expect([found.list[0], found.last, ...found.set].every(isDeepFrozen)).toBe(true);
    found.own.free = false; // It belongs to the caller.
    expect(found.list[0]).toEqual({ name: "tea", tags: ["hot", "green"] });
  });

  it("gives a frozen copy of what was removed, also changed before", async () => {
    const scope = open();
    const [first, second] = await scope.transact((draft) => {
      const removed = draft.items.splice(0, 2);
      removed[0]?.tags.push("gone");
      return removed;
    });
    expect(first).toEqual({ name: "tea", tags: ["hot", "gone"] });
    expect(second).toEqual({ name: "ice", tags: [] });
    expect(isDeepFrozen(first) && isDeepFrozen(second)).toBe(true);
    expect(scope.state.items).toEqual([]);
  });

  it("keeps a result with a circle, and what is no plain container", async () => {
    const scope = open();
    const found = await scope.transact((draft) => {
      const ring: { self?: unknown; item: unknown } = { item: draft.items[0] };
      ring.self = ring;
      return ring;
    });
    expect(found.self).toBe(found);
    expect(found.item).toBe(scope.state.items[0]);
    const own: { self?: unknown } = {};
    own.self = own;
    expect(await scope.transact(() => own)).toBe(own);
    const page = new Page([1]);
    expect(await scope.transact(() => page)).toBe(page);
  });

  it("shows the defaults that the schema filled in", async () => {
    const schema = z.object({ user: z.object({ lang: z.string() }).default({ lang: "en" }) });
    const scope = createScope({ initial: { user: { lang: "de" } }, schema });
    const found = await scope.transact((draft) => {
      Reflect.deleteProperty(draft, "user");
      return { state: draft };
    });
    expect(found).toEqual({ state: { user: { lang: "en" } } });
  });

  it("rejects with what the recipe threw and changes nothing", async () => {
    const scope = open();
    const mine = new Error("mine");
    const thrown = scope.transact((draft) => {
      draft.count = 9;
      throw mine;
    });
    await expect(thrown).rejects.toBe(mine);
    const unstorable = scope.transact((draft) => void Reflect.set(draft, "count", () => 1));
    await rejection(unstorable, "STATE_NOT_SERIALIZABLE");
    await rejection(scope.transact(undefined as never), "STATE_TYPE");
    expect(scope.state).toEqual(shop());
    expect(scope.version).toBe(0);
  });

  it("runs again after a conflict; the result of the saved run counts", async () => {
    const persist = tableBridge<Shop>();
    const one = createScope({ initial: shop(), persist });
    persist.write({ ...shop(), count: 5 });
    const attempts: number[] = [];
    const call = one.transact((draft, { attempt, signal }) => {
      attempts.push(attempt);
      draft.count += 1;
      return [draft.count, signal.aborted, draft.items];
    });
    expect(await call).toEqual([6, false, shop().items]);
    expect(attempts).toEqual([1, 2]);
  });

  it("gives each call of a batch the state after it", async () => {
    const persist = tableBridge<Shop>();
    const scope = createScope({ initial: shop(), persist });
    const add = (draft: Shop): Shop => {
      draft.count += 1;
      return draft;
    };
    const states = await Promise.all([scope.transact(add), scope.transact(add)]);
    expect(states.map(({ count }) => count)).toEqual([1, 2]);
    expect(states[1]).toBe(scope.state);
    expect(persist.saves).toHaveLength(1);
  });
});

describe("appendState", () => {
  it("appends each value with one event of operation push", async () => {
    const scope = createScope<{ list?: number[]; text: string }>({ initial: { text: "" } });
    const events: StateChange[] = [];
    scope.subscribe((event) => void events.push(event));
    expect(await scope.appendState("list", [1, 2])).toBe(true);
    expect(await scope.appendState("list", [3, 4, 5])).toBe(true);
    expect(await scope.appendState("list", [])).toBe(false);
    expect(scope.state.list).toEqual([1, 2, 3, 4, 5]);
    expect(events).toHaveLength(2);
    expect(events[1]).toMatchObject({
      operation: "push",
      path: "list",
      delta: { list: [3, 4, 5] },
      patches: [
        { op: "add", path: ["list", 2], value: 3 },
        { op: "add", path: ["list", 3], value: 4 },
        { op: "add", path: ["list", 4], value: 5 },
      ],
    });
  });

  it("refuses what is no list, copies in what it is given, and writes all or nothing", async () => {
    const scope = createScope<{ list: unknown[]; text: string }>({
      initial: { list: [], text: "" },
    });
    await rejection(scope.appendState("list", 1 as never), "STATE_TYPE");
    await rejection(scope.appendState("text" as never, [1] as never), "STATE_TYPE");
    await rejection(scope.appendState("list", [1, () => 1]), "STATE_NOT_SERIALIZABLE");
    expect(scope.version).toBe(0);
    const own = { n: 1 };
    await scope.appendState("list", [own]);
    own.n = 2;
    expect(scope.state.list).toEqual([{ n: 1 }]);
    expect(isDeepFrozen(scope.state)).toBe(true);
  });
});
