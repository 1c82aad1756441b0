/** What browsers load: its size, and that it needs nothing of Node. */
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { pageCode } from "../../src/http/inspector/page-code.ts";
import { bundled } from "../support/page.ts";

/** Bytes of the page of the inspector, gzipped: it is loaded once, from the machine beside it. */
const PAGE_BYTES_MAX = 24_576;

/** An entry point, what a page imports of it, and its limit in bytes. */
const pages: readonly (readonly [name: string, text: string, limit: number])[] = [
  ["holdfast/client", 'export * from "holdfast/client";', 4_096],
  [
    "holdfast/client with holdfast/react",
    'export * from "holdfast/client"; export * from "holdfast/react";',
    5_120,
  ],
];

describe("for a browser", () => {
  it.each(pages)("%s is small and imports nothing but React", async (name, text, limit) => {
    const code = await bundled(text, { external: ["react"] });
    const size = gzipSync(code, { level: 9 }).byteLength;
    console.log(`${name}: ${size} bytes minified and gzipped, at most ${limit}`);
    expect(size).toBeLessThanOrEqual(limit);
    const imports = [...code.matchAll(/\bimport\b[^;]*?["'](.*?)["']/g)].map(([, from]) => from);
    expect(imports).toEqual(name.includes("react") ? ["react"] : []);
    expect(code).not.toMatch(/\brequire\b|\bimport\(/);
  });

  it("the page of the inspector is small, and imports and styles nothing from elsewhere", async () => {
    const { script, style } = await pageCode();
    const size = gzipSync(script + style, { level: 9 }).byteLength;
    console.log(`the inspector: ${size} bytes minified and gzipped, at most ${PAGE_BYTES_MAX}`);
    expect(size).toBeLessThanOrEqual(PAGE_BYTES_MAX);
    expect(script).not.toMatch(/\bimport\b|\brequire\b|\bfetch\("http/);
    expect(style).not.toMatch(/@import|url\(/);
  });
});
