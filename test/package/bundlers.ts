/** The bundlers, each as its manual shows it for a program that runs in Node. */
import { basename, extname, join } from "node:path";
import { build } from "esbuild";
import { rolldown } from "rolldown";
import webpack from "webpack";

/** How modules are written in the output: ES modules or CommonJS. */
export type Format = "esm" | "cjs";

/** Bundles each of the files for itself into `out`. Rejects with what the bundler found wrong. */
export type Bundle = (files: readonly string[], out: string, format: Format) => Promise<void>;

/** The output file of an input. */
export function outputOf(file: string, out: string, format: Format): string {
  return join(out, `${basename(file, extname(file))}.${format === "esm" ? "mjs" : "cjs"}`);
}

const esbuild: Bundle = async (files, out, format) => {
  const { warnings } = await build({
    entryPoints: [...files],
    outdir: out,
    outExtension: { ".js": format === "esm" ? ".mjs" : ".cjs" },
    bundle: true,
    platform: "node",
    target: "node20",
    format,
    logLevel: "silent",
  });
  if (warnings.length > 0) throw new Error(warnings.map(({ text }) => text).join("\n"));
};

const withRolldown: Bundle = async (files, out, format) => {
  const bundle = await rolldown({ input: [...files], platform: "node", logLevel: "silent" });
  const extension = format === "esm" ? "mjs" : "cjs";
  await bundle.write({
    dir: out,
    format,
    entryFileNames: `[name].${extension}`,
    chunkFileNames: `[name]-[hash].${extension}`,
  });
  await bundle.close();
};

const withWebpack: Bundle = async (files, out, format) => {
  const isEsm = format === "esm";
  const compiler = webpack({
    mode: "production",
    target: "node20",
    entry: Object.fromEntries(files.map((file) => [basename(file, extname(file)), file])),
    output: {
      path: out,
      filename: isEsm ? "[name].mjs" : "[name].cjs",
      library: { type: isEsm ? "module" : "commonjs2" },
      module: isEsm,
    },
    experiments: { outputModule: isEsm },
    optimization: { minimize: false },
  });
  const { promise, resolve, reject } = withResolvers();
  compiler.run((error, stats) => {
    const faults = stats?.toJson({ all: false, errors: true }).errors ?? [];
    if (error) reject(error);
    else if (faults.length > 0) reject(new Error(faults.map(({ message }) => message).join("\n")));
    else compiler.close(() => resolve());
  });
  await promise;
};

/** Every bundler that is tested, by its name. */
export const bundlers: readonly (readonly [name: string, bundle: Bundle])[] = [
  ["esbuild", esbuild],
  ["rolldown", withRolldown],
  ["webpack", withWebpack],
];

interface Resolvers {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (reason: Error) => void;
}

/** As `Promise.withResolvers`, which Node 20 lacks. */
function withResolvers(): Resolvers {
  let resolve: () => void = () => undefined;
  let reject: (reason: Error) => void = () => undefined;
  const promise = new Promise<void>((fulfil, refuse) => {
    resolve = fulfil;
    reject = refuse;
  });
  return { promise, resolve, reject };
}
