/** `npm start -- --serve` in Chromium: what a new user sees. */
import { describe, expect, it } from "vitest";
import { openBrowser } from "../support/browser.ts";
import { testDirectory } from "../support/directory.ts";
import { pageAt } from "../support/inspected.ts";
import { servedProgram } from "../support/served-program.ts";

const { browser } = await openBrowser();
const dir = testDirectory("serve");

describe.skipIf(browser === undefined)("the served engine", () => {
  it("shows conversations, contention and runs, and ends when it is interrupted", async () => {
    const args = ["--serve", "--data-dir", dir];
    const { url, output, interrupt } = await servedProgram("src/engine/main.ts", args);
    const page = await pageAt(browser, url);
    await page.getByRole("combobox", { name: /kind/i }).selectOption("session");
    await page
      .getByRole("link", { name: /^s-\d+\.1$/ })
      .first()
      .click();
    await page.getByRole("heading", { name: "Timeline" }).waitFor();
    await page.getByRole("link", { name: "version 2" }).waitFor();
    await page.getByRole("link", { name: "Mailboxes", exact: true }).click();
    await page.getByRole("row", { name: /desk/ }).first().waitFor();
    await page.getByRole("link", { name: "Runs", exact: true }).click();
    await page
      .getByRole("link", { name: /^message-/ })
      .first()
      .waitFor();
    await page.getByRole("combobox", { name: "Status" }).selectOption("suspended");
    await page
      .getByRole("link", { name: /^booking-/ })
      .first()
      .waitFor();
    await page.close();
    expect(await interrupt()).toBe(0);
    expect(output()).not.toMatch(/error|warning/i);
  });
});
