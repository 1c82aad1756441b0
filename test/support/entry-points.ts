/** The entry points of the package, read from `exports`, and the source file behind each. */
import { readFileSync } from "node:fs";

/** One public entry of the package. */
export interface EntryPoint {
  /** What a user imports: `holdfast`, `holdfast/actors`. */
  readonly specifier: string;
  /** What is published: `./dist/src/index.js`. */
  readonly output: string;
  /** What it is built from, relative to the root: `src/index.ts`. */
  readonly source: string;
}

/** The repository's root directory, as a file URL with a closing slash. */
export const rootUrl: URL = new URL("../../", import.meta.url);

/** The parts of package.json the tests read. */
export interface Manifest {
  readonly name: string;
  readonly exports: Readonly<Record<string, string>>;
  readonly scripts: Readonly<Record<string, string>>;
}

/** package.json of this repository. */
export function readManifest(): Manifest {
  // Our own file; the tests that read it fail visibly if a part is missing.
  return JSON.parse(readFileSync(new URL("package.json", rootUrl), "utf8")) as Manifest;
}

/** Every entry point that is code, in the order of `exports`. */
export function readEntryPoints(manifest: Manifest = readManifest()): EntryPoint[] {
  return Object.entries(manifest.exports)
    .filter(([, output]) => output.endsWith(".js"))
    .map(([subpath, output]) => ({
      specifier: manifest.name + subpath.slice(1),
      output,
      source: output.replace(/^\.\/dist\//, "").replace(/\.js$/, ".ts"),
    }));
}
