/**
 * Programs that tests start as processes and threads. The sources are bundled once for a run: a
 * process that has to strip the types of each file takes a second of a core to start.
 */
import { cpSync, readdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "esbuild";
import { pageModule } from "../../src/http/inspector/build-page.ts";
import { readEntryPoints, rootUrl } from "./entry-points.ts";

/** The variable of the environment that names the folder of the programs to the tests. */
export const PROGRAMS = "HOLDFAST_TEST_PROGRAMS";

const root = fileURLToPath(rootUrl);
const FAULTS = "test/faults";
const OTHERS = ["src/cli/main.ts", "src/engine/main.ts", "test/support/passivation-child.ts"];
/** What a program reads beside its code, by its own place. */
const DATA = ["package.json", "src/engine/sample.jsonl"];

function sources(): string[] {
  const faults = readdirSync(join(root, FAULTS))
    .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
    .map((name) => `${FAULTS}/${name}`);
  return [...faults, ...OTHERS, ...readEntryPoints().map(({ source }) => source)];
}

/** Makes a folder that holds the programs. */
export async function makePrograms(dir: string): Promise<void> {
  symlinkSync(join(root, "node_modules"), join(dir, "node_modules"));
  for (const path of DATA) cpSync(join(root, path), join(dir, path));
  await buildPrograms(dir);
}

/** The page of the inspector, built once, as in the package. */
const page: Plugin = {
  name: "inspector-page",
  setup: (building) =>
    building.onLoad({ filter: /\/inspector\/page-code\.ts$/ }, async () => ({
      contents: await pageModule(join(root, "src/inspector")),
    })),
};

/** Makes the programs in that folder anew. */
export async function buildPrograms(dir: string): Promise<void> {
  await build({
    absWorkingDir: root,
    entryPoints: sources(),
    outbase: root,
    outdir: dir,
    bundle: true,
    splitting: true,
    packages: "external",
    format: "esm",
    platform: "node",
    target: "node20.19",
    keepNames: true,
    plugins: [page],
    logLevel: "error",
  });
}

/** The path of the program that a source file is, named relative to the root: `src/cli/main.ts`. */
export function programOf(source: string): string {
  const dir = process.env[PROGRAMS];
  if (dir === undefined) throw new Error(`${PROGRAMS} is not set: global-setup.ts sets it`);
  return join(dir, source.replace(/\.ts$/, ".js"));
}
