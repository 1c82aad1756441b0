/**
 * The pages are true. Every `ts` or `js` block of README.md and docs/*.md compiles, and runs as a module
 * of its own in a project that has `holdfast` installed, by vitest when it imports that; a `text` block
 * right after it is exactly what it prints. Every npm script a `sh` block calls exists. A block marked `no-run` says why.
 */
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, parse } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { transform } from "esbuild";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import {
  blocksOf,
  examplesOf,
  scriptsOf,
  type Example,
  type ServerName,
} from "./support/doc-blocks.ts";
import { readEntryPoints, readManifest, rootUrl } from "./support/entry-points.ts";
import { innerVitest } from "./support/inner-vitest.ts";
import { findPostgres, freshTable, runSql } from "./support/postgres.ts";
import { programOf } from "./support/programs.ts";
import { canStartRedis, ownRedis } from "./support/redis.ts";
import { readFiles } from "./support/repository.ts";
import type { SourceFile } from "./support/source-text.ts";

const run = promisify(execFile);
const root = fileURLToPath(rootUrl);
const pages = readFiles(["README.md", "docs"], [".md"]);
const examples = pages.flatMap((each) => examplesOf(each));

/** Milliseconds an example may take: one that vitest runs has to start it. */
const EXAMPLE_MS = 60_000;

let dir = "";

/**
 * A package that calls itself holdfast and whose entry points are our sources, for the compiler, and
 * the programs made of them at run time: a module in it that imports `holdfast/…` gets them by the
 * package's own name, without a build and without an install.
 */
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "holdfast-readme-"));
  for (const name of ["actors", "src", "node_modules"])
    symlinkSync(join(root, name), join(dir, name));
  symlinkSync(programOf(""), join(dir, "programs"));
  const { name } = readManifest();
  const exports = readEntryPoints().map((entry) => [
    `.${entry.specifier.slice(name.length)}`,
    { types: `./${entry.source}`, default: `./programs/${entry.source.replace(/\.ts$/, ".js")}` },
  ]);
  const manifest = { name, type: "module", exports: Object.fromEntries(exports) };
  writeFileSync(join(dir, "package.json"), JSON.stringify(manifest));
});

afterAll(() => {
  rmSync(dir, { recursive: true });
});

async function withoutTypes(code: string, language: Example["language"]): Promise<string> {
  const options = { loader: language, format: "esm", target: "node20.19" } as const;
  return (await transform(code, options)).code;
}

/** The name of a block's folder or file. */
function nameOf(place: string): string {
  return place.replaceAll(/\W/g, "-");
}

/** Runs a block in a folder of its own, which is also its working directory. */
async function outputOf(
  { place, language, code }: Omit<Example, "output">,
  env: NodeJS.ProcessEnv = {},
): Promise<string> {
  const folder = join(dir, nameOf(place));
  mkdirSync(folder);
  writeFileSync(join(folder, "example.js"), await withoutTypes(code, language));
  const { stdout } = await run(process.execPath, ["example.js"], {
    cwd: folder,
    timeout: EXAMPLE_MS,
    env: { ...process.env, ...env },
  });
  return stdout;
}

/** True for a block that vitest runs. */
function isForVitest({ code }: Example): boolean {
  return /^import .* from "vitest";$/m.test(code);
}

/** What vitest reports of these blocks by the name of its file; one process runs them all. */
function reportsOf(blocks: readonly Example[]): ReturnType<typeof innerVitest> {
  const folder = mkdtempSync(join(dir, "vitest-"));
  for (const { place, language, code } of blocks)
    writeFileSync(join(folder, `${nameOf(place)}.test.${language}`), code);
  return innerVitest(folder, ["--root", folder]);
}

let tested: ReturnType<typeof reportsOf> | undefined;

/** What fails in a block; `undefined` when vitest did not run it. All are run with the first call. */
async function failuresIn({ place, language }: Example): Promise<readonly string[] | undefined> {
  tested ??= reportsOf(examples.filter(isForVitest));
  return (await tested)[`${nameOf(place)}.test.${language}`]?.failures;
}

/** An empty server for one example, as its environment names it; `undefined` when there is none. */
async function serverFor(name: ServerName): Promise<NodeJS.ProcessEnv | undefined> {
  if (name === "redis") {
    if (!canStartRedis()) return undefined;
    const own = await ownRedis(["--appendonly", "yes"]);
    onTestFinished(() => own.remove());
    return { REDIS_URL: own.url };
  }
  const url = await findPostgres();
  if (url === undefined) return undefined;
  const database = freshTable();
  await runSql(url, `CREATE DATABASE "${database}"`);
  onTestFinished(async () => {
    await runSql(url, `DROP DATABASE "${database}" WITH (FORCE)`);
  });
  return { POSTGRES_URL: url.replace(/\/[^/]*$/, `/${database}`) };
}

/** A made-up page. */
function page(...lines: readonly string[]): SourceFile {
  return { path: "a.md", text: `${lines.join("\n")}\n` };
}

/** What the compiler, as strict as ours, says about the `ts` blocks; lines about sources are left out. */
async function typeErrorsOf(blocks: readonly Example[]): Promise<string[]> {
  const folder = mkdtempSync(join(dir, "types-"));
  writeFileSync(join(folder, "index.ts"), "export {};\n");
  for (const { place, language, code } of blocks) {
    if (language !== "ts") continue;
    writeFileSync(join(folder, `${nameOf(place)}.ts`), `${code}export {};\n`);
  }
  const compilerOptions = {
    composite: false,
    isolatedDeclarations: false,
    rootDir: parse(root).root,
  };
  const config = { extends: join(root, "tsconfig.json"), compilerOptions, include: ["."] };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  const { stdout } = await run(process.execPath, [compiler, "-p", "."], { cwd: folder }).catch(
    (error: unknown) => ({ stdout: String(Object(error).stdout) }),
  );
  return stdout.split("\n").filter((line) => /^(?:[\w-]+\.ts|error)\b/.test(line));
}

/** Two examples that are in no page. */
const planted = [
  ["fits.md", "console.log(scopeLabel(undefined).length);"],
  ["differs.md", "const a: number = scopeLabel(undefined);"],
].map(([path, line]): Example => {
  const code = `import { scopeLabel } from "holdfast";\n${line}\n`;
  return { place: `${path}:3`, language: "ts", code, output: undefined };
});

let compiled: Promise<readonly string[]> | undefined;

/** The lines about a page of `planted`, or all others. Everything is compiled once, with the first call. */
async function typeErrorsIn(path?: string): Promise<string[]> {
  compiled ??= typeErrorsOf([...examples, ...planted]);
  const prefix = (name: string): string => `${nameOf(name)}-`;
  const lines = await compiled;
  if (path !== undefined) return lines.filter((line) => line.startsWith(prefix(path)));
  const places = planted.map(({ place }) => prefix(place.replace(/:\d+$/, "")));
  return lines.filter((line) => !places.some((each) => line.startsWith(each)));
}

describe("the pages", () => {
  it("have an example to run", () => {
    expect(examples.map(({ place }) => place)).toContainEqual(
      expect.stringMatching(/^README\.md:/),
    );
  });

  it.for(examples)(
    "run as written: $place",
    { timeout: EXAMPLE_MS },
    async ({ needs, ...example }, test) => {
      if (isForVitest(example)) {
        expect(await failuresIn(example)).toEqual([]);
        return;
      }
      const env = needs === undefined ? {} : await serverFor(needs);
      if (env === undefined) {
        test.skip(); // It was said, or failed, where the server was looked for.
        return;
      }
      const output = await outputOf(example, env);
      if (example.output !== undefined) expect(output).toBe(example.output);
    },
  );

  it("compile as written", { timeout: EXAMPLE_MS }, async () => {
    expect(await typeErrorsIn()).toEqual([]);
  });

  it("call npm scripts that exist", () => {
    const scripts = Object.keys(readManifest().scripts);
    const called = pages.flatMap((each) => scriptsOf(each));
    expect(called.filter((name) => !scripts.includes(name))).toEqual([]);
  });
});

describe("the runner of examples", () => {
  it("gives an example the entry points, the packages and a console", async () => {
    const code = [
      'import { HoldfastError } from "holdfast";',
      'import { scopeLabel } from "holdfast/actors";',
      'import { z } from "zod";',
      "const name: string = new HoldfastError('STORE_CLOSED', 'x').name;",
      "console.log(name, typeof scopeLabel, await Promise.resolve(z.string().parse('a')));",
    ].join("\n");
    expect(await outputOf({ place: "good", language: "ts", code })).toBe(
      "HoldfastError function a\n",
    );
  });

  it("runs an example for vitest by vitest, and fails when a test in it fails", async () => {
    const blocks = [1, 2].map((value): Example => {
      const code = `import { expect, test } from "vitest";\ntest("a", () => expect(${value}).toBe(1));\n`;
      return { place: `is-${value}`, language: "ts", code, output: undefined };
    });
    expect(await reportsOf(blocks)).toEqual({
      "is-1.test.ts": { tests: 1, failures: [] },
      "is-2.test.ts": { tests: 1, failures: [expect.stringContaining("expected 2 to be 1")] },
    });
  });

  it("fails when an example fails", async () => {
    const code = 'throw new Error("wrong");\n';
    await expect(outputOf({ place: "bad", language: "js", code })).rejects.toThrow("wrong");
  });
});

describe("the compiler of examples", { timeout: EXAMPLE_MS }, () => {
  it("accepts an example that fits the types", async () => {
    expect(await typeErrorsIn("fits.md")).toEqual([]);
  });

  it("refuses one that does not", async () => {
    expect(await typeErrorsIn("differs.md")).toEqual([
      expect.stringMatching(/^differs-md-3\.ts\(2,7\): error TS2322/),
    ]);
  });
});

describe("the reader of pages", () => {
  it("finds the blocks and the output that follows one", () => {
    const text = ["```text", "said", "```"];
    expect(
      examplesOf(
        page(
          "# A",
          "```ts",
          "one();",
          "```",
          "",
          ...text,
          "```js",
          "two();",
          "```",
          "so:",
          ...text,
        ),
      ),
    ).toEqual([
      { place: "a.md:3", language: "ts", code: "one();\n", output: "said\n" },
      { place: "a.md:10", language: "js", code: "two();\n", output: undefined },
    ]);
  });

  it("leaves out a block only for a reason", () => {
    expect(examplesOf(page("```ts no-run needs a server", "a();", "```"))).toEqual([]);
    expect(() => examplesOf(page("```ts no-run", "a();", "```"))).toThrow("a.md:2: no-run without");
    expect(() => examplesOf(page("```ts norun why", "a();", "```"))).toThrow("unknown note");
    expect(() => examplesOf(page("```ts needs mysql", "a();", "```"))).toThrow("unknown note");
    expect(examplesOf(page("```ts needs redis", "a();", "```"))).toMatchObject([
      { needs: "redis" },
    ]);
  });

  it("refuses a block without an end", () => {
    expect(() => blocksOf(page("```ts", "a();"))).toThrow("a.md:2: the block is not closed");
  });

  it("finds the scripts a shell block calls", () => {
    const block = page(
      "```sh",
      "npm ci && npm test",
      "npm run check:package -- --x",
      "npm run -s a",
      "```",
    );
    expect(scriptsOf(block)).toEqual(["test", "check:package", "a"]);
    expect(scriptsOf(page("```text", "npm run gone", "```"))).toEqual([]);
  });
});
