/** What browsers load: its size, and that it needs nothing of Node. */
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { bundled } from "../support/page.ts";

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
