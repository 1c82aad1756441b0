/** Code of a turn that goes on after the turn has ended and given its mailboxes back. */
import { createRuntime, memoryStore, type Runtime, type StateStore } from "holdfast";
import { MemoryStorage, runTurn, type TurnState } from "holdfast/turn-state";
import { expect, it, onTestFinished } from "vitest";
import { decodeKey } from "../../../../src/runtime/scope-key.ts";
import { collect } from "../../../support/collect.ts";
import { activity } from "./places.ts";
import { settled } from "../../../support/waiting.ts";

const logger = { warn: () => undefined, error: () => undefined };
const message = activity("c");

type Operation = "load" | "commit";

/** A memory store whose answers to loads, and whose commits, wait while they are shut. */
function slowStore() {
  const inner = memoryStore();
  const shut = new Map<Operation, (() => void)[]>();
  const pass = (operation: Operation): Promise<void> =>
    new Promise((resolve) => {
      const waiting = shut.get(operation);
      if (waiting === undefined) resolve();
      else waiting.push(resolve);
    });
  const store: StateStore = {
    name: "slow",
    supports: inner.supports,
    async load(keys) {
      const found = await inner.load(keys);
      await pass("load");
      return found;
    },
    async commit(...call) {
      await pass("commit");
      return inner.commit(...call);
    },
    list: (query) => inner.list(query),
    close: () => inner.close(),
  };
  return {
    inner,
    store,
    shut: (operation: Operation) => void shut.set(operation, []),
    open: (operation: Operation) => {
      const waiting = shut.get(operation) ?? [];
      shut.delete(operation);
      for (const go of waiting) go();
    },
  };
}

/** A turn that throws while its save is under way; resolves to how the save ends. */
async function leaveSaving(runtime: Runtime, before: () => Promise<void>) {
  const saves: Promise<unknown>[] = [];
  const turn = runTurn(new MemoryStorage({ runtime }), message, async (state: TurnState) => {
    state.conversation.set("n", 1);
    await before();
    saves.push(state.save().catch((error: unknown) => error));
    await settled(20);
    throw new Error("the handler");
  });
  await expect(turn).rejects.toThrow("the handler");
  return saves[0];
}

it("its save ends, and so does the runtime", async () => {
  const { store, shut, open } = slowStore();
  const runtime = createRuntime({ store, logger });
  const saving = leaveSaving(runtime, async () => shut("commit"));
  await settled(40);
  open("commit");
  expect(await saving).toMatchObject({ code: "COMMIT_UNKNOWN" });
  await runtime.close({ drainMs: Infinity });
});

it("what it reads late takes nothing back from those who came after it", async () => {
  const { inner, store, shut, open } = slowStore();
  const runtime = createRuntime({ store, logger });
  onTestFinished(() => runtime.close());
  await runTurn(new MemoryStorage({ runtime }), message, ({ conversation }) =>
    conversation.set("a", 1),
  );
  const [key = ""] = await collect(inner.list());
  const { type = "", id = "" } = decodeKey(key) ?? {};
  const scope = await runtime.open(type, id);
  const saving = leaveSaving(runtime, async () => {
    await inner.commit([{ key, expectedVersion: 1, version: 2, state: { a: 2 } }]);
    shut("load"); // Of the rebase.
  });
  await settled(40);
  shut("commit");
  const change = scope.patchState({ b: 1 });
  await settled();
  open("load");
  await settled();
  open("commit");
  await Promise.all([change, saving]);
  await scope.patchState({ c: 1 });
  const [record] = await inner.load([key]);
  expect(record?.state).toEqual({ a: 2, b: 1, c: 1 });
});
