/** How many keys a page of a list asks a store for. */
import { expect, it, onTestFinished } from "vitest";
import { defineKind } from "../../../src/runtime/kinds.ts";
import { createRuntime } from "../../../src/runtime/runtime.ts";
import type { ListQuery, StateStore } from "../../../src/stores/contract.ts";
import { memoryStore } from "../../../src/stores/memory/store.ts";
import { sharingStore } from "../../suites/runtime-world.ts";

it("asks for no more than it shows, and again for those that are deleted and not yet stored", async () => {
  const inner = memoryStore();
  const asked: (number | undefined)[] = [];
  const store: StateStore = {
    ...sharingStore(inner),
    list(query: ListQuery = {}) {
      asked.push(query.limit);
      return inner.list(query);
    },
  };
  const kinds = {
    note: defineKind<{ n?: number }>({ durability: "checkpoint", initial: {} }),
  };
  const runtime = createRuntime({ store, kinds });
  onTestFinished(() => runtime.close());
  const scopes = [];
  for (const id of ["a", "b", "c", "d"]) scopes.push(await runtime.create("note", id, { n: 1 }));
  expect((await runtime.list({ type: "note", limit: 2 })).ids).toEqual(["a", "b"]);
  expect(asked.splice(0)).toEqual([3]);
  const deleted = [scopes[0], scopes[2]].map(async (scope) => scope?.delete());
  expect((await runtime.list({ type: "note", limit: 2 })).ids).toEqual(["b", "d"]);
  await Promise.all(deleted);
  for (const scope of scopes) await scope.flush();
  expect((await runtime.list({ type: "note" })).ids).toEqual(["b", "d"]);
});
