/** The published package in Bun and in Deno. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { install, peers, type Project } from "./packed.ts";
import { findServers, resultOf, type Servers } from "./running.ts";
import { hasTools, toolsDir } from "./tools.ts";

const bin = join(toolsDir, "node_modules", ".bin");

describe.skipIf(!hasTools())("in another runtime", async () => {
  const servers: Servers = await findServers();
  let project: Project;
  let bare: Project;

  beforeAll(async () => {
    project = await install(peers);
    bare = await install([]);
  }, 120_000);

  afterAll(async () => {
    await servers.remove();
    project.remove();
    bare.remove();
  });

  describe.each([
    ["Bun", [join(bin, "bun"), "run"]],
    ["Deno", [join(bin, "deno"), "run", "--allow-all"]],
  ])("%s", (_name, command) => {
    it("a program runs", async () => {
      const result = await resultOf([...command, project.program], servers.places);
      expect(result).toEqual(servers.expected);
    });

    it("optional peers that are missing are asked for", async () => {
      expect(await resultOf([...command, bare.program], servers.places)).toMatchObject({
        sqlite: 2,
        redis: "STORE_UNAVAILABLE: install the package ioredis (npm install ioredis)",
        postgres: "STORE_UNAVAILABLE: install the package pg (npm install pg)",
      });
    });
  });
});
