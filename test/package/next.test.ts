/** The published package in a route of Next.js, built and served by each of its bundlers. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { blocksOf } from "../support/doc-blocks.ts";
import { eventsOf } from "../support/http.ts";
import { freePort, untilListening } from "../support/port.ts";
import { readFiles } from "../support/repository.ts";
import { install, peers, type Project } from "./packed.ts";
import { hasTools, toolsDir } from "./tools.ts";

const run = promisify(execFile);

/** Counts in SQLite; says what a Redis that is not there throws. */
const ROUTE = `
import { createRuntime } from "holdfast";
import { redisStore } from "holdfast/redis";
import { sqliteStore } from "holdfast/sqlite";

export const dynamic = "force-dynamic";

async function addOne(store) {
  const runtime = createRuntime({ store });
  try {
    const chat = await runtime.open("session", "s1");
    await chat.patchState({ count: (chat.state.count ?? 0) + 1 });
    return chat.state.count;
  } catch (error) {
    return error.message;
  } finally {
    await runtime.close();
  }
}

export async function GET() {
  const sqlite = await addOne(sqliteStore({ path: process.env.BOT_DB }));
  const redis = await addOne(redisStore({ url: "redis://127.0.0.1:1", timeoutMs: 500 }));
  return Response.json({ sqlite, redis });
}
`;

/** The route of docs/http.md. */
const STATE_ROUTE = readFiles(["docs/http.md"], [".md"])
  .flatMap((page) => blocksOf(page))
  .find(({ language }) => language === "js")?.code;

/** A component of a browser, which Next.js also renders on the server. */
const CART = `
"use client";
import { connect } from "holdfast/client";
import { useScope } from "holdfast/react";

const client = connect("/state");

export function Cart({ id }) {
  const { status, state } = useScope(client, "cart", id);
  return <p>{status + " " + (state?.total ?? "-")}</p>;
}
`;

const PAGE = `
import { Cart } from "./cart.js";

export const dynamic = "force-dynamic";

export default function Page() {
  return <Cart id="ann" />;
}
`;

const LAYOUT = `
export default function Layout({ children }) {
  return <html><body>{children}</body></html>;
}
`;

/** The packages are linked from elsewhere; by default Turbopack looks at the project alone. */
const configs = { turbopack: { turbopack: { root: "/" } }, webpack: {} } as const;

/** The handler in a route, and the hook in a page that the server renders. */
async function servesStates(url: string): Promise<void> {
  expect(await (await fetch(url)).text()).toContain("<p>loading -</p>");
  const cart = `${url}/state/scopes/cart/ann`;
  const events = eventsOf(await fetch(`${cart}/changes`));
  onTestFinished(() => events.cancel());
  expect(await events.next()).toMatchObject({ event: "snapshot", id: "0" });
  const headers = { "content-type": "application/merge-patch+json" };
  const patched = await fetch(cart, { method: "PATCH", headers, body: '{"total":5}' });
  expect([patched.status, await patched.json()]).toEqual([200, { total: 5 }]);
  expect(await events.next()).toMatchObject({ event: "change", id: "1" });
  const foreign = { ...headers, origin: "http://evil.example" };
  expect((await fetch(cart, { headers: foreign })).status).toBe(403);
}

describe.skipIf(!hasTools())("in a route of Next.js", () => {
  const env = { ...process.env, NEXT_TELEMETRY_DISABLED: "1", NODE_ENV: "production" } as const;
  let project: Project;

  beforeAll(async () => {
    project = await install(peers.filter((name) => name !== "react"));
    for (const name of ["next", "react", "react-dom"]) project.link(name, toolsDir);
    const files = {
      "layout.js": LAYOUT,
      "page.js": PAGE,
      "cart.js": CART,
      "count/route.js": ROUTE,
      "state/[...path]/route.js": STATE_ROUTE ?? "",
    };
    for (const [name, text] of Object.entries(files)) {
      const path = join(project.dir, "app", name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
    }
  }, 120_000);

  afterAll(() => {
    project.remove();
  });

  it.each(["turbopack", "webpack"] as const)(
    "built by %s a scope is kept",
    async (bundler) => {
      const { dir } = project;
      const config = `export default ${JSON.stringify(configs[bundler])};\n`;
      writeFileSync(join(dir, "next.config.mjs"), config);
      const next = join(dir, "node_modules", "next", "dist", "bin", "next");
      await run(process.execPath, [next, "build", `--${bundler}`], { cwd: dir, env });
      const port = await freePort();
      const server = spawn(process.execPath, [next, "start", "-p", `${port}`], {
        cwd: dir,
        env: { ...env, BOT_DB: join(dir, `${bundler}.db`) },
        stdio: "ignore",
      });
      onTestFinished(async () => {
        const gone = once(server, "exit");
        server.kill();
        await gone;
      });
      await untilListening(port, server);
      for (const sqlite of [1, 2]) {
        const response = await fetch(`http://localhost:${port}/count`);
        const redis: unknown = expect.stringContaining("ECONNREFUSED");
        expect(await response.json()).toEqual({ sqlite, redis });
      }
      await servesStates(`http://localhost:${port}`);
    },
    240_000,
  );
});
