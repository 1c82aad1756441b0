/** The end of a process that closes its runtime: real processes, real exit codes. */
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createBotState } from "../../src/dialects/builderbot/bot-state.ts";
import { SessionService } from "../../src/dialects/adk/service.ts";
import { RuntimeStorage } from "../../src/dialects/turn-state/storages.ts";
import { State } from "../../src/dialects/vcr/state.ts";
import { createVcr } from "../../src/dialects/vcr/vcr.ts";
import { createRuntime } from "../../src/runtime/runtime.ts";
import { startChild } from "../support/child.ts";
import { testDirectory } from "../support/directory.ts";
import { openStore } from "./open-store.ts";

const directory = testDirectory("close");
const CONVERSATION = "c/bot/conversations/c";

/** Runs the child to its end; gives the place of its data. */
async function close(kind: string, what: string): Promise<string> {
  const place = mkdtempSync(join(directory, "data-"));
  const child = startChild("closer.ts", [kind, place, what]);
  expect([await child.closed, child.output()]).toEqual([0, "closed\n"]);
  return place;
}

describe.each(["sqlite", "file"])("a process that closes its runtime on %s", (kind) => {
  it.each(["at once", "a mutator", "unreferenced", "cut off"])(
    "has stored what it called without awaiting, and exits with 0: %s",
    async (what) => {
      const store = openStore(kind, await close(kind, what));
      await using runtime = createRuntime({ store });
      expect((await runtime.open("user", "u")).state).toEqual({ n: 2 });
    },
  );

  it("has stored what it called through the dialects", async () => {
    const store = openStore(kind, await close(kind, "dialects"));
    await using runtime = createRuntime({ store });
    const service = new SessionService({ runtime });
    const key = { appName: "app", userId: "u", sessionId: "s" };
    expect((await service.getSession(key))?.state.get("mood")).toBe("good");
    const second = await service.getSession({ ...key, sessionId: "second" });
    expect(second?.state.get("n")).toBe(1);
    const bot = createBotState({ runtime });
    expect((await bot.open("ann")).getMyState()).toEqual({ n: 1 });
    await bot.ready();
    expect(bot.globalState.getMyState()).toEqual({ n: 2 });
    const state = new State(createVcr({ runtime }).getSessionById("v"));
    expect([await state.get("key"), await state.listRange("list")]).toEqual(["value", [1]]);
    const documents = await new RuntimeStorage(runtime).read(["document", CONVERSATION]);
    expect(documents).toEqual({ document: { n: 1 }, [CONVERSATION]: { n: 1 } });
  });
});
