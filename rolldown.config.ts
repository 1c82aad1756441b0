/**
 * The published code: a file for each entry point and the program, and a few that they share. With a
 * file for each source, `import "holdfast"` would find, read and link a hundred. The compiler writes
 * the types beside it.
 *
 * What `import "holdfast"` loads is cut by hand, because each file costs about a millisecond: `kernel`
 * is what stores use, too, and `runtime` is the rest. Two CommonJS packages of which a few functions
 * are used are included, with their licences, because Node needs longer to load either than the
 * whole of this library: `createActor` of xstate, and fast-deep-equal. `holdfast/actors` imports
 * xstate itself: its logic runs in the actors of the caller's own copy.
 */
import { readdirSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, isAbsolute, join } from "node:path";
import { defineConfig, type RolldownOptions } from "rolldown";
import { esmExternalRequirePlugin } from "rolldown/plugins";
import { pageModule } from "./src/http/inspector/build-page.ts";
import manifest from "./package.json" with { type: "json" };

const outputs = [...Object.values(manifest.exports), ...Object.values(manifest.bin)];
const names = outputs.flatMap((path) => /^\.\/dist\/(.+)\.js$/.exec(path)?.[1] ?? []);

/** True for a package, as opposed to a file of ours. */
export function isPackage(specifier: string): boolean {
  return !specifier.startsWith(".") && !isAbsolute(specifier);
}

function isIncluded(specifier: string, importer: string | undefined): boolean {
  if (specifier === "xstate") return importer?.endsWith("/scope-logic.ts") === true;
  return specifier === "fast-deep-equal";
}

/** The licences of the packages of which a file contains code, as a comment. */
function licences(modules: readonly string[]): string {
  const folders = modules.flatMap((id) => /^.*\/node_modules\/[^/]+(?=\/)/.exec(id)?.[0] ?? []);
  return [...new Set(folders)]
    .map((folder) => {
      const file = readdirSync(folder).find((name) => /^licen[sc]e/i.test(name)) ?? "LICENSE";
      const text = readFileSync(join(folder, file), "utf8").trim();
      return `/*! Contains code of ${folder.slice(dirname(folder).length + 1)}.\n\n${text}\n*/`;
    })
    .join("\n");
}

/** Files of the packages that the page has, for the file that has the page. */
function inPage(modules: readonly string[]): string[] {
  if (!modules.some((id) => id.endsWith("/inspector/page-code.ts"))) return [];
  return ["preact", "htm"].map((name) => join(process.cwd(), "node_modules", name, "package.json"));
}

const PROGRESS = "shared/cli-progress";

/** The page of the inspector, built, in the place of the module that builds it. */
const page = {
  name: "inspector-page",
  load: {
    filter: { id: /\/inspector\/page-code\.ts$/ },
    handler: (id: string) => pageModule(join(dirname(id), "../../inspector")),
  },
};

/** All but the bar of the program. */
export const library: RolldownOptions = defineConfig({
  input: Object.fromEntries(names.map((name) => [name, `./${name}.ts`])),
  platform: "node",
  plugins: [page],
  // ES modules where a package has them: only from these the unused parts are left out.
  resolve: { conditionNames: ["module", "import", "default"] },
  external: (specifier, importer) => isPackage(specifier) && !isIncluded(specifier, importer),
  output: {
    dir: "dist",
    format: "esm",
    entryFileNames: "[name].js",
    paths: { "cli-progress": `../../${PROGRESS}.js` }, // From the program.
    chunkFileNames: "shared/[name].js",
    // Comments would be a quarter of what an import reads; the types have them.
    comments: { legal: true, annotation: true, jsdoc: false },
    codeSplitting: {
      // Each with all that it imports.
      groups: [
        {
          name: "kernel",
          test: /\/actors\/(?:time|state\/mutable-copy|xstate\/scope-logic)|\/src\/stores\/(?:memory|shared\/(?:batch-per-tick|process-identity|key-queue))/,
          priority: 3,
        },
        { name: "runtime", test: /\/src\/(?:runtime\/runtime\.ts$|patches\/)/, priority: 2 },
        { name: "stores", test: /\/src\/stores\/shared\//, priority: 1 },
        // With what only the command uses of them, which would else cut each into several files.
        { name: "sqlite", test: /\/src\/stores\/sqlite\//, priority: 0 },
        { name: "redis", test: /\/src\/stores\/redis\//, priority: 0 },
        { name: "postgres", test: /\/src\/stores\/postgres\//, priority: 0 },
      ],
    },
    banner: ({ moduleIds }) => licences([...moduleIds, ...inPage(moduleIds)]),
    // optional-peer.ts means the `require` of the bundle that a user makes of this.
    polyfillRequire: false,
  },
});

const progress: RolldownOptions = defineConfig({
  input: { [PROGRESS]: "cli-progress" },
  platform: "node",
  // The parts of Node that it requires become imports.
  plugins: [esmExternalRequirePlugin({ external: [...builtinModules] })],
  output: {
    dir: "dist",
    format: "esm",
    entryFileNames: "[name].js",
    banner: ({ moduleIds }) => licences(moduleIds),
  },
});

const config: readonly RolldownOptions[] = [library, progress];
export default config;
