/** Chromium for the tests of a file, driven by playwright. */
import { existsSync } from "node:fs";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, onTestFinished } from "vitest";

/** The program; CHROMIUM names another one. */
const PROGRAM = process.env["CHROMIUM"] ?? "/usr/bin/chromium";

/** What keeps it quiet: it sends requests to the pages of the tests only. */
const FLAGS: readonly string[] = [
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** A browser, or why the tests of it are skipped. */
export type OpenedBrowser =
  | { readonly browser: Browser; readonly skip?: undefined }
  | { readonly browser?: undefined; readonly skip: string };

/**
 * Starts a browser with a profile of its own; it is closed after the tests of the file. Where the
 * program is not installed this prints the reason, and rejects with REQUIRE_SERVERS=1 or
 * REQUIRE_TOOLS=1.
 */
export async function openBrowser(): Promise<OpenedBrowser> {
  if (!existsSync(PROGRAM)) {
    const { REQUIRE_SERVERS, REQUIRE_TOOLS } = process.env;
    const skip = `no ${PROGRAM}: apt-get install chromium`;
    if (REQUIRE_SERVERS === "1" || REQUIRE_TOOLS === "1") throw new Error(skip);
    console.log(`skipped: ${skip}`);
    return { skip };
  }
  const browser = await chromium.launch({
    executablePath: PROGRAM,
    chromiumSandbox: false,
    args: [...FLAGS],
  });
  afterAll(() => browser.close());
  return { browser };
}

/** Opens a page in a session of its own, which is closed after the test. */
export async function openPage(browser: Browser | undefined, url: string): Promise<Page> {
  const context = await browser?.newContext();
  if (context === undefined) throw new Error("there is no browser");
  onTestFinished(() => context.close());
  const page = await context.newPage();
  await page.goto(url);
  return page;
}
