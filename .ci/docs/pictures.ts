/**
 * The pictures of docs/inspector.md and the README: `npx tsx .ci/docs/pictures.ts`, with Chromium at
 * /usr/bin/chromium, or where CHROMIUM says. It starts the served engine and looks at it.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { chromium, type Page } from "playwright-core";

const root = fileURLToPath(new URL("../../", import.meta.url));
/** How long the engine works before it is looked at; milliseconds. */
const WORK_MS = 45_000;

const data = mkdtempSync(join(tmpdir(), "holdfast-picture-"));
const args = ["--import", "tsx", "src/engine/main.ts", "--serve", "--data-dir", data];
const engine = spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "pipe", "inherit"] });
const browser = await chromium.launch({
  executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
  chromiumSandbox: false,
  args: ["--disable-gpu"],
});
try {
  const [first]: unknown[] = await once(engine.stdout, "data"); // Its first line.
  const url = /http:\S+/.exec(String(first))?.[0];
  if (url === undefined) throw new Error("the engine serves nothing");
  const page = await browser.newPage({ viewport: { width: 1_200, height: 760 } });
  await page.goto(url);
  await sleep(WORK_MS);
  await look(page, "light", `${url}#/mailboxes`);
  await page.getByRole("row", { name: /desk/ }).first().waitFor();
  await take(page, "inspector-mailboxes");
  await look(page, "light", `${url}#/scopes/desk/blue-table%20desk%201`);
  await page.getByRole("link", { name: "version 2", exact: false }).first().waitFor();
  await take(page, "inspector-scope");
  await look(page, "dark", `${url}#/runs?status=failed`);
  await page
    .getByRole("link", { name: /^booking-/ })
    .first()
    .click();
  await page.getByRole("heading", { name: "Steps", exact: true }).waitFor();
  await take(page, "inspector-run");
} finally {
  await browser.close();
  engine.kill("SIGINT");
  await once(engine, "close");
  rmSync(data, { recursive: true });
}

async function look(page: Page, colorScheme: "light" | "dark", address: string): Promise<void> {
  await page.emulateMedia({ colorScheme });
  await page.goto(address);
}

async function take(page: Page, name: string): Promise<void> {
  await sleep(1_500); // The line of the last seconds grows.
  await page.screenshot({ path: join(root, "docs", `${name}.png`) });
}
