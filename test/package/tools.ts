/** Packages that only some tests need, in folders with lock files of their own; CI has them all. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { rootUrl } from "../support/entry-points.ts";

/** The folder with the `node_modules` of Bun, Deno, Next.js and other TypeScripts. */
export const toolsDir: string = fileURLToPath(new URL(".ci/tools/", rootUrl));

/** The folder of the examples, with the `node_modules` of them all. */
export const examplesDir: string = fileURLToPath(new URL("examples/", rootUrl));

/** The folder with the lowest versions of the peers of adapters. */
export const lowestPeersDir: string = fileURLToPath(new URL(".ci/peers/", rootUrl));

/** True when they are installed. Else one line says so, or, with REQUIRE_TOOLS=1, it is a fault. */
export function hasTools(): boolean {
  return isInstalled(".ci/tools", "Bun, Deno, Next.js and other TypeScripts");
}

/** The same for what the examples need. */
export function hasExamples(): boolean {
  return isInstalled("examples", "packages of the examples");
}

/** The same for the lowest versions of the peers of adapters. */
export function hasLowestPeers(): boolean {
  return isInstalled(".ci/peers", "lowest versions of the peers");
}

function isInstalled(folder: string, packages: string): boolean {
  if (existsSync(new URL(`${folder}/node_modules/.package-lock.json`, rootUrl))) return true;
  if (process.env["REQUIRE_TOOLS"] === "1")
    throw new Error(`no ${packages}: npm ci --prefix ${folder}`);
  console.log(`skipped: no ${packages}; install them by npm ci --prefix ${folder}`);
  return false;
}
