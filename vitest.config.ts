import { fileURLToPath } from "node:url";
import { defineConfig, type ViteUserConfig } from "vitest/config";
import { closingLine } from "./test/support/closing-line.ts";
import { readEntryPoints, rootUrl } from "./test/support/entry-points.ts";
import { filesWithOwnProcess } from "./test/support/own-process.ts";

/** Of both projects. */
const common: ViteUserConfig = {
  resolve: {
    // Tests import the entry points by their public names and get the sources, so no build is needed.
    alias: readEntryPoints().map(({ specifier, source }) => ({
      find: new RegExp(`^${specifier}$`),
      replacement: fileURLToPath(new URL(source, rootUrl)),
    })),
  },
};

/** Each other file would pay for a process, and for the packages that it loads. */
const ownProcess = filesWithOwnProcess();

const inProject: ViteUserConfig["test"] = {
  pool: "forks",
  // Of one file, where it says that its tests run at the same time.
  maxConcurrency: 8,
  // As `until`: on a loaded machine a second, the default, is over before a file is removed.
  expect: { poll: { timeout: 20_000 } },
  testTimeout: 30_000,
  hookTimeout: 30_000,
};

const config: ViteUserConfig = defineConfig({
  test: {
    globalSetup: "test/support/global-setup.ts",
    // Many tests wait for a server, a disk, a child or a timer: three files at a time keep two cores busy.
    maxWorkers: 3,
    // The shared PostgreSQL does not wait for its disk, as test/support/postgres.ts asks of it.
    onConsoleLog: (line) => !/PostgreSQL server runs with|PostgreSQL at \S+ runs with/.test(line),
    reporters: ["default", closingLine],
    projects: [
      {
        ...common,
        test: { ...inProject, name: "own process", include: [...ownProcess] },
      },
      {
        ...common,
        test: {
          ...inProject,
          name: "shared process",
          include: ["test/**/*.test.ts"],
          exclude: [...ownProcess],
          isolate: false,
          setupFiles: "test/support/left-behind.ts",
        },
      },
    ],
  },
});
export default config;
