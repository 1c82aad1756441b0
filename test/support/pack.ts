/** The package as it is published. */
import { execFile } from "node:child_process";
import { cpSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { rootUrl } from "./entry-points.ts";

const run = promisify(execFile);
const root = fileURLToPath(rootUrl);

/** What the tarball is made of, and of what that is built. */
const SOURCES = ["actors", "src", "docs", "package.json", "tsconfig.json", "rolldown.config.ts"];
const PAGES = ["README.md", "LICENSE", "ARCHITECTURE.md", "CHANGELOG.md"];

/**
 * Builds a copy of the sources and packs it; gives the path of the tarball in `dir`. What an earlier
 * build left in `dist` is not in it, and no other test that builds gets in the way.
 */
export async function pack(dir: string): Promise<string> {
  const copy = join(dir, "sources");
  for (const name of [...SOURCES, ...PAGES])
    cpSync(join(root, name), join(copy, name), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
  const bin = join(copy, "node_modules", ".bin");
  await run(join(bin, "tsc"), ["-b", "src"], { cwd: copy });
  await run(join(bin, "rolldown"), ["-c", "rolldown.config.ts"], { cwd: copy });
  const { stdout } = await run(
    "npm",
    ["pack", "--silent", "--ignore-scripts", "--pack-destination", dir],
    { cwd: copy },
  );
  return join(dir, stdout.trim());
}
