/** `changes({ since })` of scopes with a history. */
import { describe, expect, it } from "vitest";
import type { FeedItem } from "../../actors/protocol.ts";
import { FEED_BUFFER_MAX } from "../../actors/scope/change-stream.ts";
import type { Scope } from "../../src/runtime/scope.ts";
import { applyPatches } from "../../src/patches/apply-patches.ts";
import { count, type Doc, KINDS, open } from "../support/history.ts";
import { settled } from "../support/waiting.ts";
import { type RuntimeStores, World } from "./runtime-world.ts";

type Items = AsyncIterator<FeedItem<Doc>>;

function feedOf(scope: Scope<Doc>, since: number, signal?: AbortSignal): Items {
  return scope.changes({ since, signal })[Symbol.asyncIterator]();
}

async function take(items: Items, times: number): Promise<FeedItem<Doc>[]> {
  const taken: FeedItem<Doc>[] = [];
  while (taken.length < times) {
    const { done, value } = await items.next();
    if (done === true) break;
    taken.push(value);
  }
  return taken;
}

function versionsOf(items: readonly FeedItem<Doc>[]): unknown[] {
  return items.map(({ type, version }) => (type === "snapshot" ? `at ${version}` : version));
}

/** Claims about changes that are read again. */
export function replayCases(stores: RuntimeStores): void {
  describe("changes since a version", () => {
    it("come from the history after a restart, then as they are made", async () => {
      const world = new World(stores);
      const before = world.runtime({ kinds: KINDS });
      await count(await open(before, "doc"), 5);
      await before.close();
      const scope = await open(world.runtime({ kinds: KINDS }), "doc");
      const items = feedOf(scope, 2);
      await scope.patchState({ text: "live" }, { meta: { by: "ann" } });
      const taken = await take(items, 4);
      expect(versionsOf(taken)).toEqual([3, 4, 5, 6]);
      expect(taken[0]).toMatchObject({ operation: "increment", scope: scope.identity });
      expect(taken[3]).toMatchObject({ origin: "local", meta: { by: "ann" } });
      let { state } = await scope.at(2);
      for (const item of taken)
        if (item.type === "state_change") state = applyPatches(state, item.patches);
      expect(state).toEqual(scope.state);
    });

    it("come once each, from all processes", async () => {
      const [first, second] = new World(stores).pair({ kinds: KINDS });
      const [here, there] = [await open(first, "doc"), await open(second, "doc")];
      const items = feedOf(there, 0);
      for (const scope of [here, here, there, here, there, there, here, here]) {
        await scope.incState({ n: 1 });
        if (scope === there) await settled();
      }
      await there.read();
      expect(versionsOf(await take(items, 8))).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
      await items.return?.();
    });

    it("come without a gap to a slow reader", async () => {
      const scope = await open(new World(stores).runtime({ kinds: KINDS }), "doc");
      const items = feedOf(scope, 0);
      const total = Math.min(FEED_BUFFER_MAX + 100, 1_000);
      await Promise.all(Array.from({ length: total }, () => scope.incState({ n: 1 })));
      const all = Array.from({ length: total }, (_, at) => at + 1);
      expect(versionsOf(await take(items, total))).toEqual(all);
    });

    it("are one snapshot where the history does not have them", async () => {
      const scope = await open(new World(stores).runtime({ kinds: KINDS }), "few");
      await count(scope, 6);
      const behind = feedOf(scope, 1);
      const ahead = feedOf(scope, 99);
      const kept = feedOf(scope, 3);
      await scope.read();
      expect(versionsOf(await take(behind, 1))).toEqual(["at 6"]);
      expect(versionsOf(await take(ahead, 1))).toEqual(["at 6"]);
      expect(versionsOf(await take(kept, 3))).toEqual([4, 5, 6]);
      await count(scope, 2);
      for (const each of [behind, ahead, kept])
        expect(versionsOf(await take(each, 2))).toEqual([7, 8]);
    });

    it("go on over a delete, which the reader receives", async () => {
      const scope = await open(new World(stores).runtime({ kinds: KINDS }), "doc");
      await count(scope, 2);
      const items = feedOf(scope, 1);
      expect(versionsOf(await take(items, 1))).toEqual([2]);
      await scope.delete();
      await count(scope, 1);
      const taken = await take(items, 2);
      expect(versionsOf(taken)).toEqual([3, 4]);
      expect(taken[0]).toMatchObject({ operation: "delete" });
      const late = feedOf(scope, 1);
      expect(versionsOf(await take(late, 1))).toEqual(["at 4"]);
    });

    it("end with the reader, an abort and the runtime", async () => {
      const runtime = new World(stores).runtime({ kinds: KINDS });
      const scope = await open(runtime, "doc");
      await count(scope, 3);
      const control = new AbortController();
      const [left, aborted, held] = [
        feedOf(scope, 0),
        feedOf(scope, 0, control.signal),
        feedOf(scope, 0),
      ];
      for (const each of [left, aborted, held]) await take(each, 3);
      const waiting = [left, aborted, held].map((each) => each.next());
      await left.return?.();
      control.abort();
      await runtime.close();
      for (const each of waiting) expect((await each).done).toBe(true);
    });
  });
}
