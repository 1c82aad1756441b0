/** Projects that have installed the package as it is published. */
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { readEntryPoints, rootUrl } from "../support/entry-points.ts";
import { sharedTarball } from "../support/shared.ts";

const run = promisify(execFile);
const root = fileURLToPath(rootUrl);

/** The optional peers, which a project may have or not. */
export const peers: readonly string[] = [
  "@openai/agents-core",
  "@opentelemetry/api",
  "chat",
  "express-session",
  "ai",
  "grammy",
  "ioredis",
  "keyv",
  "libsql",
  "pg",
  "react",
  "telegraf",
  "unstorage",
];

/** A folder with `node_modules/holdfast`, as `npm install` of the tarball would leave it. */
export interface Project {
  readonly dir: string;
  /** A module of one line per entry point: its specifier, and the file. */
  readonly entries: Readonly<Record<string, string>>;
  /** The short program of program.mjs. */
  readonly program: string;
  /** Makes a package of a folder with `node_modules` one of the project. */
  link(name: string, from?: string): void;
  remove(): void;
}

/**
 * Unpacks the tarball of the run into a project. What the package depends on is linked from this repository,
 * so no network is needed; what it uses and does not name is not there.
 */
export async function install(links: readonly string[]): Promise<Project> {
  const tarball = await sharedTarball();
  const dir = mkdtempSync(join(tmpdir(), "holdfast-packed-"));
  const own = join(dir, "node_modules", "holdfast");
  mkdirSync(own, { recursive: true });
  await run("tar", ["-xzf", tarball, "--strip-components=1", "-C", own]);
  // A package.json that npm made; the dependencies are names and ranges.
  const { dependencies } = JSON.parse(readFileSync(join(own, "package.json"), "utf8")) as {
    dependencies: Readonly<Record<string, string>>;
  };
  const link = (name: string, from = root): void => {
    const to = join(dir, "node_modules", name);
    mkdirSync(dirname(to), { recursive: true });
    symlinkSync(join(from, "node_modules", name), to);
  };
  for (const name of [...Object.keys(dependencies), ...links]) link(name);
  writeFileSync(join(dir, "package.json"), JSON.stringify({ private: true }));
  const entries = Object.fromEntries(
    readEntryPoints().map(({ specifier }) => {
      const file = join(dir, `${specifier.replaceAll("/", "-")}.mjs`);
      writeFileSync(file, `export * from "${specifier}";\n`);
      return [specifier, file];
    }),
  );
  const program = join(dir, "program.mjs");
  writeFileSync(program, readFileSync(new URL("program.mjs", import.meta.url)));
  const remove = (): void => rmSync(dir, { recursive: true });
  return { dir, entries, program, link, remove };
}
