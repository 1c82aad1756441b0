/** What a restart keeps: values, ends, sessions and indexes. */
import { describe, expect, it } from "vitest";
import { join } from "node:path";
import { State } from "../../../../src/dialects/vcr/state.ts";
import { createVcr } from "../../../../src/dialects/vcr/vcr.ts";
import { createRuntime } from "../../../../src/runtime/runtime.ts";
import { fileStore } from "../../../../src/stores/file/store.ts";
import { sqliteStore } from "../../../../src/stores/sqlite/store.ts";
import type { StateStore } from "../../../../src/stores/contract.ts";
import { simulatedClock } from "../../../../src/testing/clock.ts";
import { testDirectory } from "../../../support/directory.ts";

const dir = testDirectory("vcr-reopen");
type Clock = ReturnType<typeof simulatedClock>;

const stores: readonly [string, (clock: Clock) => StateStore][] = [
  ["sqlite", (clock) => sqliteStore({ path: join(dir, "vcr.db"), clock })],
  ["file", (clock) => fileStore({ dir: join(dir, "vcr"), clock })],
];

describe.each(stores)("a restart on %s", (_name, open) => {
  it("keeps values, ends, sessions and indexes", async () => {
    const clock = simulatedClock(Date.now());
    const first = createRuntime({ store: open(clock), clock, mutationTimeoutMs: Infinity });
    const before = createVcr({ runtime: first });
    const state = new State(before.createSessionWithId("s", { ttl: 1_000 }));
    await state.set("k", { a: [1] });
    await state.increment("big", 9223372036854775807n);
    await state.mapSet("m:1", { 2: "b" });
    await state.mapSet("m:1", { 1: "a", name: "Alice" });
    await state.mapSet("m:2", { name: "Alice" });
    await state.expire("m:2", 50);
    await state.listAppend("l", "x");
    await state.set("gone", 1);
    await state.delete("gone");
    const schema = [{ fieldName: "name", type: "TEXT" }] as const;
    await state.createIndex("i", { schema, prefix: { prefixes: ["m:"] } });
    await first.close();

    const second = createRuntime({ store: open(clock), clock, mutationTimeoutMs: Infinity });
    const after = new State(createVcr({ runtime: second }).getSessionById("s"));
    expect(await after.get("k")).toEqual({ a: [1] });
    expect(await after.decrement("big", 1)).toBe("9223372036854775806");
    expect((await after.mapScan("m:1", "0"))[1]).toEqual(["2", "b", "1", "a", "name", "Alice"]);
    expect(await after.listRange("l")).toEqual(["x"]);
    expect(await after.ttl("m:2")).toBe(50);
    expect(await after.keys()).toEqual(["big", "k", "l", "m:1", "m:2"]);
    expect((await after.search("i", "alice", { noContent: true })).raw).toEqual([2, "m:1", "m:2"]);
    await expect(after.createIndex("i", { schema })).rejects.toMatchObject({
      code: "INDEX_EXISTS",
    });
    await clock.advance(51_000);
    expect((await after.search("i", "alice", { noContent: true })).raw).toEqual([1, "m:1"]);
    await clock.advance(1_000_000);
    expect(await after.keys()).toEqual([]);
    await expect(after.set("k", 1)).rejects.toMatchObject({ code: "SESSION_ENDED" });
    await second.close();
  });

  it("forgets what ended meanwhile", async () => {
    const clock = simulatedClock(Date.now());
    const first = createRuntime({ store: open(clock), clock, mutationTimeoutMs: Infinity });
    await new State(createVcr({ runtime: first }).getSessionById("t")).set("k", 1, { ttl: 5 });
    await first.close();
    await clock.advance(5_000);
    const second = createRuntime({ store: open(clock), clock, mutationTimeoutMs: Infinity });
    const after = new State(createVcr({ runtime: second }).getSessionById("t"));
    expect(await after.keys()).toEqual([]);
    expect(await after.get("k")).toBeNull();
    expect(await after.increment("k", 1)).toBe("1");
    await second.close();
  });
});
