/** Scopes saved together while they are held. */
import {
  createRuntime,
  defineKind,
  memoryStore,
  type StateChange,
  type StateStore,
} from "holdfast";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { RecipeMutation } from "../../../../actors/scope/recipe.ts";
import { RunContext } from "../../../../actors/scope/reentrancy.ts";
import { exclusively } from "../../../../actors/scope/exclusive.ts";
import {
  changedPart,
  deletedPart,
  type CommitTogetherOptions,
  type Part,
  saveTogether,
} from "../../../../src/runtime/transaction/multi-scope-commit.ts";
import { residentOf } from "../../../../src/runtime/handle.ts";
import type { ResidentScope } from "../../../../src/runtime/resident-scope.ts";
import type { Runtime } from "../../../../src/runtime/runtime.ts";

async function residents(runtime: Runtime): Promise<[ResidentScope, ResidentScope]> {
  const [one, two] = [
    residentOf(await runtime.open("user", "one")),
    residentOf(await runtime.open("user", "two")),
  ];
  if (one !== undefined && two !== undefined) return [one, two];
  throw new Error("a runtime gives resident scopes");
}

/** The part that sets `n`. */
function setting(scope: ResidentScope, n: number): Part {
  const recipe = new RecipeMutation<{ n?: number }>((draft) => {
    draft.n = n;
  });
  const turn = new RunContext(1);
  return changedPart(scope, recipe, recipe.compute(scope.state, turn));
}

/** Saves in one section. */
interface Joint {
  save(parts: readonly Part[], options: CommitTogetherOptions): Promise<ResidentScope[]>;
}

async function held<T>(
  scopes: readonly ResidentScope[],
  work: (joint: Joint) => Promise<T>,
): Promise<T> {
  return exclusively(scopes, undefined, (section) =>
    work({ save: (parts, options) => saveTogether(section, parts, options) }),
  );
}

/** Two runtimes on one store, and the scopes of the first. */
async function pair(store: StateStore): Promise<[Runtime, Runtime, ResidentScope, ResidentScope]> {
  const [runtime, other] = [createRuntime({ store }), createRuntime({ store })];
  return [runtime, other, ...(await residents(runtime))];
}

describe("a joint save", () => {
  it("changes one scope and deletes another, and tells when both show it", async () => {
    const [runtime, , one, two] = await pair(memoryStore());
    await two.update((draft) => void Object.assign(draft, { old: true }));
    const seen: unknown[] = [];
    const note = ({ operation, version }: StateChange): void => {
      seen.push([operation, version, one.state, two.state]);
    };
    one.subscribe(note);
    two.subscribe(note);
    const stale = await held([one, two], (joint) =>
      joint.save([setting(one, 1), deletedPart(two)], { atomic: true }),
    );
    expect(stale).toEqual([]);
    expect(seen).toEqual([
      ["update", 1, { n: 1 }, {}],
      ["delete", 2, { n: 1 }, {}],
    ]);
    await one.refresh();
    await two.refresh();
    expect([one.state, one.version, two.state, two.version]).toEqual([{ n: 1 }, 1, {}, 2]);
    expect((await runtime.list({ type: "user" })).scopes.map(({ id }) => id)).toEqual(["one"]);
    await runtime.close();
  });

  it.each([true, false])(
    "that meets a newer record saves the others unless atomic (%s)",
    async (atomic) => {
      const [runtime, other, one, two] = await pair(memoryStore());
      const theirs = await other.open("user", "two");
      await theirs.update((draft) => void Object.assign(draft, { n: 9 }));
      const stale = await held([one, two], (joint) =>
        joint.save([setting(one, 1), setting(two, 2)], { atomic }),
      );
      expect(stale.includes(two)).toBe(true);
      expect([one.state, one.version]).toEqual(atomic ? [{}, 0] : [{ n: 1 }, 1]);
      expect([two.state, two.version]).toEqual([{ n: 9 }, 1]);
      await runtime.close();
    },
  );

  it("changes nothing when the store fails", async () => {
    const store = memoryStore();
    const [, , one, two] = await pair(store);
    const parts = [setting(one, 1), setting(two, 2)];
    await store.close();
    const saving = held([one, two], (joint) => joint.save(parts, { atomic: true }));
    await expect(saving).rejects.toMatchObject({ code: "STORE_CLOSED" });
    expect([one.state, one.version, two.state, two.version]).toEqual([{}, 0, {}, 0]);
  });

  it("J4: is in doubt when some of it is stored and the rest cannot be adopted", async () => {
    const store = memoryStore();
    const schema = z.object({ n: z.number().optional() });
    const kinds = { user: defineKind({ schema }) };
    const runtime = createRuntime({ store, kinds });
    const [one, two] = await residents(runtime);
    await one.update((draft) => void Object.assign(draft, { n: 1 }));
    const state = { n: "text" }; // As another version of the application writes it.
    await store.commit([{ key: two.key, expectedVersion: 0, version: 1, state }]);
    const save = held([one, two], (joint) =>
      joint.save([setting(one, 2), setting(two, 2)], { atomic: false }),
    );
    await expect(save).rejects.toMatchObject({
      code: "COMMIT_UNKNOWN",
      cause: { code: "STATE_INVALID" },
    });
    expect([one.state, one.version]).toEqual([{ n: 2 }, 2]);
    await runtime.close();
  });
});
