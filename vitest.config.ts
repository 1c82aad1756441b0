import { defineConfig, type ViteUserConfig } from "vitest/config";

const config: ViteUserConfig = defineConfig({
  test: { dir: "test", include: ["**/*.test.ts"] },
});
// oxlint-disable-next-line import/no-default-export -- vitest reads the default export
export default config;
