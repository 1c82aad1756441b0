/** Builds the inspector's page from `src/inspector`; not in the package, which has the result. */

/** The files of the page. */
export interface PageCode {
  readonly script: string;
  readonly style: string;
}

/** The files, minified, of the sources in a folder. */
export async function buildPage(folder: string): Promise<PageCode> {
  const { build } = await import("esbuild");
  const { outputFiles } = await build({
    absWorkingDir: folder,
    entryPoints: ["main.ts", "style.css"],
    outdir: folder, // Of the names; nothing is written.
    write: false,
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    logLevel: "silent",
  });
  const text = (ending: string): string =>
    outputFiles.find(({ path }) => path.endsWith(ending))?.text ?? "";
  return { script: text(".js"), style: text(".css") };
}

/** What stands in the place of `page-code.ts` where nothing can be built. */
export async function pageModule(folder: string): Promise<string> {
  const code = JSON.stringify(await buildPage(folder));
  return `const code = ${code};\nexport const pageCode = () => Promise.resolve(code);\n`;
}
