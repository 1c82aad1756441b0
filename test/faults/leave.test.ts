/** The end of a process that does not close its runtime: real processes, on each store. */
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { createRuntime } from "../../src/runtime/runtime.ts";
import { defineKind } from "../../src/runtime/kinds.ts";
import { RedisStorage } from "../../src/dialects/turn-state/storages.ts";
import { startChild } from "../support/child.ts";
import { testDirectory } from "../support/directory.ts";
import { onServer } from "../support/places.ts";
import { openStore } from "./open-store.ts";

const directory = testDirectory("leave");

function leaveCases(kind: string, fresh: () => string, ways: readonly string[]): void {
  describe(`a process on ${kind} that does not close its runtime`, () => {
    it.each(ways)("ends by itself, with all its changes stored: %s", async (what) => {
      const place = fresh();
      const child = startChild("leaver.ts", [kind, place, what]);
      onTestFinished(() => void child.process.kill("SIGKILL"));
      expect([await child.closed, child.output()]).toEqual([0, "2 2\n"]);
      if (kind === "memory") return; // What it had is gone.
      const kinds = { draft: defineKind({ durability: "checkpoint" }) };
      await using runtime = createRuntime({ store: openStore(kind, place), kinds });
      const scope = await runtime.open(what === "checkpoint" ? "draft" : "user", "u");
      expect(scope.state).toEqual({ n: 2 });
    });
  });
}

const fresh = (): string => mkdtempSync(join(directory, "data-"));
for (const kind of ["memory", "file", "sqlite"])
  leaveCases(kind, fresh, ["awaited", "under way", "checkpoint"]);
await onServer("redis", ({ kind, fresh: freshKeys }) => {
  it("a process that used a connection of a dialect ends by itself, too", async () => {
    const place = freshKeys();
    const child = startChild("leaver.ts", [kind, place, "documents"]);
    onTestFinished(() => void child.process.kill("SIGKILL"));
    expect(await child.closed).toBe(0);
    const [url = "", keyPrefix = ""] = place.split("#");
    const storage = new RedisStorage(url, { keyPrefix });
    expect(await storage.read(["document"])).toEqual({ document: { n: 2 } });
    await storage.close();
  });
});
for (const kind of ["redis", "postgres"] as const)
  await onServer(kind, (places) =>
    leaveCases(kind, places.fresh, ["awaited", "under way", "checkpoint", "given"]),
  );
