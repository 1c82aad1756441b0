/** The examples, with the published package: their types, and what their pages say they print. */
import { execFile } from "node:child_process";
import { cpSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findRedis } from "../support/redis.ts";
import { install, type Project } from "./packed.ts";
import { examplesDir, hasExamples } from "./tools.ts";

const run = promisify(execFile);

const examples = readdirSync(examplesDir, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && entry.name !== "node_modules")
  .map(({ name }) => name);

const isReady = hasExamples();
const redis = isReady ? await findRedis() : undefined;
const runnable = examples.filter((name) => redis !== undefined || !name.includes("redis"));

/** The names of the packages that an example installs. */
function packagesOf(example: string): readonly string[] {
  const text = readFileSync(join(examplesDir, example, "package.json"), "utf8");
  // A package.json of this repository, which has both.
  const manifest = JSON.parse(text) as Record<"dependencies" | "devDependencies", object>;
  return Object.keys({ ...manifest.dependencies, ...manifest.devDependencies });
}

/** What the page of an example says that it prints. */
function expectedOf(example: string): string | undefined {
  const page = readFileSync(join(examplesDir, example, "README.md"), "utf8");
  return /^```text\n(?<output>.*?)^```$/msu.exec(page)?.groups?.["output"];
}

describe.skipIf(!isReady)("the example", () => {
  let project: Project;

  beforeAll(async () => {
    project = await install([]);
    for (const name of [".bin", ...new Set(examples.flatMap(packagesOf))]) {
      const isThere = existsSync(join(project.dir, "node_modules", name));
      if (!isThere) project.link(name, examplesDir);
    }
    cpSync(examplesDir, project.dir, {
      recursive: true,
      filter: (path) => basename(path) !== "node_modules",
    });
  }, 120_000);

  afterAll(() => {
    project.remove();
  });

  const npm = async (example: string, ...args: readonly string[]): Promise<string> => {
    const cwd = join(project.dir, example);
    const env = { ...process.env, ...(redis === undefined ? {} : { REDIS_URL: redis }) };
    const { stdout, stderr } = await run("npm", ["run", "--silent", ...args], { cwd, env }).catch(
      (failure: { readonly stdout: string; readonly stderr: string }) => failure,
    );
    return stdout + stderr;
  };

  it.each(examples)(
    "%s compiles",
    async (example) => {
      expect(await npm(example, "check")).toBe("");
    },
    60_000,
  );

  it.each(runnable)(
    "%s prints what its page says",
    async (example) => {
      expect(await npm(example, "start")).toBe(expectedOf(example));
    },
    120_000,
  );
});
