/** What browsers load: its size, and that it needs nothing of Node. */
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build, type BuildOptions } from "esbuild";
import { describe, expect, it } from "vitest";
import { rootUrl } from "../support/entry-points.ts";

/** Bundles a module, minified as for a browser; rejects where it needs a module of Node. */
async function bundled(text: string): Promise<string> {
  const options: BuildOptions & { readonly write: false } = {
    stdin: { contents: text, resolveDir: fileURLToPath(rootUrl), loader: "ts" },
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

describe("for a browser", () => {
  it.each([["holdfast/client", 'export * from "./src/client.ts";', 4_096]])(
    "%s is small and imports nothing",
    async (name, text, limit) => {
      const code = await bundled(text);
      const size = gzipSync(code, { level: 9 }).byteLength;
      console.log(`${name}: ${size} bytes minified and gzipped, at most ${limit}`);
      expect(size).toBeLessThanOrEqual(limit);
      expect(code).not.toMatch(/\bimport\b|\brequire\b/);
    },
  );
});
