/** What a failed load of an optional peer says. */
import { describe, expect, it } from "vitest";
import { installedPeer, requirePeer } from "../../../../src/stores/shared/optional-peer.ts";

/** What `load` throws. */
async function failureOf(load: () => unknown): Promise<unknown> {
  try {
    await load();
  } catch (error) {
    return error;
  }
  throw new Error("it loaded");
}

const ABSENT = "holdfast-absent";
const absent: string = ABSENT;

describe("an optional peer", () => {
  it.each([
    ["import", () => import(absent)],
    ["require", () => requirePeer(absent)],
  ])("that is missing for %s is asked for", async (_way, load) => {
    const cause = await failureOf(load);
    expect(await failureOf(() => installedPeer(ABSENT, cause))).toMatchObject({
      code: "STORE_UNAVAILABLE",
      message: `install the package ${ABSENT} (npm install ${ABSENT})`,
      cause,
    });
  });

  it.each([
    ["lacks a package", () => requirePeer(absent)],
    ["lacks a package with almost its name", () => requirePeer(`${absent}-part`)],
    ["does not compile", () => Promise.reject(new SyntaxError("Unexpected token"))],
    ["fails with no error", () => Promise.reject(Object.assign(Object.create(null), { a: 1 }))],
  ])("that %s is not asked for, and the reason is given", async (_case, load) => {
    const cause = await failureOf(load);
    const failure = await failureOf(() => installedPeer("holdfast-other", cause));
    expect(failure).toMatchObject({ code: "STORE_UNAVAILABLE", cause });
    expect(String(failure)).toContain("the package holdfast-other does not load");
    expect(String(failure)).not.toContain("install");
  });

  it("that is installed is used where its copy in a bundle does not run", () => {
    const cause = new Error('Dynamic require of "events" is not supported');
    expect(installedPeer("ioredis", cause)).toHaveProperty("Redis");
  });
});
