/**
 * `npm run docs`: the site in `.ci/docs/site/`. The first run installs its tools into this folder;
 * after that no network is needed. A link to a page that does not exist fails the build.
 */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { linksOf } from "../../test/support/doc-links.ts";
import { readFiles } from "../../test/support/repository.ts";
import type { SourceFile } from "../../test/support/source-text.ts";

const here = fileURLToPath(new URL(".", import.meta.url));
const root = join(here, "../..");

/** Pages that stand elsewhere in the repository, and their names on the site. */
const elsewhere: Readonly<Record<string, string>> = {
  "README.md": "readme.md",
  "ARCHITECTURE.md": "architecture.md",
  "CHANGELOG.md": "changelog.md",
};

function siteName(path: string): string {
  return elsewhere[path] ?? path.replace(/^docs\//, "");
}

/** The text of a page with its links changed to the names on the site. */
function forSite(page: SourceFile): string {
  const from = posix.dirname(siteName(page.path));
  return linksOf(page).reduce((text, { target, path, anchor }) => {
    if (path === undefined || target.startsWith("#")) return text;
    const to = posix.relative(from, siteName(path));
    const link = `${to.startsWith(".") ? to : `./${to}`}${anchor && `#${anchor}`}`;
    return text.replaceAll(`](${target})`, `](${link})`);
  }, page.text);
}

function runTool(name: string, ...args: readonly string[]): void {
  const bin = join(here, "node_modules/.bin", name);
  execFileSync(bin, args, { cwd: here, stdio: "inherit" });
}

if (!existsSync(join(here, "node_modules/.package-lock.json")))
  execFileSync("npm", ["ci", "--no-audit", "--no-fund", "--prefix", here], { stdio: "inherit" });

const pages = join(here, "pages");
rmSync(pages, { recursive: true, force: true });
runTool("typedoc", "--logLevel", "Warn");
for (const page of readFiles([...Object.keys(elsewhere), "docs"], [".md"])) {
  const to = join(pages, siteName(page.path));
  mkdirSync(dirname(to), { recursive: true });
  writeFileSync(to, forSite(page));
}
for (const name of readdirSync(join(root, "docs")))
  if (/\.(?:svg|png)$/.test(name)) cpSync(join(root, "docs", name), join(pages, name));
runTool("vitepress", "build");
