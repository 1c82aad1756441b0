/** Tracing channels in a process of its own, and of scopes without a runtime. */
import { expect, it } from "vitest";
import { createScope } from "../../../src/runtime/scope.ts";
import { startChild } from "../../support/child.ts";
import { endedOf } from "../../support/tracing.ts";
import { settled } from "../../support/waiting.ts";

it("keeps the process alive when every subscriber and every bound store throws (T2)", async () => {
  const child = startChild("throwing-subscriber.ts", []);
  expect(await child.closed).toBe(0);
  expect(JSON.parse(child.output())).toEqual({
    state: { n: 3 },
    failed: "Error: no",
    errors: ["a subscriber of a tracing channel threw"],
  });
});

it("measures the saves and loads of a bridge of a user, whatever it returns", async () => {
  const [saves, loads] = [endedOf("save", "own"), endedOf("load", "own")];
  const cyclic: { self?: unknown } = {};
  cyclic.self = cyclic;
  const results: unknown[] = [null, { ok: true, version: 1 }, { ok: false, version: -1 }];
  const found: unknown[] = [
    { state: cyclic, version: 3 },
    { state: { n: 1 }, version: 2 },
  ];
  const scope = createScope({
    identity: { type: "user", id: "own" },
    initial: { n: 0 },
    persist: {
      save: () => Promise.resolve(results.pop() as never),
      load: () => Promise.resolve(found.pop() as never),
    },
  });
  await scope.patchState({ n: 5 }).catch(() => undefined); // The result is none.
  await scope.refresh();
  await scope.refresh().catch(() => undefined); // A state that cannot be stored.
  await settled();
  expect(saves.map(({ code, bytes }) => [code, bytes])).toEqual([["CONCURRENT_MODIFICATION", 7]]);
  expect(loads.map(({ code, bytes }) => [code, bytes])).toEqual([
    ["ok", 7],
    ["ok", undefined],
  ]);
});
