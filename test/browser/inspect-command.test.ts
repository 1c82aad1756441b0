/** `holdfast inspect` in Chromium, on a store that a program has written. */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createRuntime, defineKind, defineSequencer } from "../../src/index.ts";
import { sqliteStore } from "../../src/sqlite.ts";
import { openBrowser } from "../support/browser.ts";
import { testDirectory } from "../support/directory.ts";
import { pageAt } from "../support/inspected.ts";
import { servedProgram } from "../support/served-program.ts";

const { browser } = await openBrowser();
const dir = testDirectory("inspect");
const kinds = { chat: defineKind({ initial: { topic: "" }, history: 10 }) };

async function stored(name: string): Promise<string> {
  const path = join(dir, name);
  await using runtime = createRuntime({ kinds, store: sqliteStore({ path }) });
  const ann = await runtime.open("chat", "ann");
  await ann.patchState({ topic: "tea" });
  await ann.patchState({ topic: "milk" });
  const ask = defineSequencer({ name: "ask" })
    .step("think", () => 1)
    .step("ask", (context) => context.suspend("well?"));
  await runtime.run(ask, { runId: "run-1" }).result;
  return `sqlite:${path}`;
}

describe.skipIf(browser === undefined)("holdfast inspect", () => {
  it("shows a store without its program; its address is opened once", async () => {
    const { url, interrupt } = await servedProgram("src/cli/main.ts", [
      "inspect",
      await stored("read.db"),
    ]);
    const page = await pageAt(browser, url);
    expect(page.url()).toBe(`${new URL(url).origin}/`);
    expect(await page.evaluate("document.cookie")).toBe("");
    await page.getByRole("link", { name: "ann", exact: true }).click();
    await page.locator(".version").getByText("version 2").waitFor();
    await page.getByRole("link", { name: "version 1" }).click();
    await page.getByText('"tea"', { exact: true }).first().waitFor();
    expect(await page.getByRole("button", { name: /rewind/i }).count()).toBe(0);
    await page.getByRole("link", { name: "Runs", exact: true }).click();
    await page.getByRole("link", { name: "run-1" }).click();
    await page.getByRole("heading", { name: "Waits: well?" }).waitFor();
    expect(await page.locator(".gantt .fill").count()).toBe(2);
    await page.getByRole("link", { name: "Mailboxes", exact: true }).click();
    await page.getByText(/in the memory of your programs/).waitFor();
    expect((await page.goto(`${new URL(url).origin}/`))?.status()).toBe(200);
    expect((await fetch(url)).status).toBe(403);
    expect((await fetch(new URL(url).origin)).status).toBe(403);
    await page.close(); // Before its stream of events is cut.
    expect(await interrupt()).toBe(0);
  });

  it("rewinds with --write", async () => {
    const address = await stored("write.db");
    const { url, interrupt } = await servedProgram("src/cli/main.ts", [
      "inspect",
      address,
      "--write",
    ]);
    const page = await pageAt(browser, url);
    await page.goto(`${page.url()}#/scopes/chat/ann?at=1`);
    await page.getByRole("button", { name: "Rewind to version 1" }).click();
    await page.locator(".version").getByText("version 3").waitFor();
    await page.close(); // Before its stream of events is cut.
    expect(await interrupt()).toBe(0);
    const store = sqliteStore({ path: address.slice("sqlite:".length) });
    await using runtime = createRuntime({ kinds, store });
    expect((await runtime.open("chat", "ann")).state).toEqual({ topic: "tea" });
  });
});
