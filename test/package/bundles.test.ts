/**
 * The published package in a project: its entry points are imported, required and bundled, and what
 * comes of it is run. The tarball is packed once for a run.
 */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { readEntryPoints } from "../support/entry-points.ts";
import { bundled } from "../support/page.ts";
import { bundlers, outputOf, type Format } from "./bundlers.ts";
import { install, peers, type Project } from "./packed.ts";
import { findServers, nowhere, refused, resultOf, works } from "./running.ts";

const run = promisify(execFile);
const specifiers = readEntryPoints().map(({ specifier }) => specifier);
const formats: readonly Format[] = ["esm", "cjs"];
const ways = bundlers.flatMap(([name, bundle]) =>
  formats.map((format) => ({ name, bundle, format })),
);
const servers = await findServers();

let project: Project;
/** The same without the optional peers. */
let bare: Project;
/** The names that each entry point gives, read by `import` from the project. */
let names: Readonly<Record<string, readonly string[]>>;

beforeAll(async () => {
  project = await install(peers);
  bare = await install([]);
  names = await namesIn(project.dir, "import", specifiers);
}, 120_000);

afterAll(async () => {
  await servers.remove();
  project.remove();
  bare.remove();
});

/** Loads modules one after another in one process; gives the names that each exports. */
async function namesIn(
  dir: string,
  way: "import" | "require",
  modules: readonly string[],
): Promise<Record<string, readonly string[]>> {
  const load = way === "import" ? "await import(name)" : "require(name)";
  const file = join(dir, `load-${way}.mjs`);
  writeFileSync(
    file,
    `import { createRequire } from "node:module";
    const require = createRequire(import.meta.url);
    const found = {};
    for (const name of ${JSON.stringify(modules)})
      found[name] = Object.keys(${load}).filter((key) => key !== "module.exports").toSorted();
    console.log(JSON.stringify(found));`,
  );
  const { stdout } = await run(process.execPath, [file], { cwd: dir });
  // Written by the lines above.
  return JSON.parse(stdout) as Record<string, readonly string[]>;
}

/** What an entry point may be made of: itself, and what it shares with others. */
const OWN_FILES_MAX = 9;

/** The package that a file of `node_modules` belongs to. */
function packageOf(url: string): string {
  return /.*\/node_modules\/(?<name>(?:@[^/]+\/)?[^/]+)/.exec(url)?.groups?.["name"] ?? url;
}

/** Runs the short program, or a bundle of it, in this Node. */
function runProgram(file: string, places = servers.places): Promise<unknown> {
  return resultOf([process.execPath, file], places);
}

/** Makes `name` a package of the project that consists of these lines of CommonJS. */
function plant(name: string, text: string): void {
  const dir = join(bare.dir, "node_modules", name);
  mkdirSync(dir);
  writeFileSync(join(dir, "package.json"), JSON.stringify({ name, version: "1.0.0" }));
  writeFileSync(join(dir, "index.js"), text);
  onTestFinished(() => rmSync(dir, { recursive: true }));
}

describe("every entry point", () => {
  it("gives names by import", () => {
    expect(Object.keys(names)).toEqual(specifiers);
    for (const given of Object.values(names)) expect(given).not.toEqual([]);
  });

  it("gives the same names by require", async () => {
    expect(await namesIn(project.dir, "require", specifiers)).toEqual(names);
  });

  it("leads an editor from each declaration to its source", () => {
    const own = join(project.dir, "node_modules", "holdfast");
    const maps = readdirSync(own, { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(".d.ts.map"))
      .map((path) => join(own, path));
    expect(maps.length).toBeGreaterThan(specifiers.length);
    for (const path of maps) {
      // Written by the compiler.
      const { sources } = JSON.parse(readFileSync(path, "utf8")) as { sources: readonly string[] };
      expect(sources.filter((source) => !existsSync(join(dirname(path), source)))).toEqual([]);
    }
  });
});

describe("for a browser", () => {
  it.each(["holdfast/client", "holdfast/react"])(
    "%s is bundled without a part of Node",
    async (specifier) => {
      const text = `export * from "${specifier}";`;
      const code = await bundled(text, { project: project.dir, external: ["react"] });
      expect(code).not.toContain("node:");
      const imported = [...code.matchAll(/\bfrom ?"(.*?)"/g)].map(([, from]) => from);
      expect(imported).toEqual(specifier === "holdfast/react" ? ["react"] : []);
    },
  );
});

/** The modules that importing `specifier` loads, as URLs. */
async function modulesOf(specifier: string): Promise<string[]> {
  const hook = `
    export async function load(url, context, next) {
      process._rawDebug(url);
      return next(url, context);
    }`;
  const file = join(project.dir, "modules.mjs");
  writeFileSync(
    file,
    `import { register } from "node:module";
    register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hook)}`)});
    await import(${JSON.stringify(specifier)});`,
  );
  const { stderr } = await run(process.execPath, [file]);
  return stderr.trim().split("\n");
}

describe("import", () => {
  it.each([
    ["holdfast", ["immer"]],
    ["holdfast/sqlite", []],
    ["holdfast/file", []],
    ["holdfast/redis", []],
    ["holdfast/postgres", []],
    ["holdfast/actors", ["xstate"]],
    ["holdfast/adk", ["immer"]],
    ["holdfast/vcr", ["immer"]],
  ])("of %s loads only the packages it uses, and few files", async (specifier, packages) => {
    const files = (await modulesOf(specifier)).filter((url) => url.startsWith("file:"));
    const isOwn = (url: string): boolean => url.includes("/node_modules/holdfast/");
    const others = files.filter((url) => !isOwn(url)).map((url) => packageOf(url));
    expect([...new Set(others)].toSorted()).toEqual(packages);
    expect(files.filter((url) => isOwn(url)).length).toBeLessThanOrEqual(OWN_FILES_MAX);
  });
});

describe("a program", () => {
  it("runs as it is", async () => {
    expect(await runProgram(project.program)).toEqual(servers.expected);
  });

  it("says so where there is no server", async () => {
    const result = await runProgram(project.program, nowhere);
    expect(result).toEqual({ ...works, redis: refused, postgres: refused });
  });

  it("may import an adapter without its peer, and a call says what to install", async () => {
    const file = join(bare.dir, "adapter.mjs");
    writeFileSync(
      file,
      `import { createRuntime } from "holdfast";
      import { HoldfastSaver, HoldfastStore } from "holdfast/langgraph";
      const runtime = createRuntime();
      const saver = new HoldfastSaver({ runtime });
      const items = new HoldfastStore({ runtime });
      const config = { configurable: { thread_id: "t" } };
      const calls = [
        saver.getTuple(config),
        saver.put(config, { id: "1", channel_values: {}, channel_versions: {} }, {}, {}),
        items.get(["a"], "b"),
      ];
      for (const end of await Promise.allSettled(calls))
        console.log(end.reason.code, end.reason.message);`,
    );
    const { stdout } = await run(process.execPath, [file], { cwd: bare.dir });
    const lines = stdout.trim().split("\n");
    expect(lines).toHaveLength(3);
    for (const line of lines)
      expect(line).toMatch(
        /^STORE_UNAVAILABLE .*npm install @langchain\/langgraph-checkpoint@\^1\.2\.2\)/,
      );
  });

  it("says why an optional peer that is there does not load", async () => {
    plant("ioredis", 'require("holdfast-part-of-ioredis");');
    plant("pg", 'throw new Error("this pg wants another Node");');
    plant("libsql", 'require("holdfast-part-of-libsql");');
    const hasBuiltin = process.getBuiltinModule("node:sqlite") !== undefined;
    const begin = "STORE_UNAVAILABLE:";
    expect(await runProgram(bare.program)).toMatchObject({
      redis: expect.stringContaining(
        `${begin} the package ioredis does not load: Cannot find module 'holdfast-part-of-ioredis'`,
      ) as unknown,
      postgres: `${begin} the package pg does not load: this pg wants another Node`,
      sqlite: hasBuiltin
        ? 2
        : (expect.stringContaining(
            "the package libsql does not load: Cannot find module 'holdfast-part-of-libsql'",
          ) as unknown),
    });
  });
});

describe.each(ways)("$name, $format", ({ name, bundle, format }) => {
  it("bundles every entry point and a program, and each runs", async () => {
    const out = join(project.dir, `${name}-${format}`);
    const files = Object.values(project.entries);
    await bundle([...files, project.program], out, format);
    const outputs = files.map((file) => outputOf(file, out, format));
    const way = format === "esm" ? "import" : "require";
    const given = await namesIn(project.dir, way, outputs);
    expect(Object.values(given)).toEqual(specifiers.map((specifier) => names[specifier]));
    expect(await runProgram(outputOf(project.program, out, format))).toEqual(servers.expected);
  }, 120_000);

  it("bundles without the optional peers, and the program asks to install them", async () => {
    const out = join(bare.dir, `${name}-${format}`);
    await bundle([bare.program], out, format);
    expect(await runProgram(outputOf(bare.program, out, format))).toMatchObject({
      memory: 1,
      file: 2,
      redis: "STORE_UNAVAILABLE: install the package ioredis (npm install ioredis)",
      postgres: "STORE_UNAVAILABLE: install the package pg (npm install pg)",
    });
  }, 120_000);
});
