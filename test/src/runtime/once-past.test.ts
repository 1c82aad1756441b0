/** `once` on rewind, undo and redo, which begin on a confirmed state and leave a trace. */
import { expect, it, onTestFinished } from "vitest";
import { createRuntime, defineKind } from "../../../src/index.ts";

it("undo with a key can be redone, and a rewind with a key counts what was called before", async () => {
  const runtime = createRuntime({ kinds: { doc: defineKind({ initial: { n: 0 }, history: 9 }) } });
  onTestFinished(() => runtime.close());
  const doc = await runtime.open("doc", "a");
  await doc.patchState({ n: 1 });
  await doc.patchState({ n: 2 });
  expect(await doc.undo({ once: "u" })).toBe(true);
  expect(await doc.undo({ once: "u" })).toBe(true);
  expect(doc.state).toEqual({ n: 1 });
  expect(await doc.redo({ once: "r" })).toBe(true);
  expect([doc.version, doc.state]).toEqual([4, { n: 2 }]);
  const calls = [doc.patchState({ n: 7 }), doc.undo({ once: "v" }), doc.rewind(1, { once: "w" })];
  expect(await Promise.all(calls)).toEqual([true, true, true]);
  expect([doc.version, doc.state]).toEqual([7, { n: 1 }]);
});
