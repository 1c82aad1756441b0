/** Documents of a kind whose states end: none is read or built on when its time is over. */
import { createRuntime, defineKind, memoryStore } from "holdfast";
import { faultyStore, simulatedClock } from "holdfast/testing";
import { RuntimeStorage, runTurn } from "holdfast/turn-state";
import { describe, expect, it } from "vitest";
import { activity } from "./places.ts";

const TTL_MS = 10_000;
const key = "msteams/b1/conversations/c";

describe.each(["volatile", "checkpoint", "commit"] as const)(
  "documents of a %s kind",
  (durability) => {
    function setUp() {
      const clock = simulatedClock(1_000_000);
      let isAway = false;
      const store = faultyStore(memoryStore({ clock }), {
        choose: ({ operation }) => (isAway && operation === "commit" ? "fail" : undefined),
      });
      const logger = { warn: () => undefined, error: () => undefined };
      const kinds = { doc: defineKind({ durability, ttlMs: TTL_MS }) };
      const storage = new RuntimeStorage(createRuntime({ store, clock, logger, kinds }), {
        type: "doc",
      });
      const away = (value: boolean): void => void (isAway = value);
      const turn = (work?: () => Promise<void>): Promise<unknown> =>
        runTurn(storage, activity("c"), async (state) => {
          await work?.();
          const before = state.conversation.get("n");
          state.conversation.set("n", Number(before ?? 0) + 1);
          return before;
        });
      const sleep = (): void => clock.setTime(clock.now() + TTL_MS * 2);
      return { clock, storage, turn, sleep, away };
    }

    it("are read by nothing, and a turn begins anew", async () => {
      const { storage, turn, sleep } = setUp();
      await storage.write({ [key]: { n: 5, token: "secret" } });
      expect(await turn()).toBe(5);
      sleep();
      expect(await storage.read([key])).toEqual({});
      expect(await turn()).toBe(undefined);
      expect(await storage.read([key])).toEqual({ [key]: { n: 1 } });
    });

    it("are not built on when their time ended while a turn waited for its place", async () => {
      const { storage, turn, sleep } = setUp();
      await storage.write({ [key]: { n: 5, token: "secret" } });
      let open = (): void => undefined;
      const gate = new Promise<void>((resolve) => {
        open = () => resolve();
      });
      const failing = turn(async () => {
        await gate;
        throw new Error("of the handler");
      });
      const waiting = turn();
      const failed = expect(failing).rejects.toThrow("of the handler");
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
      sleep();
      open();
      await failed;
      expect(await waiting).toBe(undefined);
      expect(await storage.read([key])).toEqual({ [key]: { n: 1 } });
    });

    it("stay over while the store refuses to end them", async () => {
      const { clock, storage, turn, sleep, away } = setUp();
      await storage.write({ [key]: { n: 5, token: "secret" } });
      away(true);
      sleep();
      await clock.advance(TTL_MS);
      const first = await turn().catch(() => "refused");
      expect(first).toBe(durability === "commit" ? "refused" : undefined);
      away(false);
      expect(await turn()).toBe(durability === "commit" ? undefined : 1);
      const n = durability === "commit" ? 1 : 2;
      expect(await storage.read([key])).toEqual({ [key]: { n } });
    });
  },
);
