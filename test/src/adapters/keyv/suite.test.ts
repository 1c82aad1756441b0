/** Keyv's own suite, on every store. */
import keyvTestSuite, { keyvIteratorTests } from "@keyv/test-suite";
import { Keyv } from "keyv";
import * as vitest from "vitest";
import { afterAll, describe, expect, it, onTestFinished } from "vitest";
import { createRuntime, type Runtime } from "../../../../src/index.ts";
import { KeyvHoldfast } from "../../../../src/keyv.ts";
import { simulatedClock } from "../../../../src/testing.ts";
import { onEachStore } from "../adapter-stores.ts";

await onEachStore("keyv", (store) => {
  let runtime: Runtime | undefined;
  const place = store.fresh();
  const adapter = (): KeyvHoldfast => {
    runtime ??= store.open(place);
    return new KeyvHoldfast({ runtime });
  };
  afterAll(() => runtime?.close());
  keyvTestSuite(vitest, Keyv, adapter);
  keyvIteratorTests(vitest, Keyv, adapter);
});

describe("an adapter", () => {
  it("forgets a value when its time is over, in the store too", async () => {
    const clock = simulatedClock();
    const runtime = createRuntime({ clock });
    onTestFinished(() => runtime.close());
    const adapter = new KeyvHoldfast({ runtime });
    await adapter.setMany([
      { key: "short", value: "tea", ttl: 1_000 },
      { key: "long", value: "milk" },
    ]);
    await clock.advance(999);
    expect(await adapter.getMany(["short", "long"])).toEqual(["tea", "milk"]);
    await clock.advance(1);
    expect(await adapter.hasMany(["short", "long"])).toEqual([false, true]);
    expect((await runtime.list({ type: "keyv" })).ids).toEqual(["long"]);
  });

  it("clears its namespace and no other, and leaves the runtime open", async () => {
    const runtime = createRuntime();
    onTestFinished(() => runtime.close());
    const make = (namespace: string): Keyv =>
      new Keyv({ store: new KeyvHoldfast({ runtime }), namespace });
    const [one, two] = [make("a"), make("a%")];
    await Promise.all([one.set("k", 1), two.set("k", 2)]);
    await one.clear();
    await one.disconnect();
    expect([await one.get("k"), await two.get("k")]).toEqual([undefined, 2]);
  });

  it("keeps values that Keyv does not serialize, and gives copies", async () => {
    const runtime = createRuntime();
    onTestFinished(() => runtime.close());
    const keyv = new Keyv({ store: new KeyvHoldfast({ runtime }) });
    keyv.serialize = undefined;
    keyv.deserialize = undefined;
    await keyv.set("k", { at: new Date(0), tags: new Set(["a"]) });
    const read = await keyv.get<{ tags: Set<string> }>("k");
    read?.tags.add("mine");
    expect(await keyv.get("k")).toEqual({ at: new Date(0), tags: new Set(["a"]) });
  });

  it("reports a failure of the store to Keyv", async () => {
    const runtime = createRuntime();
    const keyv = new Keyv({ store: new KeyvHoldfast({ runtime }) });
    const errors: unknown[] = [];
    keyv.on("error", (error) => errors.push(error));
    await runtime.close();
    expect(await keyv.set("k", 1)).toBe(false);
    expect(errors).toMatchObject([{ code: "RUNTIME_CLOSED" }]);
  });
});
