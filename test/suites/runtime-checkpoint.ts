/** Checkpoint scopes: answered from memory, stored behind. */
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { CommitUnknownError } from "../../actors/errors.ts";
import { defineKind, type Kind } from "../../src/runtime/kinds.ts";
import { residentOf } from "../../src/runtime/handle.ts";
import {
  add,
  steer,
  World,
  type Counter,
  type RuntimeStores,
  type SteeredStore,
} from "./runtime-world.ts";
import { gate, rejection, settled, until } from "../support/waiting.ts";

/** Claims about the checkpoint durability. */
export function checkpointCases(stores: RuntimeStores): void {
  describe("a checkpoint scope", () => {
    async function begin() {
      const world = new World(stores);
      const store = steer(world.store());
      const runtime = world.runtime({ store });
      const scope = await runtime.open<Counter>("draft", "s");
      const stored = async () => {
        const other = await world.runtime().open<Counter>("draft", "s");
        return [other.state, other.version];
      };
      return { world, store, runtime, scope, stored };
    }

    const refuse = (store: SteeredStore, error = new Error("down")): void => {
      store.before = (operation) => {
        if (operation === "commit") throw error;
      };
    };

    it("answers from memory and folds what comes while it is being written", async () => {
      const { store, scope, stored } = await begin();
      const held = gate();
      store.before = (operation) => (operation === "commit" ? held.promise : undefined);
      for (let n = 1; n <= 100; n += 1) {
        expect(await scope.atomicState(add)).toBe(true);
        expect([scope.state.n, scope.version]).toEqual([n, n]);
      }
      const flushed = scope.flush();
      held.open();
      await flushed;
      expect(store.writes).toBeLessThanOrEqual(2);
      expect(await stored()).toEqual([{ n: 100 }, 100]);
      await scope.flush();
      expect(store.writes).toBeLessThanOrEqual(2);
    });

    it("writes a change made in the moment a write ends", async () => {
      const { scope, stored } = await begin();
      for (let round = 1; round <= 40; round += 1) {
        await scope.atomicState(add);
        const flushing = scope.flush();
        let left = round % 8;
        const hop = (): Promise<unknown> =>
          left-- > 0 ? Promise.resolve().then(hop) : scope.atomicState(add);
        await flushing.then(hop);
      }
      await until(() => residentOf(scope)?.isStored === true);
      expect(await stored()).toEqual([{ n: 80 }, 80]);
    });

    it("a flush ends though changes keep coming", async () => {
      const { scope } = await begin();
      const control = new AbortController();
      const busy = (async () => {
        while (!control.signal.aborted) {
          await scope.atomicState(add);
          await new Promise((resolve) => {
            setImmediate(resolve);
          });
        }
      })();
      await scope.atomicState(add);
      await scope.flush();
      control.abort();
      await busy;
      expect(scope.version).toBeGreaterThan(0);
    });

    it.each(["stop", "close"] as const)("is stored by %s", async (how) => {
      const { runtime, scope, stored } = await begin();
      for (let n = 0; n < 5; n += 1) void scope.atomicState(add);
      if (how === "stop") await scope.stop();
      else await runtime.close();
      expect(await stored()).toEqual([{ n: 5 }, 5]);
    });

    it("a write that failed is logged, counted and made at the next occasion", async () => {
      const { world, store, scope, stored } = await begin();
      refuse(store);
      expect(await scope.atomicState(add)).toBe(true);
      await settled(30);
      expect(Reflect.get(scope, "checkpointErrors")).toBe(1);
      expect(world.logger.lines).toEqual([
        {
          message: "a checkpoint was not stored",
          fields: expect.objectContaining({ version: 1 }) as object,
        },
      ]);
      await expect(scope.flush()).rejects.toThrow("down");
      store.before = () => undefined;
      expect(await stored()).toEqual([{}, 0]);
      await scope.atomicState(add);
      await scope.flush();
      expect(await stored()).toEqual([{ n: 2 }, 2]);
    });

    it("a failed last write is told by stop and by close", async () => {
      const one = await begin();
      refuse(one.store);
      await one.scope.atomicState(add);
      await expect(one.scope.stop()).rejects.toThrow("down");
      const two = await begin();
      refuse(two.store);
      await two.scope.atomicState(add);
      await expect(two.runtime.close()).rejects.toThrow("down");
      await rejection(two.runtime.open("user", "u"), "RUNTIME_CLOSED");
    });

    it.each(["at once", "later", "in a transaction"])(
      "a first change made %s and flushed by its listener is stored as it is",
      async (how) => {
        const { runtime, scope, stored } = await begin();
        const flushes: Promise<void>[] = [];
        scope.subscribe(() => void flushes.push(scope.flush()));
        if (how === "at once") await scope.patchState({ n: 1 });
        else if (how === "later") await scope.atomicState(async (state) => add(state));
        else await runtime.transaction([scope], (draft) => void (draft.n = 1));
        expect(flushes).toHaveLength(1);
        await Promise.all(flushes);
        expect(await stored()).toEqual([{ n: 1 }, 1]);
      },
    );

    it("a write whose answer was lost counts when it is found in the store", async () => {
      const { world, store, scope, stored } = await begin();
      const inner = world.store();
      const commit = store.commit.bind(store);
      store.commit = async (writes, options) => {
        store.commit = commit;
        await inner.commit(writes, options);
        throw new CommitUnknownError();
      };
      await scope.atomicState(add);
      await until(() => Reflect.get(scope, "checkpointErrors") === 1);
      await scope.atomicState(add);
      await scope.flush();
      expect(await stored()).toEqual([{ n: 2 }, 2]);
    });

    it("a conflict makes its changes again on the state of the other", async () => {
      const { world, runtime, scope, stored } = await begin();
      await scope.atomicState(add);
      await scope.flush();
      const other = await world.runtime().open<Counter>("draft", "s");
      await other.setState({ n: 10 });
      await other.flush();
      await scope.atomicState(add);
      await scope.flush();
      expect([scope.state, scope.version]).toEqual([{ n: 11 }, 3]);
      expect(await stored()).toEqual([{ n: 11 }, 3]);
      await runtime.close();
    });

    it("overwrites nothing that its schema refused on refresh", async () => {
      const world = new World(stores);
      const schema = z.object({ n: z.number().optional() });
      // One that hears of the other's writes would refuse the next mutation already.
      const open = (kind: Kind) =>
        world.runtime({ kinds: { note: kind }, watch: false }).open("note", "1");
      const mine = await open(defineKind({ durability: "checkpoint", schema, initial: {} }));
      await mine.setState({ n: 1 });
      await mine.flush();
      const other = await open(defineKind({ durability: "checkpoint" }));
      await other.setState({ n: "text" });
      await other.setState({ n: "other" });
      await other.flush();
      await rejection(mine.refresh(), "STATE_INVALID");
      for (let n = 2; n <= 5; n += 1) await mine.setState({ n });
      await rejection(mine.flush(), "CONCURRENT_MODIFICATION");
      await other.refresh();
      expect([other.state, other.version]).toEqual([{ n: "other" }, 3]);
    });

    it("refresh takes back nothing that was answered", async () => {
      const { store, scope } = await begin();
      const versions: number[] = [];
      scope.subscribe(({ version }) => versions.push(version));
      for (let round = 0; round < 20; round += 1) {
        await scope.atomicState(add);
        const refreshed = scope.refresh();
        for (let hop = 0; hop < round; hop += 1) await Promise.resolve();
        const answered = scope.atomicState(add);
        await Promise.all([refreshed, answered]);
      }
      expect([scope.state, scope.version]).toEqual([{ n: 40 }, 40]);
      expect(versions).toEqual(versions.toSorted((a, b) => a - b));
      await scope.flush();
      expect(store.writes).toBeGreaterThan(0);
    });

    it("a delete is stored, with a version that goes on", async () => {
      const { scope, stored } = await begin();
      await scope.atomicState(add);
      expect(await scope.delete()).toBe(true);
      expect([scope.state, scope.version]).toEqual([{}, 2]);
      await scope.flush();
      expect(await stored()).toEqual([{}, 2]);
      await scope.atomicState(add);
      await scope.flush();
      expect(await stored()).toEqual([{ n: 1 }, 3]);
    });
  });
}
