/** What browsers load: its size, and that it needs nothing of Node. */
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { bundled } from "../support/page.ts";

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
});
