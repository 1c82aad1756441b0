/** `stats` of a scope without a runtime. */
import { expect, it } from "vitest";
import { createScope } from "../../../src/runtime/scope.ts";
import { settled } from "../../support/waiting.ts";

it("shows the stats of a scope without a runtime", async () => {
  const before = Date.now();
  const scope = createScope({ initial: { n: 0 } });
  const idle = { waiting: 0, running: false, saving: false, version: 0 };
  const { residentSince } = scope.stats;
  expect(residentSince).toBeGreaterThanOrEqual(before);
  expect(residentSince).toBeLessThanOrEqual(Date.now());
  expect(scope.stats).toEqual({ ...idle, residentSince });
  const [first, second] = [scope.atomicState(() => settled(1)), scope.incState({ n: 1 })];
  const snapshot = scope.stats;
  expect(snapshot).toEqual({ ...idle, waiting: 1, running: true, residentSince });
  expect(Object.isFrozen(snapshot)).toBe(true);
  await Promise.all([first, second]);
  expect(scope.stats).toEqual({ ...idle, version: 1, residentSince });
  await scope.stop();
  expect(scope.stats).toEqual({ ...idle, version: 1, residentSince });
});

it("shows a save of a scope with a bridge in its stats", async () => {
  const saving: (() => void)[] = [];
  const scope = createScope({
    initial: { n: 0 },
    persist: {
      save: (_, version) =>
        new Promise((resolve) => {
          saving.push(() => resolve({ ok: true, version: version + 1 }));
        }),
    },
  });
  const call = scope.incState({ n: 1 });
  await settled();
  expect(scope.stats).toMatchObject({ saving: true, running: false, version: 0 });
  saving[0]?.();
  await call;
  await settled();
  expect(scope.stats).toMatchObject({ saving: false, version: 1 });
});
