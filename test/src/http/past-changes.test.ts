/** A history over HTTP that is pruned while it is read. */
import { expect, it, onTestFinished } from "vitest";
import { createHandler, inspector } from "../../../src/http.ts";
import { createRuntime, defineKind, memoryStore, type StateStore } from "../../../src/index.ts";
import { directly, reply, type Send } from "../../support/http.ts";
import { memoryView } from "../../support/sequencer.ts";

const kinds = { note: defineKind({ initial: { n: 0 }, history: 3 }) };

/** A scope with versions 1 to 5, and the next ones made while its history is read. */
async function setUp(bursts: number) {
  const inner = memoryStore();
  let left = bursts;
  const store: StateStore = {
    ...memoryView(inner),
    async history(...query) {
      const rows = await inner.history?.(...query);
      left -= 1;
      if (left >= 0) await write(4);
      return rows ?? [];
    },
  };
  const runtime = createRuntime({ store, kinds });
  onTestFinished(() => runtime.close());
  const note = await runtime.open("note", "n");
  const write = async (count: number): Promise<void> => {
    for (let n = 1; n <= count; n += 1) await note.patchState({ n: note.version + 1 });
  };
  await write(5);
  const handler = createHandler(runtime, { kinds: { note: {} } });
  return { handler: directly(handler), page: directly(inspector(runtime)) };
}

async function versions(send: Send, path: string): Promise<[number, unknown]> {
  const { status, body } = await reply(send, path);
  const { changes, code } = Object(body);
  return [status, changes?.map(({ version }: { version: number }) => version) ?? code];
}

it.each([
  ["", 0, [5, 4, 3]],
  ["", 1, [9, 8, 7]],
  ["before=5", 0, [4, 3]],
  ["before=5", 1, []],
  ["", Infinity, []],
])("history?%s with %j bursts of changes has what is still kept", async (query, bursts, kept) => {
  const { handler } = await setUp(bursts);
  expect(await versions(handler, `/scopes/note/n/history?${query}`)).toEqual([200, kept]);
  const { page } = await setUp(bursts);
  const shown = await versions(page, `/api/history?type=note&id=n&${query}`);
  expect(shown).toEqual([200, kept]);
});
