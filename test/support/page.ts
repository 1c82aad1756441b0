/** Pages for a browser: scripts bundled from the sources, served beside a handler. */
import { fileURLToPath } from "node:url";
import { build, type BuildOptions } from "esbuild";
import type { Handler } from "../../src/http.ts";
import { readEntryPoints, rootUrl } from "./entry-points.ts";

/** The sources behind the public names. */
const sources = readEntryPoints().map(
  ({ specifier, source }) => [specifier, fileURLToPath(new URL(source, rootUrl))] as const,
);

/** What a script is made of besides its text. */
export interface BundleOptions {
  /** The project whose packages are used; default this repository, with `holdfast` as sources. */
  readonly project?: string;
  /** Packages that are not included. */
  readonly external?: readonly string[];
  /** Other packages in place of some. */
  readonly alias?: Readonly<Record<string, string>>;
  /** Default `production`; React checks more in `development`. */
  readonly mode?: "production" | "development";
}

/** Bundles a module, minified as for a browser; rejects where it needs a module of Node. */
export async function bundled(text: string, options: BundleOptions = {}): Promise<string> {
  const { project, external = [], alias = {}, mode = "production" } = options;
  const own = project === undefined ? Object.fromEntries(sources) : {};
  const settings: BuildOptions & { readonly write: false } = {
    stdin: { contents: text, resolveDir: project ?? fileURLToPath(rootUrl), loader: "tsx" },
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    jsx: "automatic",
    external: [...external],
    alias: { ...own, ...alias },
    define: { "process.env.NODE_ENV": JSON.stringify(mode) },
    write: false,
    logLevel: "silent",
  };
  const { outputFiles } = await build(settings);
  return outputFiles.map((file) => file.text).join("");
}

/** A handler that serves a page with this script at `/`, and all else by `handler`. */
export function withPage(handler: Handler, script: string, main = ""): Handler {
  const html = `<!doctype html><title>A page</title><link rel="icon" href="data:,">
    <main>${main}</main><script type="module" src="/page.js"></script>`;
  return async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/")
      return new Response(html, { headers: { "content-type": "text/html; charset=utf-8" } });
    if (pathname !== "/page.js") return handler(request);
    return new Response(script, { headers: { "content-type": "text/javascript" } });
  };
}
