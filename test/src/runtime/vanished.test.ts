/** P12, R6: a record that vanished or went back is an error, never an empty state. */
import { describe, expect, it, onTestFinished } from "vitest";
import { defineKind } from "../../../src/runtime/kinds.ts";
import { createRuntime } from "../../../src/runtime/runtime.ts";
import { encodeKey } from "../../../src/runtime/scope-key.ts";
import { memoryStore } from "../../../src/stores/memory/store.ts";
import type { StateStore } from "../../../src/stores/contract.ts";
import { simulatedClock, type SimulatedClock } from "../../../src/testing/clock.ts";
import { type Counter } from "../../suites/runtime-world.ts";
import { keepingLogger, rejection, settled } from "../../support/waiting.ts";

/** A store whose data can be taken away, as by a flush, an eviction or an older backup. */
function replaceable(first: StateStore): StateStore & { inner: StateStore } {
  const store = {
    name: "replaceable",
    inner: first,
    supports: first.supports,
    load: (keys: readonly string[]) => store.inner.load(keys),
    commit: (...call: Parameters<StateStore["commit"]>) => store.inner.commit(...call),
    list: (...call: Parameters<StateStore["list"]>) => store.inner.list(...call),
    close: () => store.inner.close(),
  };
  return store;
}

async function opened(kind = defineKind(), clock = simulatedClock(1)) {
  const store = replaceable(memoryStore({ clock }));
  const logger = keepingLogger();
  const kinds = { purse: kind };
  const runtime = createRuntime({ store, kinds, logger, clock });
  onTestFinished(() => runtime.close().catch(() => undefined));
  const scope = await runtime.open<Counter>("purse", "p");
  for (let n = 0; n < 5; n += 1) await scope.incState({ n: 100 });
  const vanish = (): void => void (store.inner = memoryStore({ clock }));
  return { scope, runtime, logger, clock, vanish, store };
}

/** Lets the time of retries pass while `work` is under way. */
async function withTime<T>(clock: SimulatedClock, work: Promise<T>): Promise<T> {
  for (let step = 0; step < 10; step += 1) await clock.advance(20);
  return work;
}

describe("a record that vanished", () => {
  it("refuses every call on it, and logs both versions", async () => {
    const { scope, vanish, logger } = await opened();
    vanish();
    const refused = await rejection(scope.incState({ n: 1 }), "CORRUPT_STATE");
    expect(refused.message).toMatch(/version 5 .* missing/);
    await rejection(scope.patchState({ n: 500 }), "CORRUPT_STATE");
    await rejection(scope.read(), "CORRUPT_STATE");
    await rejection(scope.delete(), "CORRUPT_STATE");
    expect([scope.state, scope.version]).toEqual([{ n: 500 }, 5]);
    expect(logger.lines[0]?.fields).toMatchObject({ known: 5, found: 0 });
  });

  it("refuses a read of many, which changes nothing", async () => {
    const { scope, runtime, vanish, store } = await opened();
    vanish();
    const refused = await rejection(runtime.read("purse", ["other", "p"]), "CORRUPT_STATE");
    expect(refused.message).toMatch(/purse\/p: .*version 5 .* missing/);
    const [record] = await store.load([encodeKey("holdfast", "purse", "p")]);
    expect(record).toBeUndefined();
    await rejection(scope.incState({ n: 1 }), "CORRUPT_STATE");
    await scope.refresh();
    expect(await runtime.read("purse", ["p"])).toEqual([undefined]);
  });

  it("refuses a transaction", async () => {
    const { scope, runtime, vanish } = await opened();
    const other = await runtime.open<Counter>("user", "u");
    vanish();
    const change = runtime.transaction([scope, other], (a, b) => {
      b.n = (a.n ?? 0) + 1;
    });
    await rejection(change, "CORRUPT_STATE");
    expect(other.version).toBe(0);
  });

  it("is adopted on purpose, by refresh", async () => {
    const { scope, vanish } = await opened();
    vanish();
    await scope.refresh();
    expect([scope.state, scope.version]).toEqual([{}, 0]);
    expect(await scope.incState({ n: 1 })).toBe(true);
    expect([scope.state, scope.version]).toEqual([{ n: 1 }, 1]);
  });

  it("and went back is refused, with both versions", async () => {
    const { scope, vanish, store } = await opened();
    vanish();
    const key = encodeKey("holdfast", "purse", "p");
    await store.commit([{ key, expectedVersion: 0, version: 2, state: { n: 200 } }]);
    const refused = await rejection(scope.incState({ n: 1 }), "CORRUPT_STATE");
    expect(refused.message).toMatch(/version 5 .* version 2/);
    await scope.refresh();
    await scope.incState({ n: 1 });
    expect([scope.state, scope.version]).toEqual([{ n: 201 }, 3]);
  });

  it("is no damage when it had been deleted, or its time was over", async () => {
    const deleted = await opened();
    await deleted.scope.delete();
    deleted.vanish();
    expect(await withTime(deleted.clock, deleted.scope.incState({ n: 1 }))).toBe(true);
    const expired = await opened(defineKind({ ttlMs: 1_000 }));
    await expired.clock.advance(5_000);
    expired.vanish();
    expect(await withTime(expired.clock, expired.scope.incState({ n: 1 }))).toBe(true);
  });

  it("is not what an answer says that comes after that of a later request", async () => {
    const clock = simulatedClock(1);
    const inner = memoryStore({ clock });
    const [commits, loads] = [gates(), gates()];
    const store: StateStore = {
      name: "slow",
      supports: inner.supports,
      async load(keys) {
        const found = await inner.load(keys);
        await loads.pass();
        return found;
      },
      async commit(...call) {
        await commits.pass();
        return inner.commit(...call);
      },
      list: (query) => inner.list(query),
      close: () => inner.close(),
    };
    const logger = keepingLogger();
    const runtime = createRuntime({ store, clock, logger, mutationTimeoutMs: 100 });
    onTestFinished(() => runtime.close());
    const scope = await runtime.open<Counter>("user", "u");
    await scope.setState({ n: 1 });
    commits.shut();
    const lost = rejection(scope.incState({ n: 1 }), "COMMIT_UNKNOWN");
    await settled();
    await clock.advance(200);
    await lost;
    loads.shut();
    const next = scope.incState({ n: 1 }); // It reads first: version 1.
    await settled();
    commits.open(); // The first write arrives, and its answer overtakes that of the read.
    await settled();
    loads.open();
    await settled();
    expect(await withTime(clock, next)).toBe(true);
    expect([scope.state, scope.version, logger.lines]).toEqual([{ n: 3 }, 3, []]);
  });
});

/** A place where calls wait while it is shut. */
function gates() {
  let waiting: (() => void)[] | null = null;
  return {
    shut: () => void (waiting = []),
    open: () => {
      for (const go of waiting ?? []) go();
      waiting = null;
    },
    pass: () =>
      new Promise<void>((resolve) => {
        if (waiting === null) resolve();
        else waiting.push(resolve);
      }),
  };
}
