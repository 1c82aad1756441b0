/** Pages for a browser: scripts bundled from the sources, served beside a handler. */
import { fileURLToPath } from "node:url";
import { build, type BuildOptions } from "esbuild";
import type { Handler } from "../../src/http.ts";
import { rootUrl } from "./entry-points.ts";

/** Bundles a module, minified as for a browser; rejects where it needs a module of Node. */
export async function bundled(text: string): Promise<string> {
  const options: BuildOptions & { readonly write: false } = {
    stdin: { contents: text, resolveDir: fileURLToPath(rootUrl), loader: "tsx" },
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    write: false,
    logLevel: "silent",
  };
  const { outputFiles } = await build(options);
  return outputFiles.map((file) => file.text).join("");
}

/** A handler that serves a page with this script at `/`, and all else by `handler`. */
export function withPage(handler: Handler, script = ""): Handler {
  const html = `<!doctype html><title>A page</title><main></main>
    <script type="module" src="/page.js"></script>`;
  return async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/")
      return new Response(html, { headers: { "content-type": "text/html; charset=utf-8" } });
    if (pathname !== "/page.js") return handler(request);
    return new Response(script, { headers: { "content-type": "text/javascript" } });
  };
}
