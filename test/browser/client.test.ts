/** `holdfast/client` in Chromium, with servers that stop, refuse and are out of reach. */
import type { Page } from "playwright-core";
import { describe, expect, it, onTestFinished } from "vitest";
import { createHandler, type Handler } from "../../src/http.ts";
import { createRuntime, defineKind, type Runtime } from "../../src/index.ts";
import { openBrowser, openPage } from "../support/browser.ts";
import { bundled, withPage } from "../support/page.ts";
import { restartingServer } from "../support/restarting-server.ts";
import { gate } from "../support/waiting.ts";

interface Cart {
  total: number;
  note: string;
}

const { browser } = await openBrowser();
const kinds = { cart: defineKind<Cart>({ initial: { total: 0, note: "" }, history: 100 }) };

/** Follows a scope, shows it, and keeps each state that it had. */
const script = await bundled(`
  import { connect } from "holdfast/client";
  const cart = connect(location.origin).scope("cart", "ann");
  const seen = [];
  cart.subscribe(({ status, version, state }) => {
    if (seen.at(-1)?.join() !== [version, state?.total].join()) seen.push([version, state?.total]);
    const { total, note } = state ?? {};
    document.querySelector("main").textContent = [status, version, total, note].join(" ");
  });
  const send = (...patch) => cart.patch(...patch).then(({ version }) => version, ({ code }) => code);
  Object.assign(globalThis, { seen, send });
`);

function made(): Runtime<typeof kinds> {
  const runtime = createRuntime({ kinds });
  onTestFinished(() => runtime.close());
  return runtime;
}

function handlerOf(runtime: Runtime): Handler {
  return withPage(createHandler(runtime, { kinds: { cart: { write: true } } }), script);
}

/** Waits until a tab shows a line. */
async function shows(page: Page, line: string): Promise<void> {
  await page.getByText(line, { exact: true }).waitFor({ timeout: 20_000 });
}

describe.skipIf(browser === undefined)("a page with holdfast/client", () => {
  it("shows the changes of another tab", async () => {
    const server = await restartingServer(handlerOf(made()));
    const [one, other] = await Promise.all([
      openPage(browser, server.url),
      openPage(browser, server.url),
    ]);
    await Promise.all([shows(one, "live 0 0 "), shows(other, "live 0 0 ")]);
    expect(await one.evaluate("send({ total: 1 })")).toBe(1);
    await shows(other, "live 1 1 ");
    expect(await other.evaluate("send({ note: 'tea' })")).toBe(2);
    await shows(one, "live 2 1 tea");
    expect(await one.evaluate("send({ total: 3 }, { ifVersion: 1 })")).toBe("PRECONDITION_FAILED");
    await shows(one, "live 2 1 tea");
  });

  it("reconnects after a restart of the server and misses no version", async () => {
    const runtime = made();
    const handler = handlerOf(runtime);
    const server = await restartingServer(handler);
    const cart = await runtime.open("cart", "ann");
    const page = await openPage(browser, server.url);
    await shows(page, "live 0 0 ");
    await cart.patchState({ total: 10 });
    await shows(page, "live 1 10 ");
    await server.stop();
    await shows(page, "reconnecting 1 10 ");
    for (const total of [20, 30, 40]) await cart.patchState({ total });
    await server.start(handler);
    await shows(page, "live 4 40 ");
    await cart.patchState({ total: 50 });
    await shows(page, "live 5 50 ");
    const versions = [0, 1, 2, 3, 4, 5].map((version) => [version, version * 10]);
    expect(await page.evaluate("seen")).toEqual(versions);
  });

  it("takes back an optimistic patch that the server refuses", async () => {
    const runtime = made();
    const { promise, open } = gate();
    const serve = handlerOf(runtime);
    const server = await restartingServer(async (request) => {
      if (request.method === "PATCH") await promise;
      return serve(request);
    });
    const page = await openPage(browser, server.url);
    await shows(page, "live 0 0 ");
    const answer = page.evaluate("send({ total: 9 }, { optimistic: true, ifVersion: 7 })");
    await shows(page, "live 0 9 ");
    await (await runtime.open("cart", "ann")).patchState({ note: "tea" });
    await shows(page, "live 1 9 tea");
    open();
    expect(await answer).toBe("PRECONDITION_FAILED");
    await shows(page, "live 1 0 tea");
  });

  it("continues after it was offline", async () => {
    const runtime = made();
    const server = await restartingServer(handlerOf(runtime));
    const cart = await runtime.open("cart", "ann");
    const page = await openPage(browser, server.url);
    await shows(page, "live 0 0 ");
    await page.context().setOffline(true);
    await shows(page, "reconnecting 0 0 ");
    expect(await page.evaluate("send({ total: 5 })")).toBe("NETWORK");
    for (const total of [1, 2, 3]) await cart.patchState({ total });
    await page.context().setOffline(false);
    await shows(page, "live 3 3 ");
    expect(await page.evaluate("send({ total: 4 })")).toBe(4);
    expect(await page.evaluate("seen.map(([version]) => version)")).toEqual([0, 1, 2, 3, 4]);
  });
});
