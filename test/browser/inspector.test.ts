/** The page of the inspector in Chromium: scopes, one scope, and what strange ids look like. */
import { describe, expect, it, onTestFinished } from "vitest";
import { inspector } from "../../src/http.ts";
import { createRuntime, defineKind, memoryStore, type Runtime } from "../../src/index.ts";
import { openBrowser } from "../support/browser.ts";
import { addressOf, pageAt } from "../support/inspected.ts";

const { browser } = await openBrowser();
const kinds = {
  cart: defineKind({
    initial: { items: [] as string[], total: 0 },
    history: 100,
    ttlMs: 3_600_000,
  }),
  note: defineKind({
    initial: { text: "" },
    timers: { remind: () => undefined },
  }),
};

function made(): Runtime<typeof kinds> {
  const runtime = createRuntime({ kinds });
  onTestFinished(() => runtime.close());
  return runtime;
}

describe.skipIf(browser === undefined)("the page", () => {
  it("lists scopes live, by kind and by a part of the id", async () => {
    const runtime = made();
    const ann = await runtime.open("cart", "ann");
    await ann.patchState({ total: 1 });
    const page = await pageAt(browser, await addressOf(inspector(runtime)));
    await page.getByRole("heading", { name: "Scopes" }).waitFor();
    expect(await page.title()).toContain("holdfast");
    for (const name of ["Scopes", "Mailboxes", "Runs", "Store"])
      expect(await page.getByRole("link", { name, exact: true }).count()).toBe(1);
    await page.getByRole("link", { name: "ann", exact: true }).waitFor();
    await (await runtime.open("note", "ann's note")).patchState({ text: "soon" });
    await page.getByRole("link", { name: "ann's note" }).waitFor();
    await page.getByText("2 scopes", { exact: true }).waitFor();
    const kind = page.getByRole("combobox", { name: /kind/i });
    expect(await kind.locator("option").first().textContent()).toMatch(/all/i);
    await kind.selectOption("note");
    await page.getByRole("link", { name: "ann", exact: true }).waitFor({ state: "detached" });
    await kind.selectOption("");
    await page.getByRole("textbox", { name: /filter/i }).fill("N'S");
    await page.getByRole("link", { name: "ann", exact: true }).waitFor({ state: "detached" });
    expect(await page.getByRole("link", { name: "ann's note" }).count()).toBe(1);
    await page.getByRole("textbox", { name: /filter/i }).fill("nothing like it");
    await page.getByText("No scope fits.").waitFor();
  });

  it("shows a scope with its timeline, its past, its timers, and no button without write", async () => {
    const runtime = made();
    const ann = await runtime.open("cart", "ann");
    await ann.pushState("items", "tea", { meta: { by: "bob" } });
    await ann.patchState({ total: 4 });
    const note = await runtime.open("note", "n1");
    await note.schedule("remind", { afterMs: 600_000 });
    const page = await pageAt(browser, await addressOf(inspector(runtime)));
    await page.getByRole("link", { name: "ann", exact: true }).click();
    await page.getByRole("heading", { name: "ann", exact: true }).waitFor();
    await page.getByRole("heading", { name: "Timeline" }).waitFor();
    await page.getByText("by", { exact: true }).waitFor();
    await page.locator(".version").getByText("version 2").waitFor();
    await ann.patchState({ total: 9 }); // Seen without a reload.
    await page.locator(".version").getByText("version 3").waitFor();
    await page.getByRole("link", { name: "version 3" }).waitFor();
    expect(await page.locator(".change").first().innerText()).toMatch(/total\s*4\s*9/);
    await page.getByRole("link", { name: "version 1" }).click();
    await page.getByText(/as of version 1/).waitFor();
    expect(await page.getByRole("group", { name: "State" }).innerText()).toMatch(/total\s*0/);
    expect(await page.getByRole("button", { name: /rewind/i }).count()).toBe(0);
    await page.goto(`${page.url().split("#")[0]}#/scopes/note/n1`);
    await page.getByText("remind", { exact: true }).waitFor();
    await page.getByText("This kind keeps no history.").waitFor();
  });

  it("rewinds with write", async () => {
    const runtime = made();
    const ann = await runtime.open("cart", "ann");
    await ann.patchState({ total: 4 });
    await ann.patchState({ total: 5 });
    const page = await pageAt(browser, await addressOf(inspector(runtime, { write: true })));
    await page.goto(`${page.url()}#/scopes/cart/ann?at=1`);
    await page.getByRole("button", { name: "Rewind to version 1" }).click();
    await page.getByRole("link", { name: "version 3" }).waitFor();
    expect(ann.state).toEqual({ items: [], total: 4 });
    expect(await page.getByRole("button", { name: /rewind/i }).isDisabled()).toBe(true);
  });

  it("shows any id as text", async () => {
    const runtime = made();
    const ids = [
      "<script>document.title='x'</script>",
      "a%2Fb",
      "a/b?c#d",
      "日本 🎉",
      "__proto__",
      "..",
    ];
    for (const id of ids) await (await runtime.open("note", id)).patchState({ text: id });
    const page = await pageAt(browser, await addressOf(inspector(runtime)));
    for (const id of ids) {
      await page.getByRole("link", { name: id, exact: true }).click();
      await page.getByRole("heading", { name: id, exact: true }).waitFor();
      await page.getByText(JSON.stringify(id), { exact: true }).waitFor();
      expect(await page.title()).toBe(`${id} · holdfast`);
      await page.getByRole("link", { name: "‹ note" }).click();
    }
  });

  it("is used by the keyboard alone, on a narrow screen", async () => {
    const runtime = made();
    await (await runtime.open("cart", "ann")).patchState({ total: 1 });
    const address = await addressOf(inspector(runtime));
    const page = await pageAt(browser, address, { width: 375, colorScheme: "dark" });
    await page.getByRole("link", { name: "ann", exact: true }).waitFor();
    const focused = (): Promise<string> => page.locator(":focus").first().innerText();
    const visited: string[] = [];
    for (let key = 0; key < 10; key += 1) {
      await page.keyboard.press("Tab");
      visited.push(await focused());
      if (visited.at(-1) === "ann") break;
    }
    expect(visited).toEqual(expect.arrayContaining(["Mailboxes", "Runs", "Store", "ann"]));
    const outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle");
    expect(outline).toBe("solid");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Timeline" }).waitFor();
    const widths = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]");
    expect(widths).toEqual([375, 375]);
  });

  it("stays usable with 100,000 scopes", async () => {
    const store = memoryStore();
    for (let from = 0; from < 100_000; from += 1_000)
      await store.commit(
        Array.from({ length: 1_000 }, (_, at) => ({
          key: `holdfast/note/n-${String(from + at).padStart(6, "0")}`,
          expectedVersion: 0,
          version: 1,
          state: { text: "" },
        })),
      );
    const runtime = createRuntime({ kinds, store });
    onTestFinished(() => runtime.close());
    const page = await pageAt(browser, await addressOf(inspector(runtime)));
    await page.getByText("100,000 scopes", { exact: true }).waitFor();
    const nodes = (): Promise<unknown> => page.evaluate("document.querySelectorAll('*').length");
    for (let end = 0; end < 4; end += 1) {
      await page.evaluate("scrollTo(0, document.body.scrollHeight)");
      const name = `n-${String((end + 1) * 500 - 1).padStart(6, "0")}`;
      await page.getByRole("link", { name, exact: true }).waitFor();
      expect(await nodes()).toBeLessThan(400);
    }
    await page.getByRole("textbox", { name: /filter/i }).fill("99999");
    await page.getByRole("link", { name: "n-099999", exact: true }).click();
    await page.getByRole("heading", { name: "n-099999" }).waitFor();
  });
});
