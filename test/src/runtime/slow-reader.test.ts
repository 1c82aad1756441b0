/** F3 of `change-stream.ts` for the reader of a runtime with many scopes. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import { FEED_BUFFER_MAX } from "holdfast";
import type { RuntimeFeedItem, StateChange } from "../../../actors/protocol.ts";
import { createRuntime } from "../../../src/runtime/runtime.ts";

setFlagsFromString("--expose-gc");
/** Collects garbage; the new context has the function that this one was made without. */
const collect = runInNewContext("gc") as () => void;

const SCOPES = 60_000;

it("keeps FEED_BUFFER_MAX items of 60,000 scopes, then gives one resync, then live changes", async () => {
  await using runtime = createRuntime();
  const reader = (runtime.changes() as AsyncIterableIterator<RuntimeFeedItem>)[
    Symbol.asyncIterator
  ]();
  const made: WeakRef<StateChange>[] = [];
  runtime.subscribe((change) => made.push(new WeakRef(change)));
  for (let at = 0; at < SCOPES; at += 1)
    await (await runtime.open<{ n: number }>("temp", `s${at}`)).patchState({ n: at });
  expect(made).toHaveLength(SCOPES);
  await new Promise(setImmediate);
  collect();
  const kept = made.filter((change) => change.deref() !== undefined).length;
  expect(kept).toBeGreaterThanOrEqual(FEED_BUFFER_MAX);
  expect(kept).toBeLessThan(FEED_BUFFER_MAX + 50);
  for (let at = 0; at < FEED_BUFFER_MAX; at += 1)
    expect((await reader.next()).value).toMatchObject({ scope: { id: `s${at}` }, version: 1 });
  expect((await reader.next()).value).toEqual({ type: "resync" });
  const live = await runtime.open<{ n: number }>("temp", "live");
  await live.patchState({ n: 1 });
  expect((await reader.next()).value).toMatchObject({ scope: { id: "live" }, version: 1 });
});
