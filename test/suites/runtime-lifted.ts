/** Histories of records that older versions of a kind have written. */
import { join } from "node:path";
import { Readable } from "node:stream";
import { writeFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { readExport, toLines } from "../../src/cli/export-file.ts";
import { compareRecords, exportRecords, importRecords } from "../../src/cli/transfer.ts";
import { defineKind } from "../../src/runtime/kinds.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import type { Scope } from "../../src/runtime/scope.ts";
import { testDirectory } from "../support/directory.ts";
import { historyOf } from "../support/history.ts";
import { rejection } from "../support/waiting.ts";
import { type RuntimeStores, World } from "./runtime-world.ts";

type Fields = Record<string, unknown>;

/** A name that became two, and then a list of them. */
const migrate = {
  2: ({ name, ...rest }: Fields) => ({ ...rest, first: String(name), last: "" }),
  3: ({ first, last, ...rest }: Fields) => ({ ...rest, names: [first, last] }),
};
const history = 1_000;
const KINDS = {
  1: { note: defineKind({ history }) },
  2: { note: defineKind({ history, version: 2, migrate: { 2: migrate[2] } }) },
  3: { note: defineKind({ history, version: 3, migrate }) },
};

function open(runtime: Runtime): Promise<Scope<Fields>> {
  return runtime.open<Fields>("note", "a");
}

/** Versions 1 to 4 by version 1 of the program, 5 and 6 by version 2, and 7 by version 3. */
async function written(stores: RuntimeStores): Promise<World> {
  const world = new World(stores);
  const changes: readonly (readonly [keyof typeof KINDS, readonly Fields[]])[] = [
    [1, [{ name: "Ann", n: 1 }, { n: 2 }, { name: "Bob" }, { n: 3 }]],
    [2, [{ last: "Lee" }, { n: 4 }]],
    [3, [{ n: 5 }]],
  ];
  for (const [version, patches] of changes) {
    const runtime = world.runtime({ kinds: KINDS[version] });
    const scope = await open(runtime);
    for (const patch of patches) await scope.patchState(patch);
    await runtime.close();
  }
  return world;
}

/** The states of all versions, as version 3 of the program sees them. */
const SEEN: readonly Fields[] = [
  {},
  { n: 1, names: ["Ann", ""] },
  { n: 2, names: ["Ann", ""] },
  { n: 2, names: ["Bob", ""] },
  { n: 3, names: ["Bob", ""] },
  { n: 3, names: ["Bob", "Lee"] },
  { n: 4, names: ["Bob", "Lee"] },
  { n: 5, names: ["Bob", "Lee"] },
];

async function expectSeen(scope: Scope<Fields>): Promise<void> {
  for (const [version, state] of SEEN.entries())
    expect(await scope.at(version)).toMatchObject({ version, state });
}

/** Registers the cases of a store that keeps histories. */
export function liftedCases(stores: RuntimeStores): void {
  const dir = testDirectory("lifted");

  describe("a history before a lift", () => {
    it("is read through the same steps, rewound, exported and imported", async () => {
      const world = await written(stores);
      const runtime = world.runtime({ kinds: KINDS[3] });
      const scope = await open(runtime);
      await expectSeen(scope);
      expect(await scope.rewind(3)).toBe(true);
      expect(scope.state).toStrictEqual({ n: 2, names: ["Bob", ""] });
      await expectSeen(scope);
      const entries = await historyOf(scope);
      const from = world.store();
      const file = join(dir, `${world.id}.jsonl`);
      const selection = { prefix: "", batch: 10 };
      await writeFile(file, await text(Readable.from(toLines(exportRecords(from, selection)))));
      await runtime.close();
      const other = new World(stores);
      const to = other.store();
      const counts = await importRecords(readExport(file, 10), to);
      expect(counts).toMatchObject({ moved: 1, conflicts: 0 });
      const differences: string[] = [];
      await compareRecords(readExport(file, 10), to, (key, what) => differences.push(key, what));
      expect(differences).toEqual([]);
      await to.close();
      const moved = await open(other.runtime({ kinds: KINDS[3] }));
      await expectSeen(moved);
      expect(moved.state).toStrictEqual({ n: 2, names: ["Bob", ""] });
      expect(await historyOf(moved)).toEqual(entries);
      expect(await moved.undo()).toBe(true);
      expect(moved.state).toStrictEqual(SEEN[7]);
    });

    it("is undone across the lifts, and redone", async () => {
      const world = await written(stores);
      const scope = await open(world.runtime({ kinds: KINDS[3] }));
      for (const version of [6, 5, 4, 3, 2, 1, 0]) {
        expect(await scope.undo()).toBe(true);
        expect(scope.state).toStrictEqual(SEEN[version]);
      }
      expect(await scope.undo()).toBe(false);
      while (await scope.redo());
      expect(scope.state).toStrictEqual(SEEN[7]);
    });

    it("is read before the first save of the new version, in its own version", async () => {
      const world = new World(stores);
      const first = world.runtime({ kinds: KINDS[1] });
      const old = await open(first);
      await old.patchState({ name: "Ann", n: 1 });
      await old.patchState({ name: "Bob" });
      await first.close();
      const scope = await open(world.runtime({ kinds: KINDS[3] }));
      expect((await scope.at(1)).state).toStrictEqual({ n: 1, names: ["Ann", ""] });
      expect((await scope.at(2)).state).toStrictEqual({ n: 1, names: ["Bob", ""] });
      expect(await scope.undo()).toBe(true);
      expect(scope.state).toStrictEqual({ n: 1, names: ["Ann", ""] });
      expect((await scope.at(2)).state).toStrictEqual({ n: 1, names: ["Bob", ""] });
    });

    it("rejects where a step is missing, and reads the rest", async () => {
      const world = await written(stores);
      const kinds = {
        note: defineKind({ history, version: 3, migrate: { 3: migrate[3] } }),
      };
      const scope = await open(world.runtime({ kinds }));
      expect(await rejection(scope.at(2))).toMatchObject({ code: "STATE_VERSION", stored: 1 });
      expect((await scope.at(5)).state).toStrictEqual(SEEN[5]);
    });
  });
}
