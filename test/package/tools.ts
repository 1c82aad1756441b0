/** Programs and packages beside Node that `npm ci --prefix .ci/tools` installs; CI has them. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { rootUrl } from "../support/entry-points.ts";

/** The folder that has their `node_modules`. */
export const toolsDir: string = fileURLToPath(new URL(".ci/tools/", rootUrl));

/** True when they are installed. Else one line says so, or, with REQUIRE_TOOLS=1, it is a fault. */
export function hasTools(): boolean {
  if (existsSync(new URL(".ci/tools/node_modules/.package-lock.json", rootUrl))) return true;
  if (process.env["REQUIRE_TOOLS"] === "1") throw new Error("no tools: npm ci --prefix .ci/tools");
  console.log(
    "skipped: no Bun, Deno, Next.js and other TypeScripts; install them by npm ci --prefix .ci/tools",
  );
  return false;
}
