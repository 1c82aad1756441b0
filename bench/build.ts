/**
 * Compiles the library under measure into a folder of its own, outside of the checkout, which is
 * removed when the process ends.
 */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import { isPackage, library as published } from "../rolldown.config.ts";

/** As it is published, or with a file for each source, which shows what is in which file. */
export type Layout = "published" | "modules";

/** Modules that no entry point exports and a bench uses. */
const INNER = [
  "src/stores/sqlite/build",
  "src/stores/sqlite/driver",
  "src/dialects/vcr/search/search-index",
  "src/dialects/vcr/search/stem",
];

const root = fileURLToPath(new URL("../", import.meta.url));

/** Compiles and gives the folder, which `subject.ts` finds by `BUILD_VARIABLE`. */
export async function buildLibrary(layout: Layout): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-bench-build-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  // What the compiled code imports is found as from the checkout.
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }\n');
  mkdirSync(join(folder, "dist"));
  const inner = Object.fromEntries(INNER.map((name) => [name, `./${name}.ts`]));
  if (layout === "modules") {
    const whole = { ...Object(published.input), ...inner };
    await write(whole, { folder, chunks: "shared", modules: true });
    return folder;
  }
  // Apart, so that the published files are cut as ever.
  await write(Object(published.input), { folder, chunks: "shared", modules: false });
  await write(inner, { folder, chunks: "inner", modules: false });
  return folder;
}

async function write(
  input: Record<string, string>,
  to: { readonly folder: string; readonly chunks: string; readonly modules: boolean },
): Promise<void> {
  const { output, ...options } = published;
  // Packages are no sources.
  const whole = to.modules ? { ...options, external: isPackage } : options;
  const build = await rolldown({ ...whole, input, cwd: root, logLevel: "warn" });
  await build.write({
    ...Object(output),
    dir: join(to.folder, "dist"),
    chunkFileNames: `${to.chunks}/[name].js`,
    ...(to.modules && {
      codeSplitting: true,
      preserveModules: true,
      preserveModulesRoot: root,
    }),
  });
  await build.close();
}
