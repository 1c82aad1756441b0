/** `holdfast/react` in Chromium, under React 19 and 18. */
import type { Page } from "playwright-core";
import { describe, expect, it, onTestFinished } from "vitest";
import { createHandler, type Handler } from "../../src/http.ts";
import { createRuntime, defineKind, type Runtime } from "../../src/index.ts";
import { blocksOf } from "../support/doc-blocks.ts";
import { openBrowser, openPage } from "../support/browser.ts";
import { bundled, withPage } from "../support/page.ts";
import { readFiles } from "../support/repository.ts";
import { type RestartingServer, restartingServer } from "../support/restarting-server.ts";
import { until } from "../support/waiting.ts";

interface Cart {
  total: number;
}

const { browser } = await openBrowser();
const kinds = { cart: defineKind<Cart>({ initial: { total: 0 } }) };

/** Two components with the same scope, under `StrictMode`; `show` renders other ones. */
const PAGE = `
  import { StrictMode, useEffect } from "react";
  import { createRoot, hydrateRoot } from "react-dom/client";
  import { connect } from "holdfast/client";
  import { useScope } from "holdfast/react";
  const clients = [connect(location.origin), connect(location.origin + "/")];
  const effects = [];
  function Cart({ client = 0, id, name, initial }) {
    const cart = useScope(clients[client], "cart", id, initial);
    useEffect(() => void effects.push(name), []);
    const { status, version = "-", state, patch } = cart;
    const add = () => patch({ total: state.total + 1 }, { optimistic: true });
    return <p>{[name, status, version, state?.total ?? "-"].join(" ")}
      <button onClick={add}>{name + " adds"}</button></p>;
  }
  const tree = (carts) => <StrictMode>{carts.map((cart) => <Cart key={cart.name} {...cart} />)}</StrictMode>;
  const main = document.querySelector("main");
  const faults = [];
  const report = (error) => faults.push(String(error));
  const root = main.childElementCount === 0
    ? createRoot(main)
    : hydrateRoot(main, tree(globalThis.first), { onRecoverableError: report });
  const show = (...carts) => root.render(tree(carts));
  Object.assign(globalThis, { show, effects, faults });
`;

/** A page and the streams that its server has. */
interface Opened {
  readonly page: Page;
  readonly runtime: Runtime<typeof kinds>;
  readonly server: RestartingServer;
  /** The paths of the streams that are open now. */
  readonly streams: Set<string>;
}

async function open(script: string, main = ""): Promise<Opened> {
  const runtime = createRuntime({ kinds });
  onTestFinished(() => runtime.close());
  const streams = new Set<string>();
  const serve = createHandler(runtime, { kinds: { cart: { write: true } } });
  const counted: Handler = async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname.endsWith("/changes")) {
      streams.add(pathname);
      request.signal.addEventListener("abort", () => streams.delete(pathname));
    }
    return serve(request);
  };
  const server = await restartingServer(withPage(counted, script, main));
  return { page: await openPage(browser, server.url), runtime, server, streams };
}

/** Waits until a page shows a text. */
async function shows(page: Page, text: string): Promise<void> {
  await page.getByText(text).first().waitFor({ timeout: 20_000 });
}

/** How often a stream was opened. */
function opened({ requests }: RestartingServer): string[] {
  return requests.filter((line) => line.includes("/changes"));
}

const reacts = [
  ["React 19", {}],
  ["React 18", { react: "react-18", "react-dom": "react-dom-18" }],
] as const;

describe.skipIf(browser === undefined).each(reacts)("useScope in a page with %s", (_, alias) => {
  const script = bundled(PAGE, { alias, mode: "development" });

  it("shares one stream, follows another scope, and ends the stream when it leaves", async () => {
    const { page, runtime, server, streams } = await open(await script);
    const cart = await runtime.open("cart", "ann");
    await page.evaluate("show({ name: 'one', id: 'ann' }, { name: 'two', id: 'ann' })");
    await shows(page, "one live 0 0");
    await shows(page, "two live 0 0");
    expect(await page.evaluate("effects.length")).toBe(4); // Mounted twice.
    await cart.patchState({ total: 4 });
    await shows(page, "two live 1 4");
    await page.getByText("one adds").click();
    await shows(page, "one live 2 5");
    await shows(page, "two live 2 5");
    expect(opened(server)).toEqual(["GET /scopes/cart/ann/changes"]);

    await page.evaluate("show({ name: 'one', id: 'ann' })");
    await cart.patchState({ total: 6 });
    await shows(page, "one live 3 6");
    await page.evaluate("show({ name: 'one', id: 'bob' })");
    await shows(page, "one live 0 0");
    await until(() => [...streams].join() === "/scopes/cart/bob/changes");
    await page.evaluate("show()");
    await until(() => streams.size === 0);
    expect(opened(server)).toHaveLength(2);

    await page.evaluate("show({ name: 'one', id: 'ann', client: 1 })");
    await shows(page, "one live 3 6");
    await page.evaluate("show({ name: 'one', id: 'ann', client: 0 })");
    await until(() => opened(server).length === 4);
    await shows(page, "one live 3 6");
    await page.evaluate("show()");
    await until(() => streams.size === 0);
    expect(await page.evaluate("faults")).toEqual([]);
  });

  it("continues what the server rendered", async () => {
    const first = [{ name: "one", id: "ann", initial: { version: 3, state: { total: 8 } } }];
    const html = "<p>one loading 3 8<button>one adds</button></p>";
    const start = `globalThis.first = ${JSON.stringify(first)};`;
    const { page, runtime } = await open(`${start}${await script}`, html);
    await runtime.open("cart", "ann");
    await shows(page, "one live 0 0");
    expect(await page.evaluate("faults")).toEqual([]);
  });
});

it.skipIf(browser === undefined)(
  "the component of docs/client.md shows a scope and changes it",
  async () => {
    const blocks = readFiles(["docs/client.md"], [".md"]).flatMap((each) => blocksOf(each));
    const [sample, ...others] = blocks.filter(({ language }) => language === "tsx");
    expect(others).toEqual([]);
    const runtime = createRuntime({ kinds: { cart: defineKind({ initial: { items: [] } }) } });
    onTestFinished(() => runtime.close());
    const handler = createHandler(runtime, {
      basePath: "/state",
      kinds: { cart: { write: true } },
    });
    const script = await bundled(sample?.code ?? "");
    const page = await openPage(browser, (await restartingServer(withPage(handler, script))).url);
    await shows(page, "0 items, live");
    await page.getByText("Add tea").click();
    await shows(page, "1 items, live");
    expect((await runtime.open("cart", "ann")).state).toEqual({ items: ["tea"] });
  },
);
