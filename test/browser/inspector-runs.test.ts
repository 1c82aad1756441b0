/** The page of the inspector in Chromium: mailboxes, runs, and the store. */
import { describe, expect, it, onTestFinished } from "vitest";
import { z } from "zod";
import { inspector } from "../../src/http.ts";
import {
  createRuntime,
  defineKind,
  defineSequencer,
  memoryStore,
  type Runtime,
} from "../../src/index.ts";
import { openBrowser } from "../support/browser.ts";
import { addressOf, pageAt } from "../support/inspected.ts";
import { gate, keepingLogger } from "../support/waiting.ts";

const { browser } = await openBrowser();
const kinds = { cart: defineKind({ initial: { n: 0 }, history: 10 }) };

function made(store = memoryStore()): Runtime<typeof kinds> {
  const runtime = createRuntime({ kinds, store, logger: keepingLogger() });
  onTestFinished(() => runtime.close());
  return runtime;
}

describe.skipIf(browser === undefined)("the page", () => {
  it("shows what runs in a mailbox, what waits, and who met other processes", async () => {
    const store = memoryStore();
    const runtime = made(store);
    const cart = await runtime.open("cart", "busy");
    const page = await pageAt(browser, await addressOf(inspector(runtime)));
    await page.getByText("live", { exact: true }).waitFor();
    await page.getByRole("link", { name: "Mailboxes", exact: true }).click();
    await page.getByText("Every mailbox is empty.").waitFor();
    const open = gate();
    const slow = cart.atomicState(async () => {
      await open.promise;
      return { n: 1 };
    });
    const waiting = [1, 2, 3].map(() => cart.incState({ n: 1 }));
    const row = page.getByRole("row", { name: /busy/ });
    await row.getByText("atomic").waitFor();
    expect(await row.getByRole("cell").last().innerText()).toBe("3");
    expect(await row.getByRole("cell").nth(2).innerText()).toMatch(/\d m?s$/);
    open.open();
    await Promise.all([slow, ...waiting]);
    await page.getByText("Every mailbox is empty.").waitFor();
    const other = made(store);
    await (await other.open("cart", "busy")).incState({ n: 10 });
    await cart.incState({ n: 1 }); // Its save meets the version of the other runtime.
    const met = page.getByRole("row", { name: /busy/ });
    expect(await met.getByRole("cell").nth(1).innerText()).toBe("1");
    await page.getByRole("link", { name: "Store", exact: true }).click();
    await page.getByRole("heading", { name: "Store" }).waitFor();
    await page.getByText("commits a second").waitFor();
    expect(await page.locator("figcaption").innerText()).toMatch(/\d calls? in the last minute/);
  });

  it("shows runs with their steps, why one failed, and retries it", async () => {
    const runtime = made();
    const page = await pageAt(browser, await addressOf(inspector(runtime, { write: true })));
    await page.getByText("live", { exact: true }).waitFor();
    let isDown = true;
    const pay = defineSequencer({ name: "payment" })
      .step("reserve", () => 7)
      .step("charge", () => {
        if (isDown) throw new Error("the card was declined");
        return true;
      })
      .step("ship", () => "sent");
    await runtime.run(pay, { runId: "pay-1" }).result.catch(() => undefined);
    await page.getByRole("link", { name: "Runs", exact: true }).click();
    await page.getByRole("combobox", { name: "Status" }).selectOption("failed");
    await page.getByRole("link", { name: "pay-1" }).click();
    await page.getByRole("heading", { name: "pay-1" }).waitFor();
    await page.getByText("the card was declined").waitFor();
    const steps = (): Promise<string[]> => page.locator(".gantt li").allInnerTexts();
    expect((await steps()).map((text) => text.split("\n").join(" "))).toEqual([
      expect.stringMatching(/^reserve .* ms$/),
      expect.stringMatching(/^charge failed .* ms$/),
      "ship to come",
    ]);
    expect(await page.locator(".gantt .fill").count()).toBe(2);
    isDown = false;
    await page.getByRole("button", { name: "Retry" }).click();
    await page.getByText("completed", { exact: true }).waitFor();
    expect(await page.getByRole("button").count()).toBe(0);
  });

  it("resumes by a form from the schema, or with JSON, and cancels", async () => {
    const runtime = made();
    const schema = z.object({ approved: z.boolean(), rank: z.enum(["low", "high"]) });
    const order = defineSequencer({ name: "order" })
      .step("approve", (ctx) => ctx.suspend({ reason: "approve the order?", schema }))
      .step("note", (ctx) => ctx.suspend({ reason: "any note?" }))
      .step("wait", (ctx) => ctx.suspend("for ever"));
    await runtime.run(order, { runId: "order-1" }).result;
    const page = await pageAt(browser, await addressOf(inspector(runtime, { write: true })));
    await page.goto(`${page.url()}#/runs/order-1`);
    await page.getByRole("heading", { name: "Waits: approve the order?" }).waitFor();
    await page.getByRole("checkbox", { name: "approved" }).check();
    await page.getByRole("combobox", { name: "rank" }).selectOption("high");
    await page.getByRole("button", { name: "Resume the run" }).click();
    await page.getByRole("heading", { name: "Waits: any note?" }).waitFor();
    await page.getByRole("textbox", { name: "Answer as JSON" }).fill("{");
    await page.getByRole("button", { name: "Resume the run" }).click();
    await page.getByText("the answer is not JSON").waitFor();
    await page.getByRole("textbox", { name: "Answer as JSON" }).fill('{ "text": "soon" }');
    await page.getByRole("button", { name: "Resume the run" }).click();
    await page.getByRole("heading", { name: "Waits: for ever" }).waitFor();
    const [{ outputs } = { outputs: [] }] = await runtime.checkpoints("order-1");
    expect(outputs).toEqual([{ approved: true, rank: "high" }, { text: "soon" }]);
    await page.getByRole("button", { name: "Cancel the run" }).click();
    await page.getByText("cancelled", { exact: true }).first().waitFor();
  });
});
