/** Deletes that somebody else's writes come between. */
import { describe, expect, it } from "vitest";
import { createScope } from "../../../src/runtime/scope.ts";
import { tableBridge } from "../../support/table-bridge.ts";

interface Bag {
  n: number;
}
const initial: Bag = { n: 0 };

describe("delete", () => {
  it.each(["can", "cannot"])(
    "deletes a record it does not know of; its bridge %s load",
    async (can) => {
      const bridge = tableBridge<Bag>({ state: { n: 5 }, version: 4 });
      if (can === "cannot") delete bridge.load;
      const scope = createScope<Bag>({ initial, persist: bridge });
      expect(await scope.delete()).toBe(true);
      expect([scope.state, scope.version]).toEqual([{ n: 0 }, 5]);
      expect(bridge.stored).toEqual({ state: undefined, version: 5 });
      expect(await scope.delete()).toBe(false);
      await scope.incState({ n: 1 });
      expect(bridge.stored).toEqual({ state: { n: 1 }, version: scope.version });
    },
  );

  it("takes an exclusive turn to delete when its budget is spent", async () => {
    const bridge = tableBridge<Bag>();
    const cas = { maxRetries: 0, escalate: true };
    const scope = createScope<Bag>({ initial, persist: bridge, cas });
    await scope.incState({ n: 1 });
    let isKept = false;
    bridge.exclusive = async (turn) => {
      isKept = true;
      const done = await turn();
      isKept = false;
      return done;
    };
    bridge.plan = () => (isKept ? undefined : (bridge.write({ n: 7 }), undefined));
    bridge.write({ n: 6 });
    expect(await scope.delete()).toBe(true);
    expect(bridge.stored).toEqual({ state: undefined, version: scope.version });
  });

  it.each(["in memory", "with a bridge"])(
    "a scope %s is deleted by a listener of its first change",
    async (how) => {
      const persist = how === "in memory" ? {} : { persist: tableBridge<Bag>() };
      const scope = createScope<Bag>({ initial, ...persist });
      const deletes: Promise<boolean>[] = [];
      scope.subscribe(({ version }) => void (version === 1 && deletes.push(scope.delete())));
      await scope.incState({ n: 1 });
      expect(await Promise.all(deletes)).toEqual([true]);
      expect([scope.state, scope.version]).toEqual([{ n: 0 }, 2]);
    },
  );
});
