/** T1: what a commit costs more when its change is kept in a history. */
import { createPlace } from "../contention/place.ts";
import { type StoreName, WAYS } from "../contention/site.ts";
import { createRuntime, defineKind } from "../subject.ts";
import { atMost, type Contender, race, type Section } from "../support.ts";

const COMMITS = 500;
/** Kept changes; the history is at its limit for most of a run, so each commit removes rows, too. */
const KEPT = 100;

/** A document of 2 KB, of which each commit changes two fields. */
function initial(): Record<string, string | number> {
  const fields = Array.from({ length: 20 }, (_, n) => [`field${n}`, "x".repeat(90)] as const);
  return { ...Object.fromEntries(fields), n: 0, last: 0 };
}

function committing(store: StoreName, history: number): Contender {
  return {
    name: history === 0 ? "no history" : `history: ${history}`,
    prepare: async () => {
      const place = createPlace(store);
      const doc = defineKind({ initial: initial(), ...(history > 0 && { history }) });
      const runtime = createRuntime({ kinds: { doc }, store: place.store });
      const scope = await runtime.open("doc", "one");
      return {
        run: async () => {
          for (let n = 1; n <= COMMITS; n += 1) await scope.patchState({ n, last: n - 1 });
        },
        check: async () => {
          const entries = [];
          if (history > 0) for await (const entry of scope.history()) entries.push(entry);
          const read = await runtime.read("doc", ["one"]);
          await runtime.close();
          return read[0]?.version === COMMITS && entries.length === history;
        },
      };
    },
  };
}

/** One scope, one commit after the other. */
export async function commitSection(store: StoreName, rounds = 7): Promise<Section> {
  const contenders = [committing(store, 0), committing(store, KEPT)];
  const [base, kept] = contenders.map(({ name }) => name);
  if (base === undefined || kept === undefined) throw new Error("two contenders");
  const result = await race({ base, operations: COMMITS, rounds, contenders });
  const work = `a commit with a history, ${store}`;
  return {
    title: `T1: ${COMMITS} awaited patchState on a document of 2 KB, ${WAYS[store]}`,
    notes: [
      `The last ${KEPT} changes are kept. The document was read back at version ${COMMITS}, and its`,
      `history had exactly ${KEPT} changes.`,
    ],
    timings: result.timings,
    goals: [atMost({ id: "T1", work }, result.ratio(kept, base), 1.25, "× without")],
  };
}
