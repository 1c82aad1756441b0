/** The published adapters with the lowest versions of their peers, and without any. */
import { execFile } from "node:child_process";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { rootUrl } from "../support/entry-points.ts";
import { install, type Project } from "./packed.ts";
import { hasLowestPeers, lowestPeersDir } from "./tools.ts";

const run = promisify(execFile);

/** The peers of stores, tracing and the hook: their lowest versions are not tested here. */
const OTHERS: ReadonlySet<string> = new Set([
  "@opentelemetry/api",
  "ioredis",
  "libsql",
  "pg",
  "react",
]);

/** The packages of adapters and their ranges, as package.json declares them. */
function ranges(): [name: string, range: string][] {
  const text = readFileSync(new URL("package.json", rootUrl), "utf8");
  const { peerDependencies } = JSON.parse(text) as { peerDependencies: Record<string, string> };
  return Object.entries(peerDependencies).filter(([name]) => !OTHERS.has(name));
}

describe.skipIf(!hasLowestPeers())("an adapter", () => {
  const names = ranges().map(([name]) => name);
  let project: Project;
  let bare: Project;
  let results: Readonly<Record<string, string>> = {};

  beforeAll(async () => {
    project = await install([]);
    bare = await install([]);
    for (const name of names) project.link(name, lowestPeersDir);
    const program = join(project.dir, "lowest-peers.mjs");
    copyFileSync(fileURLToPath(new URL("lowest-peers.mjs", import.meta.url)), program);
    const { stdout } = await run(process.execPath, [program], { cwd: project.dir });
    // The program prints the results of its cases.
    results = JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as Record<string, string>;
  }, 120_000);

  afterAll(() => {
    project.remove();
    bare.remove();
  });

  it.each(ranges())("works with the lowest %s of %s", (name, range) => {
    const folder = new URL(`.ci/peers/node_modules/${name}/package.json`, rootUrl);
    const { version } = JSON.parse(readFileSync(folder, "utf8")) as { version: string };
    const lowest = /\d+(?:\.\d+)*/.exec(range)?.[0] ?? "";
    expect(`${lowest}.0.0`.startsWith(version), `${version} is the lowest of ${range}`).toBe(true);
    expect(results[name]).toBe("ok");
  });

  it("says without its peer which range to install, or needs the types alone", async () => {
    const file = join(bare.dir, "bare.mjs");
    writeFileSync(file, BARE);
    const { stdout } = await run(process.execPath, [file], { cwd: bare.dir });
    const range = Object.fromEntries(ranges());
    expect(JSON.parse(stdout)).toEqual({
      langgraph: expect.stringContaining(
        `@langchain/langgraph-checkpoint@${range["@langchain/langgraph-checkpoint"]}`,
      ) as unknown,
      "express-session": expect.stringContaining(
        `npm install express-session@${range["express-session"]}`,
      ) as unknown,
      others: "ok",
    });
  });
});

/** Uses each adapter without its peer. */
const BARE = `
import { createRuntime } from "holdfast";
import { chatHistory } from "holdfast/ai";
import { createHoldfastState } from "holdfast/chat-sdk";
import { HoldfastSessionStore } from "holdfast/express-session";
import { session, storageAdapter } from "holdfast/grammy";
import { KeyvHoldfast } from "holdfast/keyv";
import { HoldfastSaver } from "holdfast/langgraph";
import { HoldfastSession } from "holdfast/openai-agents";
import { sessionStore } from "holdfast/telegraf";
import { holdfastDriver } from "holdfast/unstorage";
const runtime = createRuntime();
const failure = async (work) => {
  try {
    await work();
    return "ok";
  } catch (error) {
    return error.code + ": " + error.message;
  }
};
console.log(
  JSON.stringify({
    langgraph: await failure(() =>
      new HoldfastSaver({ runtime }).getTuple({ configurable: { thread_id: "t" } }),
    ),
    "express-session": await failure(() => new HoldfastSessionStore({ runtime })),
    others: await failure(async () => {
      await chatHistory(await runtime.open("session", "s")).messages();
      await createHoldfastState({ runtime }).get("k");
      session({ runtime, initial: () => ({}) });
      await storageAdapter({ runtime }).read("k");
      await new KeyvHoldfast({ runtime }).get("k");
      await new HoldfastSession({ runtime, sessionId: "s" }).getItems();
      await sessionStore({ runtime }).get("k");
      await holdfastDriver({ runtime }).getItem("k");
    }),
  }),
);
await runtime.close();
`;
