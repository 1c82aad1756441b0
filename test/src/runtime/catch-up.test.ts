/** Many scopes that are behind the store at once. */
import { describe, expect, it } from "vitest";
import { CatchUps, READS_MAX } from "../../../src/runtime/catch-up.ts";
import { memoryStore } from "../../../src/stores/memory/store.ts";
import { add, steer, World, type Counter } from "../../suites/runtime-world.ts";
import { watchedStores } from "../../support/watched-store.ts";
import { gate, settled, until } from "../../support/waiting.ts";

const MANY = READS_MAX * 4;

/** A runtime with many scopes in memory that has missed one change of each. */
async function setUp() {
  const line = watchedStores(memoryStore());
  const world = new World({ name: "watched memory", several: true, open: () => line.open() });
  const store = steer(line.open());
  const [here, there] = [world.runtime(), world.runtime({ store })];
  const ids = Array.from({ length: MANY }, (_, at) => `s${at}`);
  const mine = await Promise.all(ids.map((id) => here.open<Counter>("user", id)));
  const scopes = await Promise.all(ids.map((id) => there.open<Counter>("user", id)));
  line.cut();
  await Promise.all(mine.map((scope) => scope.atomicState(add)));
  await settled();
  return { line, scopes, store };
}

describe("scopes that may have missed something", () => {
  it("P1, P2: all read the store, at most READS_MAX at once", async () => {
    const { line, scopes, store } = await setUp();
    const held = gate();
    let [underWay, most] = [0, 0];
    store.before = async (_operation, keys) => {
      underWay += keys.length;
      most = Math.max(most, underWay);
      await held.promise;
      underWay -= keys.length;
    };
    line.mend();
    await settled(30);
    expect(underWay).toBe(READS_MAX);
    held.open();
    await until(() => scopes.every(({ version }) => version === 1));
    expect(most).toBe(READS_MAX);
  });

  it("P2: one that hears of more while it reads, or cannot read now, reads again", async () => {
    const results = ["over", "later", "again", "over"] as const;
    const gates = results.map(() => gate());
    const later: (() => void)[] = [];
    let reads = 0;
    const scope = {
      stale: true,
      async catchUp() {
        const at = reads++;
        await gates[at]?.promise;
        scope.stale = at < results.length - 1;
        return results[at] ?? "over";
      },
    };
    const catchUps = new CatchUps((callback) => void later.push(callback));
    catchUps.add(scope);
    catchUps.add(scope);
    expect(reads).toBe(1);
    gates[0]?.open();
    await settled();
    gates[1]?.open();
    await settled();
    expect([reads, later.length]).toEqual([2, 1]);
    later[0]?.();
    gates[2]?.open();
    await settled();
    expect(reads).toBe(4);
    gates[3]?.open();
    await settled();
    catchUps.add(scope); // It is not behind any more.
    expect([reads, later.length]).toEqual([4, 1]);
  });

  it("P3: one that waits for its place reads first when it is used", async () => {
    const { line, scopes, store } = await setUp();
    const held = gate();
    let calls = 0;
    store.before = (operation) =>
      operation === "load" && calls++ === 0 ? held.promise : undefined;
    line.mend();
    await settled();
    const last = scopes.at(-1);
    expect(await last?.atomicState(add)).toBe(true);
    expect([last?.state, last?.version]).toEqual([{ n: 2 }, 2]);
    held.open();
    await until(() => scopes.every(({ version }) => version >= 1));
    expect(last?.version).toBe(2);
  });

  it("of a runtime that closes meanwhile report nothing", async () => {
    const line = watchedStores(memoryStore());
    const world = new World({ name: "watched memory", several: true, open: () => line.open() });
    const [here, there] = [world.runtime(), world.runtime()];
    const [busy, idle] = [await here.open("user", "busy"), await here.open("user", "idle")];
    const theirs = await there.open<Counter>("user", "idle");
    const held = gate();
    const last = busy.atomicState(async () => {
      await held.promise;
      await theirs.incState({ n: 1 }); // Reported in the context of a call that is still let in.
      await settled();
      return { n: 1 };
    });
    const closing = here.close();
    await settled();
    held.open();
    expect(await last).toBe(true);
    await closing;
    expect(idle.version).toBe(0);
    expect(world.logger.lines).toEqual([]);
  });
});
