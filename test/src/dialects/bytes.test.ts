/** A `Buffer` in the state of each dialect, after a restart of its runtime. */
import { join } from "node:path";
import { expect, it } from "vitest";
import { createEvent, createEventActions, SessionService } from "../../../src/adk.ts";
import { createBotState } from "../../../src/builderbot.ts";
import { createExecutionContext, createStateContainer } from "../../../src/flow-state.ts";
import { createRuntime, type Runtime } from "../../../src/index.ts";
import { sqliteStore } from "../../../src/sqlite.ts";
import { runTurn } from "../../../src/turn-state.ts";
import { createVcr, State } from "../../../src/vcr.ts";
import { testDirectory } from "../../support/directory.ts";

const root = testDirectory("bytes");
const pic = Buffer.from("tea");
const asBytes = new Uint8Array(pic);

/** Runs `write`, and `read` after a restart. */
async function restarted<T>(
  name: string,
  write: (runtime: Runtime) => Promise<unknown>,
  read: (runtime: Runtime) => Promise<T>,
): Promise<T> {
  const open = (): Runtime =>
    createRuntime({ store: sqliteStore({ path: join(root, `${name}.db`) }) });
  const before = open();
  await write(before);
  await before.close();
  await using after = open();
  return await read(after);
}

it("is a Uint8Array in a scope", async () => {
  const open = (runtime: Runtime) => runtime.open<{ pic?: Uint8Array }>("user", "ann");
  const found = await restarted(
    "scope",
    async (runtime) => (await open(runtime)).patchState({ pic }),
    async (runtime) => (await open(runtime)).state.pic,
  );
  expect(found).toStrictEqual(asBytes);
});

it("is a Buffer in the bot dialect", async () => {
  const found = await restarted(
    "bot",
    (runtime) => createBotState({ runtime }).state("ann").update({ pic }),
    async (runtime) => (await createBotState({ runtime }).open("ann")).get("pic"),
  );
  expect(found).toStrictEqual(pic);
});

it("is a Uint8Array in the flow-state dialect", async () => {
  expect(createStateContainer({ pic }).read().pic).toStrictEqual(asBytes);
  const open = (runtime: Runtime) => createExecutionContext({ runtime, userId: "ann" });
  const found = await restarted(
    "flow",
    async (runtime) => (await open(runtime)).user.patchState({ pic }),
    async (runtime) => (await open(runtime)).user.state["pic"],
  );
  expect(found).toStrictEqual(asBytes);
});

it("is a Uint8Array in the adk dialect", async () => {
  const key = { appName: "app", userId: "ann", sessionId: "s" };
  const found = await restarted(
    "adk",
    async (runtime) => {
      const service = new SessionService({ runtime });
      const session = await service.createSession({ ...key, state: { pic } });
      const actions = createEventActions({ stateDelta: { later: pic } });
      await service.appendEvent({ session, event: createEvent({ author: "user", actions }) });
    },
    async (runtime) => (await new SessionService({ runtime }).getSession(key))?.state.getAll(),
  );
  expect(found).toStrictEqual({ pic: asBytes, later: asBytes });
});

it("is refused by the dialects whose documents are JSON", async () => {
  await using runtime = createRuntime();
  const activity = { channelId: "sms", recipient: { id: "bot" }, conversation: { id: "c1" } };
  const turn = runTurn({ runtime }, activity, ({ conversation }) => conversation.set("pic", pic));
  await expect(turn).rejects.toMatchObject({ code: "STATE_NOT_SERIALIZABLE" });
  const state = new State(createVcr({ runtime }).getSessionById("s"));
  await expect(state.set("pic", pic)).rejects.toMatchObject({ code: "NOT_SERIALIZABLE" });
});
