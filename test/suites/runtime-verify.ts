/** V1: a result that writes nothing rests on a current state, also beside other writers. */
import { describe, expect, it } from "vitest";
import { StoreUnavailableError } from "../../actors/errors.ts";
import { defineKind } from "../../src/runtime/kinds.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import type { Scope } from "../../src/runtime/scope.ts";
import { steer, World, type RuntimeStores } from "./runtime-world.ts";
import { gate, rejection, settled } from "../support/waiting.ts";

interface Chat {
  mode?: string;
  gold?: number;
  owner?: string;
}

const POOR = new Error("poor");

/** Refuses to spend what is not there. */
function spend({ gold = 0 }: Readonly<Chat>): Chat {
  if (gold < 5) throw POOR;
  return { gold: gold - 5 };
}

/** Takes what has no owner. */
function claim(by: string): (state: Readonly<Chat>) => Chat | undefined {
  return ({ owner }) => (owner === undefined ? { owner: by } : undefined);
}

/** A runtime that keeps an older copy of a record, and one that writes it. */
async function pairOf(stores: RuntimeStores, options: Parameters<World["pair"]>[0] = {}) {
  const world = new World(stores);
  const [writer, reader] = world.pair({ watch: false, ...options });
  const [mine, older] = await Promise.all(
    [writer, reader].map((runtime) => runtime.open<Chat>("session", "s")),
  );
  if (mine === undefined || older === undefined) throw new Error("two scopes");
  return { world, writer, reader, mine, older };
}

/** Claims about results that write nothing, on a store that others may write. */
export function verifyCases(stores: RuntimeStores): void {
  describe("V1 results that write nothing", () => {
    it("lose no update to a patch that equals an older copy", async () => {
      const { mine, older } = await pairOf(stores);
      await mine.patchState({ mode: "chat" });
      await older.refresh();
      for (let round = 0; round < 20; round += 1) {
        expect(await mine.patchState({ mode: "agent" })).toBe(true);
        expect(await older.patchState({ mode: "chat" })).toBe(true);
        await mine.refresh();
        expect(mine.state).toEqual({ mode: "chat" });
      }
    });

    it("let no guard throw for what was stored meanwhile", async () => {
      const { mine, older } = await pairOf(stores);
      await mine.patchState({ gold: 10 });
      expect(await older.atomicState(spend)).toBe(true);
      expect(older.state).toEqual({ gold: 5 });
      await mine.refresh();
      await mine.patchState({ gold: 4 });
      await expect(older.atomicState(spend)).rejects.toBe(POOR);
      expect(older.state).toEqual({ gold: 4 });
    });

    it("give a claim to one of two, and to another once it is free", async () => {
      const { mine, older } = await pairOf(stores);
      const claims = [mine.atomicState(claim("a")), older.atomicState(claim("b"))];
      expect((await Promise.all(claims)).filter(Boolean)).toHaveLength(1);
      await Promise.all([mine.refresh(), older.refresh()]);
      await mine.delete();
      expect(await older.atomicState(claim("b"))).toBe(true);
    });

    it("are false for what is equal in the store, with no save, version or event", async () => {
      const { mine, older } = await pairOf(stores);
      await mine.patchState({ mode: "chat" });
      await older.refresh();
      const seen: unknown[] = [];
      older.subscribe((change) => seen.push(change));
      expect(await older.patchState({ mode: "chat" })).toBe(false);
      expect([older.version, seen]).toEqual([1, []]);
    });

    it("read what is stored", async () => {
      const { mine, older } = await pairOf(stores);
      await mine.patchState({ gold: 1 });
      expect(await older.read()).toEqual({ gold: 1 });
      expect(older.state).toEqual({ gold: 1 });
    });

    it("are local where a kind says so; a read is verified all the same", async () => {
      const kinds = { session: defineKind({ answers: "local" as const }) };
      const { mine, older } = await pairOf(stores, { kinds });
      await mine.patchState({ mode: "chat" });
      await older.refresh();
      await mine.patchState({ mode: "agent" });
      expect(await older.patchState({ mode: "chat" })).toBe(false);
      expect(await older.read()).toEqual({ mode: "agent" });
    });

    it("are refused, never false, when there is no retry", async () => {
      const { mine, older } = await pairOf(stores, { cas: { maxRetries: 0, escalate: false } });
      await mine.patchState({ mode: "chat" });
      await older.refresh();
      await mine.patchState({ mode: "agent" });
      await rejection(older.patchState({ mode: "chat" }), "CONCURRENT_MODIFICATION");
      expect(await older.patchState({ mode: "agent" })).toBe(false);
    });

    it("run again in order, with the changes they stand beside", async () => {
      const { mine, older } = await pairOf(stores);
      await mine.patchState({ gold: 5 });
      const calls = [older.atomicState(spend), older.atomicState(spend), older.patchState({})];
      const [first, second, third] = await Promise.allSettled(calls);
      expect(first).toEqual({ status: "fulfilled", value: true });
      expect(second).toEqual({ status: "rejected", reason: POOR });
      expect(third).toEqual({ status: "fulfilled", value: false });
    });

    storeCases(stores);
    transactionCases(stores);
  });
}

/** What the store sees of it. */
function storeCases(stores: RuntimeStores): void {
  const steeredPair = async () => {
    const world = new World(stores);
    const steered = steer(world.store());
    const runtime = world.runtime({ store: steered, watch: false });
    const scope = await runtime.open<Chat>("session", "s");
    await scope.patchState({ mode: "chat" });
    return { steered, runtime, scope };
  };

  it("are sent with the commits of the same tick", async () => {
    const { steered, runtime, scope } = await steeredPair();
    const other = await runtime.open<Chat>("session", "t");
    const sent: string[] = [];
    steered.before = (operation) => void sent.push(operation);
    const calls = [scope.patchState({ mode: "chat" }), other.patchState({ gold: 1 })];
    expect(await Promise.all(calls)).toEqual([false, true]);
    // A store that refuses a second owner has nothing to say about versions.
    const { checks = false, shared = true } = steered.supports;
    expect(sent).toEqual(checks || !shared ? ["commit"] : ["load", "commit"]);
  });

  it("reject with what keeps the store from being asked", async ({ skip }) => {
    const { steered, scope } = await steeredPair();
    if (steered.supports.shared === false) skip("the store has one owner and is not asked");
    steered.before = () => {
      throw new StoreUnavailableError("away");
    };
    await rejection(scope.patchState({ mode: "chat" }), "STORE_UNAVAILABLE");
    await rejection(scope.read(), "STORE_UNAVAILABLE");
    expect(scope.state).toEqual({ mode: "chat" });
  });

  it("end with the caller's reason while the store is asked: nothing was written", async ({
    skip,
  }) => {
    const { steered, scope } = await steeredPair();
    if (steered.supports.shared === false) skip("the store has one owner and is not asked");
    const held = gate();
    steered.before = () => held.promise;
    const abort = new AbortController();
    const call = scope.patchState({ mode: "chat" }, { signal: abort.signal });
    await settled();
    abort.abort("left");
    await expect(call).rejects.toBe("left");
    held.open();
    expect(await scope.patchState({ mode: "new" })).toBe(true);
  });

  it.each(["checkpoint", "volatile"] as const)(
    "come from memory for %s kinds",
    async (durability) => {
      const world = new World(stores);
      const steered = steer(world.store());
      const kinds = { session: defineKind({ durability }) };
      const runtime = world.runtime({ store: steered, watch: false, kinds });
      const scope = await runtime.open<Chat>("session", "s");
      await scope.patchState({ mode: "chat" });
      await scope.flush();
      steered.before = () => {
        throw new StoreUnavailableError("away");
      };
      expect(await scope.patchState({ mode: "chat" })).toBe(false);
      await expect(scope.atomicState(spend)).rejects.toBe(POOR);
      expect(await scope.read()).toEqual({ mode: "chat" });
    },
  );
}

/** Transactions that read. */
function transactionCases(stores: RuntimeStores): void {
  const opened = async (runtime: Runtime): Promise<[Scope<Chat>, Scope<Chat>]> => [
    await runtime.open<Chat>("user", "a"),
    await runtime.open<Chat>("user", "b"),
  ];
  const worlds = async (options: Parameters<World["pair"]>[0] = {}) => {
    const world = new World(stores);
    const [here, there] = world.pair({ watch: false, ...options });
    const theirs = await opened(there);
    return { there, mine: await opened(here), theirs };
  };
  const cannot = (): boolean => !new World(stores).store().supports.transactions;

  it("verify a transaction's scopes that were only read", async ({ skip }) => {
    if (cannot()) skip("the store has no transactions");
    const { there, mine, theirs } = await worlds();
    await mine[0].patchState({ gold: 7 });
    const done = await there.transaction(theirs, (a, b) => {
      b.gold = a.gold ?? 0;
    });
    expect([done, theirs[1].state]).toEqual([true, { gold: 7 }]);
  });

  it("verify a transaction that changes nothing, or throws", async ({ skip }) => {
    if (cannot()) skip("the store has no transactions");
    const { there, mine, theirs } = await worlds();
    await mine[0].patchState({ gold: 7 });
    let seen: unknown;
    const done = there.transaction(theirs, (a) => {
      seen = a.gold;
    });
    expect([await done, seen]).toEqual([false, 7]);
    await mine[0].patchState({ gold: 8 });
    await there.transaction(theirs, (a) => {
      if (a.gold !== 8) throw POOR;
    });
    await mine[1].patchState({ mode: "x" });
    const refused = there.transaction(theirs, (_a, b) => {
      throw b.mode === "x" ? POOR : new Error("an older copy");
    });
    await expect(refused).rejects.toBe(POOR);
  });
}
