/** An inspector that is served, and pages of a browser on it. */
import { createServer } from "node:http";
import { once } from "node:events";
import type { Browser, Page } from "playwright-core";
import { expect, onTestFinished } from "vitest";
import { type Handler, toNodeListener } from "../../src/http.ts";

/** What is waited for is named when it does not come: before the time limit of a test. */
const WAIT_MS = 15_000;

/** Serves a handler until the end of the test; gives its address, with a slash at the end. */
export async function addressOf(handler: Handler): Promise<string> {
  const server = createServer(toNodeListener(handler)).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  });
  const address = server.address();
  return `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}/`;
}

/**
 * A page at an address. At the end of the test it must have sent requests to that origin alone, and
 * have met no error and no violation of its policy.
 */
export async function pageAt(
  browser: Browser | undefined,
  address: string,
  options: { readonly width?: number; readonly colorScheme?: "light" | "dark" } = {},
): Promise<Page> {
  if (browser === undefined) throw new Error("no browser");
  const { width = 1_200, colorScheme = "light" } = options;
  const page = await browser.newPage({ viewport: { width, height: 800 }, colorScheme });
  page.setDefaultTimeout(WAIT_MS);
  const wrong: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error") wrong.push(message.text());
  });
  page.on("pageerror", (error) => wrong.push(String(error)));
  page.on("request", (request) => {
    const { origin, protocol } = new URL(request.url());
    if (protocol !== "data:" && origin !== new URL(address).origin) wrong.push(request.url());
  });
  onTestFinished(async () => {
    await page.close();
    expect(wrong).toEqual([]);
  });
  await page.goto(address);
  return page;
}
