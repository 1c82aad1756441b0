/** Versions of a kind, on any store: loads lift, saves store the version, newer records are refused. */
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { defineKind, type KindOptions } from "../../src/runtime/kinds.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import type { Scope } from "../../src/runtime/scope.ts";
import { rejection, until } from "../support/waiting.ts";
import { type RuntimeStores, World } from "./runtime-world.ts";

type Fields = Record<string, unknown>;

/** A name that became two, and then a list of them. */
const migrate = {
  2: ({ name, ...rest }: Fields) => ({ ...rest, first: String(name), last: "" }),
  3: (state: Fields) => {
    state["names"] = [state["first"], state["last"]];
    delete state["first"];
    delete state["last"];
    return state;
  },
};
const KINDS = {
  1: { note: defineKind() },
  2: { note: defineKind({ version: 2, migrate: { 2: migrate[2] } }) },
  3: { note: defineKind({ version: 3, migrate }) },
};
/** Steps to a version that change nothing. */
function same(version: number): KindOptions["migrate"] {
  const steps = [2, 3].filter((step) => step <= version);
  return Object.fromEntries(steps.map((step) => [step, (state: Fields) => state]));
}

const LIFTED = { names: ["Ann", ""], n: 1 };
const newer = { stored: 3, known: 1, scope: { type: "note", id: "a" } };

function open(runtime: Runtime, id = "a", type = "note"): Promise<Scope<Fields>> {
  return runtime.open<Fields>(type, id);
}

/** A world in which version 1 has stored `note/a`. */
async function written(stores: RuntimeStores): Promise<World> {
  const world = new World(stores);
  const runtime = world.runtime({ kinds: KINDS[1] });
  const scope = await open(runtime);
  await scope.transact((draft) => Object.assign(draft, { name: "Ann", n: 1 }), { once: "k" });
  await runtime.close();
  return world;
}

/** Registers the cases of one kind of store. */
export function versionCases(stores: RuntimeStores): void {
  describe("a version of a kind", () => {
    it("lifts what older ones stored, step by step; the next save stores it", async () => {
      const world = await written(stores);
      for (const version of [2, 3] as const) {
        const runtime = world.runtime({ kinds: KINDS[version] });
        const expected = version === 3 ? LIFTED : { first: "Ann", last: "", n: 1 };
        expect(await runtime.read("note", ["a"])).toEqual([{ version: 1, state: expected }]);
        const listed = await runtime.list({ type: "note", states: true });
        expect(listed.scopes).toEqual([{ type: "note", id: "a", version: 1, state: expected }]);
        const scope = await open(runtime);
        expect([scope.state, scope.version]).toEqual([expected, 1]); // Nothing was written.
        expect(Object.isFrozen(scope.state)).toBe(true);
        await scope.refresh();
        expect(await scope.read()).toEqual(expected);
        await runtime.close();
      }
      const last = world.runtime({ kinds: KINDS[3] });
      const scope = await open(last);
      expect(await scope.patchState({ n: 1 })).toBe(false);
      expect(await scope.incState({ n: 1 })).toBe(true);
      expect(await scope.incState({ n: 1 })).toBe(true);
      await last.close();
      const again = world.runtime({ kinds: { note: defineKind({ version: 3 }) } }); // Needs no step.
      expect((await open(again)).state).toEqual({ ...LIFTED, n: 3 });
      // The keys of once stay.
      expect(await (await open(again)).transact(() => "other", { once: "k" })).toMatchObject({
        name: "Ann",
      });
    });

    it.each(["commit", "checkpoint"] as const)(
      "refuses a newer record in a %s kind, and writes nothing",
      async (durability) => {
        const world = new World(stores);
        const kinds = (version: number): Record<string, KindOptions> => ({
          note: defineKind({ durability, version }),
          user: defineKind(),
        });
        const newest = world.runtime({ kinds: kinds(3) });
        const made = await open(newest);
        await made.patchState({ n: 1 });
        await made.flush();
        const old = world.runtime({ kinds: kinds(1) });
        expect(await rejection(open(old), "STATE_VERSION")).toMatchObject(newer);
        await rejection(old.read("note", ["a"]), "STATE_VERSION");
        await rejection(old.list({ type: "note", states: true }), "STATE_VERSION");
        expect(await old.list({ type: "note" })).toMatchObject({ ids: ["a"] });
        await made.refresh();
        expect([made.state, made.version]).toEqual([{ n: 1 }, 1]);
      },
    );

    it("refuses the calls of an older process that has the record in memory", async (test) => {
      const world = new World(stores);
      if (!world.store().supports.shared) return test.skip();
      const kinds = { ...KINDS[1], user: defineKind(), session: defineKind() };
      const [old, other] = world.pair({ watch: false, kinds });
      const scope = await open(old);
      await scope.patchState({ name: "Ann", n: 1 });
      await other.close();
      const newest = world.runtime({ watch: false, kinds: KINDS[3] });
      await (await open(newest)).incState({ n: 1 });
      const user = await old.open<Fields>("user", "u");
      const calls: Record<string, () => Promise<unknown>> = {
        write: () => scope.incState({ n: 1 }),
        "no change": () => scope.patchState({ n: 1 }),
        throw: () => scope.transact(() => Promise.reject(new Error("mine"))),
        once: () => scope.incState({ n: 1 }, { once: "k" }),
        read: () => scope.read(),
        refresh: () => scope.refresh(),
        exclusive: () => scope.exclusive((kept) => kept.incState({ n: 1 })),
        delete: () => scope.delete(),
      };
      if (world.store().supports.transactions)
        calls["transaction"] = () =>
          old.transaction([user, scope], (a, b) => void ((a["n"] = 1), (b["n"] = 5)));
      for (const [name, call] of Object.entries(calls)) {
        const error = await rejection(call(), "STATE_VERSION");
        expect([name, error]).toMatchObject([name, newer]);
      }
      expect(user.version).toBe(0);
      expect(await newest.read("note", ["a"])).toEqual([
        { version: 2, state: { names: ["Ann", ""], n: 2 } },
      ]);
      return undefined;
    });

    it("keeps the acknowledged changes of an older checkpoint process out, and says so", async (test) => {
      const world = new World(stores);
      if (!world.store().supports.shared) return test.skip();
      const kind = (version: number): Record<string, KindOptions> => ({
        note: defineKind({ durability: "checkpoint", version, migrate: same(version) }),
      });
      const [old, other] = world.pair({ watch: false, kinds: kind(1) });
      const scope = await open(old);
      await scope.patchState({ n: 1 });
      await scope.flush();
      await other.close();
      const newest = world.runtime({ watch: false, kinds: kind(3) });
      await (await open(newest)).transact((draft) => (draft["n"] = 10));
      await (await open(newest)).flush();
      await scope.incState({ n: 1 });
      await rejection(scope.flush(), "STATE_VERSION");
      await rejection(scope.flush(), "STATE_VERSION"); // It stays unstored.
      expect(await newest.read("note", ["a"])).toEqual([{ version: 2, state: { n: 10 } }]);
      return undefined;
    });

    it("refuses a bound execution, and changes nothing", async () => {
      const world = new World(stores);
      const first = world.runtime({ kinds: { session: defineKind({ version: 2 }) } });
      await first.execute({ sessionId: "s", userId: "u" }, async ({ session }) => {
        await session.patchState({ n: 1 });
      });
      await first.close();
      const old = world.runtime();
      let runs = 0;
      const run = old.execute({ sessionId: "s", userId: "u" }, () => {
        runs += 1;
        return Promise.resolve();
      });
      await rejection(run, "STATE_VERSION");
      expect(runs).toBe(0);
    });

    it("refuses a state that cannot be lifted, and writes nothing", async () => {
      const world = await written(stores);
      let rejected = 0;
      const bad: Record<string, [KindOptions["migrate"], string]> = {
        missing: [{ 3: migrate[3] }, "version 2 is missing"],
        none: [undefined, "version 2 is missing"],
        throws: [
          {
            2: () => {
              throw new Error("mine");
            },
          },
          "version 2 threw",
        ],
        async: [
          { 2: () => Promise.reject(new Error(`${(rejected += 1)}`)) },
          "version 2 returned Promise",
        ],
        array: [{ 2: () => [] }, "version 2 returned array"],
        nothing: [{ 2: migrate[2], 3: () => undefined as never }, "version 3 returned undefined"],
        unstorable: [{ 2: () => ({ f: () => 1 }) }, "returned what cannot be stored"],
      };
      for (const [name, [steps, reason]] of Object.entries(bad)) {
        const kinds = { note: defineKind({ version: 3, migrate: steps }) };
        const runtime = world.runtime({ kinds });
        const error = await rejection(open(runtime), "STATE_VERSION");
        const fields = { stored: 1, known: 3, scope: { type: "note", id: "a" } };
        expect([name, error]).toMatchObject([name, fields]);
        expect(String(error)).toContain(reason);
        expect(String(error)).not.toContain("Ann");
        await rejection(runtime.read("note", ["a"]), "STATE_VERSION");
        await runtime.close();
      }
      expect(rejected).toBe(2);
      const good = await open(world.runtime({ kinds: KINDS[3] }));
      expect([good.state, good.version]).toEqual([LIFTED, 1]);
    });

    it("lifts before the schema and the end of a state", async () => {
      const world = await written(stores);
      const schema = z.object({ n: z.number().optional(), name: z.undefined().optional() });
      const ends: unknown[] = [];
      const livesUntil = (state: object): number => (ends.push({ ...state }), Infinity);
      const steps = { 2: () => ({ n: 7 }) };
      const kind = defineKind({ version: 2, migrate: steps, schema, livesUntil, initial: {} });
      const scope = await open(world.runtime({ kinds: { note: kind } }));
      expect(scope.state).toEqual({ n: 7 });
      expect(ends).not.toContainEqual(expect.objectContaining({ name: "Ann" }));
    });

    it("takes no version back: a deleted record begins again in any version", async () => {
      const world = new World(stores);
      const newest = world.runtime({ kinds: KINDS[3] });
      const made = await open(newest);
      await made.patchState({ names: [] });
      await made.delete();
      await newest.close();
      const old = await open(world.runtime({ kinds: KINDS[1] }));
      expect([old.state, old.version]).toEqual([{}, 2]);
      await old.patchState({ name: "Bob" });
      expect((await open(world.runtime({ kinds: KINDS[2] }))).state).toEqual({
        first: "Bob",
        last: "",
      });
    });

    it("logs a newer record that an older watching process reads for its listeners", async (test) => {
      const world = new World(stores);
      if (!world.store().supports.watch) return test.skip();
      const old = world.runtime({ kinds: KINDS[1] });
      const versions: number[] = [];
      old.subscribe(({ version }) => versions.push(version));
      const scope = await open(old, "b");
      await scope.patchState({ name: "Bob" });
      const newest = world.runtime({ kinds: KINDS[3] });
      await (await open(newest, "b")).patchState({ n: 2 });
      await (await open(newest, "c")).patchState({ n: 2 });
      await until(() => world.logger.lines.some((line) => JSON.stringify(line).includes("note/c")));
      await rejection(scope.patchState({ n: 3 }), "STATE_VERSION");
      expect([scope.state, scope.version, versions]).toEqual([{ name: "Bob" }, 1, [1]]);
      return undefined;
    });
  });
}
