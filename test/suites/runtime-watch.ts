/** What other processes commit reaches a runtime: its scopes, its listeners and its readers. */
import { describe, expect, it } from "vitest";
import type { RuntimeFeedItem, StateChange } from "../../actors/protocol.ts";
import type { Scope } from "../../src/runtime/scope.ts";
import { add, World, type Counter, type RuntimeStores } from "./runtime-world.ts";
import { settled, until } from "../support/waiting.ts";

const TIMES = 100;

function notified(scope: Scope<Counter>): StateChange<Counter>[] {
  const changes: StateChange<Counter>[] = [];
  scope.subscribe((change) => void changes.push(change));
  return changes;
}

async function openTwice(world: World): Promise<[Scope<Counter>, Scope<Counter>]> {
  const [here, there] = world.pair();
  return [await here.open<Counter>("user", "u"), await there.open<Counter>("user", "u")];
}

/** Claims about stores whose commits can be watched. */
export function watchCases(stores: RuntimeStores): void {
  describe("changes of another process", () => {
    it("reach the state, the version and the listeners of a scope in memory", async () => {
      const [here, there] = await openTwice(new World(stores));
      const changes = notified(there);
      await here.patchState({ n: 7 });
      await until(() => there.version === 1);
      expect(there.state).toEqual({ n: 7 });
      expect(changes).toMatchObject([
        { operation: "refresh", origin: "remote", version: 1, scope: there.identity },
      ]);
      expect(changes[0]?.gap).toBeUndefined();
    });

    it("one after another come in order, each version at most once, up to the last", async () => {
      const [here, there] = await openTwice(new World(stores));
      const changes = notified(there);
      const feed = there.changes();
      const read: number[] = [];
      const reading = (async () => {
        for await (const item of feed) {
          read.push(item.version);
          if (item.version === TIMES) return;
        }
      })();
      for (let n = 0; n < TIMES; n += 1) await here.atomicState(add);
      await reading;
      const versions = changes.map(({ version }) => version);
      expect(versions).toEqual([...new Set(versions)].toSorted((a, b) => a - b));
      expect(versions.at(-1)).toBe(TIMES);
      expect(read).toEqual(versions);
      expect(there.state).toEqual({ n: TIMES });
    });

    it("are what the next mutation builds on, so that it meets no conflict", async () => {
      const [here, there] = await openTwice(new World(stores));
      const attempts: number[] = [];
      for (let n = 1; n <= 5; n += 1) {
        await here.atomicState(add);
        await until(() => there.version === here.version);
        await there.atomicState((state, turn) => {
          attempts.push(turn.attempt);
          return add(state);
        });
        await until(() => here.version === there.version);
      }
      expect([here.state.n, here.version]).toEqual([10, 10]);
      expect(attempts).toEqual([1, 1, 1, 1, 1]);
    });

    it("both ways at once lose nothing, and both sides end at the same", async () => {
      const [here, there] = await openTwice(new World(stores));
      const times = Array.from({ length: TIMES }, (_, at) => at);
      await Promise.all(
        [here, there].map(async (scope) => {
          for (const _ of times) await scope.atomicState(add);
        }),
      );
      await until(() => here.version === 2 * TIMES && there.version === 2 * TIMES);
      expect([here.state.n, there.state.n]).toEqual([2 * TIMES, 2 * TIMES]);
    });

    it("delete a scope here that was deleted there", async () => {
      const [here, there] = await openTwice(new World(stores));
      await here.patchState({ n: 1 });
      await until(() => there.version === 1);
      await here.delete();
      await until(() => there.version === 2);
      expect(there.state).toEqual({});
      expect(await there.patchState({ n: 3 })).toBe(true);
      expect(there.version).toBe(3);
    });

    it("to scopes nobody has in memory reach the listeners of the runtime as a whole", async () => {
      const world = new World(stores);
      const [here, there] = world.pair();
      await there.open("user", "other"); // It watches from here on.
      const changes: StateChange[] = [];
      there.subscribe((change) => void changes.push(change));
      const reader = there.changes()[Symbol.asyncIterator]();
      const scope = await here.open<Counter>("user", "u");
      await scope.patchState({ n: 1, list: [1, 2] });
      const next: IteratorResult<RuntimeFeedItem> = await reader.next();
      expect(next.value).toMatchObject({ origin: "remote", version: 1, scope: scope.identity });
      expect(changes).toMatchObject([
        { patches: [{ op: "replace", path: [], value: { n: 1, list: [1, 2] } }] },
      ]);
      expect(there.residentScopes).toBe(1);
    });

    it("of a bound session name its owner, and those of other namespaces are nobody's", async () => {
      const world = new World(stores);
      const [here, there] = world.pair();
      const foreign = world.runtime({ namespace: "foreign" });
      await there.open("user", "other");
      const changes: StateChange[] = [];
      there.subscribe((change) => void changes.push(change));
      const elsewhere = await foreign.open<Counter>("session", "s");
      await elsewhere.patchState({ n: 9 });
      const session = await here.open<Counter>("session", "s", { userId: "ann" });
      await session.patchState({ n: 1 });
      await until(() => changes.length > 0);
      await settled();
      expect(changes).toMatchObject([{ scope: { type: "session", id: "s", userId: "ann" } }]);
    });

    it("are not heard with `watch: false` until the scope reads or writes", async () => {
      const world = new World(stores);
      const [here, there] = [world.runtime(), world.runtime({ watch: false })];
      const mine = await here.open<Counter>("user", "u");
      const scope = await there.open<Counter>("user", "u");
      const other = await world.runtime().open<Counter>("user", "u");
      await mine.atomicState(add);
      await until(() => other.version === 1);
      await settled();
      expect(scope.version).toBe(0);
      await scope.atomicState(add);
      expect([scope.state.n, scope.version]).toEqual([2, 2]);
    });
  });
}
