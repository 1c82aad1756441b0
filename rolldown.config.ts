/**
 * The published code: a file for each entry point and the program, and a few that they share. With a
 * file for each source, `import "holdfast"` would find, read and link a hundred. The compiler writes
 * the types beside it.
 */
import { isAbsolute } from "node:path";
import { defineConfig, type RolldownOptions } from "rolldown";
import manifest from "./package.json" with { type: "json" };

const outputs = [...Object.values(manifest.exports), ...Object.values(manifest.bin)];
const names = outputs.flatMap((path) => /^\.\/dist\/(.+)\.js$/.exec(path)?.[1] ?? []);

const config: RolldownOptions = defineConfig({
  input: Object.fromEntries(names.map((name) => [name, `./${name}.ts`])),
  platform: "node",
  external: (specifier) => !specifier.startsWith(".") && !isAbsolute(specifier),
  output: {
    dir: "dist",
    format: "esm",
    entryFileNames: "[name].js",
    chunkFileNames: "shared/[name].js",
    // optional-peer.ts means the `require` of the bundle that a user makes of this.
    polyfillRequire: false,
  },
});
export default config;
