/** The stream of changes, read by the browser's own `EventSource`. */
import { describe, expect, it, onTestFinished } from "vitest";
import { createHandler } from "../../src/http.ts";
import { createRuntime, defineKind } from "../../src/index.ts";
import { openBrowser } from "../support/browser.ts";
import { withPage } from "../support/page.ts";
import { restartingServer } from "../support/restarting-server.ts";

const { browser } = await openBrowser();
const kinds = { cart: defineKind({ initial: { total: 0 }, history: 10 }) };

/** Appends a line to the page for each event. */
const SCRIPT = `
  const source = new EventSource("/scopes/cart/ann/changes");
  for (const type of ["snapshot", "change"])
    source.addEventListener(type, ({ data, lastEventId }) => {
      const line = document.createElement("p");
      line.textContent = type + " " + lastEventId + " " + data;
      document.querySelector("main").append(line);
    });`;

describe.skipIf(browser === undefined)("EventSource", () => {
  it("receives a snapshot and changes, and after a restart what it missed", async () => {
    const runtime = createRuntime({ kinds });
    onTestFinished(() => runtime.close());
    const handler = withPage(createHandler(runtime, { kinds: { cart: {} } }), SCRIPT);
    const server = await restartingServer(handler);
    const cart = await runtime.open("cart", "ann");
    const page = await browser?.newPage();
    if (page === undefined) throw new Error("no browser");
    onTestFinished(() => page.close());
    const lines = page.locator("p");
    await page.goto(server.url);
    await lines.getByText("snapshot 0").waitFor();
    await cart.patchState({ total: 2 });
    await lines.getByText("change 1").waitFor();
    await server.stop();
    await cart.patchState({ total: 3 });
    await cart.patchState({ total: 4 });
    await server.start(handler);
    await lines.getByText("change 3").waitFor();
    const patch = (value: number): string =>
      `"patch":[{"op":"replace","path":"/total","value":${value}}]}`;
    expect(await lines.allTextContents()).toEqual([
      `snapshot 0 {"version":0,"state":{"total":0}}`,
      `change 1 {"version":1,"operation":"patch",${patch(2)}`,
      `change 2 {"version":2,"operation":"patch",${patch(3)}`,
      `change 3 {"version":3,"operation":"patch",${patch(4)}`,
    ]);
  });
});
