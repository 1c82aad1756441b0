/** Data that is refused, several owners, and the end. */
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { CorruptStateError } from "../../actors/errors.ts";
import type { Json } from "../../actors/protocol.ts";
import { defineKind } from "../../src/runtime/kinds.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import { add, steer, World, type Counter, type RuntimeStores } from "./runtime-world.ts";
import { gate, rejection, settled } from "../support/waiting.ts";

/** Claims about records that cannot be opened. */
export function refusedCases(stores: RuntimeStores): void {
  describe("stored data", () => {
    const schema = z.object({ n: z.number().default(0) });
    const kinds = { strict: defineKind({ schema }) };

    async function put(world: World, key: string, state: Json): Promise<void> {
      const results = await world.store().commit([{ key, expectedVersion: 0, version: 1, state }]);
      expect(results).toEqual([{ ok: true, version: 1 }]);
    }

    async function get(world: World, key: string): Promise<unknown> {
      const [record] = await world.store().load([key]);
      return record?.state;
    }

    it.each([
      ["the schema refuses", { n: "text" }, "STATE_INVALID"],
      ["has a tag nobody knows", { n: { $holdfast: "later", value: "x" } }, "CORRUPT_STATE"],
      ["is no object", [1], "CORRUPT_STATE"],
      ["is no object at all", 7, "CORRUPT_STATE"],
      [
        "nests too deep",
        JSON.parse(`${'{"a":'.repeat(80)}1${"}".repeat(80)}`) as Json,
        "CORRUPT_STATE",
      ],
    ])("that %s is refused by open and stays as it is", async (_name, state, code) => {
      const world = new World(stores);
      const key = "holdfast/strict/s";
      await put(world, key, state);
      const runtime = world.runtime({ kinds });
      for (let round = 0; round < 2; round += 1) {
        const work = runtime.open("strict", "s");
        if (Array.isArray(state)) await expect(work).rejects.toThrow();
        else await rejection(work, code);
      }
      await runtime.close();
      expect(await get(world, key)).toEqual(state);
    });

    it("defaults of the schema are filled in on reading, and later changes below them are stored", async () => {
      const deep = z.object({
        text: z.string(),
        settings: z.object({ color: z.string().default("red") }).default({ color: "red" }),
        n: z.number().default(0),
      });
      const kind = defineKind({
        schema: deep,
        initial: { text: "", settings: { color: "red" }, n: 0 },
      });
      const world = new World(stores);
      const text = "x".repeat(50_000);
      await put(world, "holdfast/deep/s", { text });
      const open = (runtime: Runtime) =>
        runtime.open<{ settings: Record<string, string>; n: number }>("deep", "s");
      const first = world.runtime({ kinds: { deep: kind } });
      const scope = await open(first);
      expect(scope.state).toEqual({ text, settings: { color: "red" }, n: 0 });
      expect(await scope.setStateRecord("settings", "color", "blue")).toBe(true);
      expect(await scope.incState({ n: 2 })).toBe(true);
      await first.close();
      const again = await open(world.runtime({ kinds: { deep: kind } }));
      expect(again.state).toEqual({ text, settings: { color: "blue" }, n: 2 });
      expect(again.version).toBe(3);
    });

    it("that is damaged harms no neighbour read or written in the same tick", async () => {
      const world = new World(stores);
      const store = steer(world.store());
      const bad = "holdfast/user/bad";
      store.before = (_operation, keys) => {
        if (keys.includes(bad)) throw new CorruptStateError({ location: "here", reason: "torn" });
      };
      const runtime = world.runtime({ store });
      const ids = Array.from({ length: 30 }, (_, at) => (at === 17 ? "bad" : `u${at}`));
      const opened = await Promise.allSettled(ids.map((id) => runtime.open<Counter>("user", id)));
      const failed = opened.flatMap((end) =>
        end.status === "rejected" ? [end.reason as Error] : [],
      );
      expect(failed).toMatchObject([{ code: "CORRUPT_STATE" }]);
      const scopes = opened.flatMap((end) => (end.status === "fulfilled" ? [end.value] : []));
      expect(await Promise.all(scopes.map((scope) => scope.atomicState(add)))).toEqual(
        scopes.map(() => true),
      );
    });
  });
}

/** Claims about two runtimes on the same data. */
export function contentionCases(stores: RuntimeStores): void {
  describe("two runtimes on the same data", () => {
    const each = 500;

    it.each(["at once", "one after the other"])(
      "P8 lose none of 2 × 500 increments made %s",
      { timeout: 60_000 },
      async (how) => {
        const world = new World(stores);
        const scopes = await Promise.all(
          world.pair().map((runtime) => runtime.open<Counter>("user", "u")),
        );
        await Promise.all(
          scopes.map(async (scope) => {
            if (how === "at once")
              return Promise.all(Array.from({ length: each }, () => scope.atomicState(add)));
            for (let n = 0; n < each; n += 1) await scope.atomicState(add);
            return undefined;
          }),
        );
        for (const scope of scopes) {
          await scope.refresh();
          expect([scope.state.n, scope.version]).toEqual([2 * each, 2 * each]);
        }
      },
    );

    it("without escalation only conflicts fail, and what was answered is there", async () => {
      const world = new World(stores);
      const cas = { escalate: false, maxRetries: 1, baseDelayMs: 0 };
      const scopes = await Promise.all(
        [world.runtime({ cas }), world.runtime({ cas })].map((runtime) =>
          runtime.open<Counter>("user", "u"),
        ),
      );
      let done = 0;
      const codes = new Set<unknown>();
      await Promise.all(
        scopes.map(async (scope) => {
          for (let n = 0; n < 200; n += 1)
            await scope.atomicState(add).then(
              () => (done += 1),
              (error: unknown) => codes.add(Reflect.get(error as Error, "code")),
            );
        }),
      );
      for (const code of codes) expect(code).toBe("CONCURRENT_MODIFICATION");
      const last = await world.runtime().open<Counter>("user", "u");
      expect([last.state.n, last.version]).toEqual([done, done]);
    });

    it("P5 a version never goes back through delete and re-create, whoever does it", async () => {
      const world = new World(stores);
      const [mine, theirs] = await Promise.all(
        [world.runtime(), world.runtime()].map((runtime) => runtime.open<Counter>("user", "u")),
      );
      expect(mine !== undefined && theirs !== undefined).toBe(true);
      await mine?.atomicState(add);
      await theirs?.refresh();
      expect(await theirs?.delete()).toBe(true);
      expect(await mine?.atomicState(add)).toBe(true);
      expect([mine?.state, mine?.version]).toEqual([{ n: 1 }, 3]);
    });
  });
}

/** Claims about `close`. */
export function closeCases(stores: RuntimeStores): void {
  describe("close", () => {
    it("refuses everything that comes later with a typed error, and can be called twice", async () => {
      const runtime = new World(stores).runtime();
      const scope = await runtime.open<Counter>("user", "u");
      const closing = runtime.close();
      expect(runtime.close()).toBe(closing);
      await rejection(runtime.open("user", "u"), "RUNTIME_CLOSED");
      await closing;
      await rejection(runtime.open("user", "u"), "RUNTIME_CLOSED");
      await rejection(runtime.open("temp", "u"), "RUNTIME_CLOSED");
      await rejection(runtime.list(), "RUNTIME_CLOSED");
      await rejection(
        runtime.execute({ userId: "u", sessionId: "s" }, () => 1),
        "RUNTIME_CLOSED",
      );
      await rejection(
        runtime.transaction([scope], () => undefined),
        "RUNTIME_CLOSED",
      );
      await rejection(scope.atomicState(add), "SCOPE_STOPPED");
      await rejection(scope.refresh(), "SCOPE_STOPPED");
      await scope.flush();
      await scope.stop();
      expect(scope.state).toEqual({});
      await runtime[Symbol.asyncDispose]();
    });

    it("lets a load that is under way end, and refuses what comes after", async () => {
      const world = new World(stores);
      const store = steer(world.store());
      const held = gate();
      const runtime = world.runtime({ store });
      const ready = await runtime.open<Counter>("user", "ready");
      store.before = (operation) => (operation === "load" ? held.promise : undefined);
      const opening = runtime.open("user", "u");
      opening.catch(() => undefined);
      await settled();
      const closing = runtime.close();
      await rejection(ready.atomicState(add), "SCOPE_STOPPED");
      held.open();
      expect((await opening).version).toBe(0);
      await closing;
    });

    it("in no time stores what is being saved, refuses what waits", async () => {
      const world = new World(stores);
      const store = steer(world.store());
      const held = gate();
      const runtime = world.runtime({ store });
      const scope = await runtime.open<Counter>("user", "u");
      const hung = await runtime.open<Counter>("user", "hung");
      const never = hung.atomicState(() => new Promise(() => undefined));
      store.before = (operation) => (operation === "commit" ? held.promise : undefined);
      const saved = scope.atomicState(add);
      await settled();
      const queued = scope.atomicState(add);
      const closing = runtime.close({ drainMs: 0 });
      await rejection(never, "SCOPE_STOPPED");
      await rejection(queued, "SCOPE_STOPPED");
      held.open();
      expect(await saved).toBe(true);
      await closing;
      expect((await world.runtime().open<Counter>("user", "u")).state).toEqual({ n: 1 });
    });

    it("in no time ends a transaction and an execution that are under way", async () => {
      const world = new World(stores);
      const runtime = world.runtime();
      const scope = await runtime.open<Counter>("temp", "t");
      const hanging = runtime.transaction([scope], () => new Promise(() => undefined));
      const [inside, held] = [gate(), gate()];
      const executing = runtime.execute({ userId: "u" }, async (ctx) => {
        inside.open();
        await held.promise;
        await ctx.user.patchState({ n: 1 });
      });
      await settled();
      const refused = rejection(hanging, "SCOPE_STOPPED");
      const also = rejection(executing, "SCOPE_STOPPED");
      await inside.promise;
      await runtime.close({ drainMs: 0 });
      held.open();
      await Promise.all([refused, also]);
    });

    it("closes the stores of all kinds, though a scope could not be stored", async () => {
      const world = new World(stores);
      const [first, second] = [steer(world.store()), steer(world.store())];
      const closed: string[] = [];
      for (const [name, store] of Object.entries({ first, second })) {
        const close = store.close.bind(store);
        store.close = () => {
          closed.push(name);
          return close();
        };
      }
      const kinds = { far: defineKind({ store: second, durability: "checkpoint" }) };
      const runtime = world.runtime({ store: first, kinds });
      const scope = await runtime.open<Counter>("far", "f");
      second.before = () => {
        throw new Error("down");
      };
      await scope.atomicState(add);
      await expect(runtime.close()).rejects.toThrow("down");
      expect(closed.toSorted()).toEqual(["first", "second"]);
    });
  });
}
