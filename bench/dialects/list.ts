/** What a change of one item costs in a list of 200,000. */
import type * as Entry from "../../src/vcr.ts";
import { createRuntime, urlOf } from "../subject.ts";
import { atMost, race, type Contender, type Section } from "../support.ts";

const { createVcr, State }: typeof Entry = await import(urlOf("vcr"));

const LENGTH = 200_000;
/** Appended at once while filling; a mailbox takes 10,000. */
const BURST = 5000;

/** A list of texts whose calls are awaited one by one. */
interface List {
  readonly name: string;
  /** Changes in one run: enough to outlast a collection of what the run before left. */
  readonly changes: number;
  readonly push: () => Promise<unknown>;
  readonly pop: () => Promise<unknown>;
  readonly prepend: () => Promise<unknown>;
  readonly length: () => Promise<number>;
  readonly close: () => Promise<unknown>;
}

async function plainArray(): Promise<List> {
  const runtime = createRuntime({});
  const list = Array.from({ length: LENGTH }, (_, at) => `{"item":${at}}`);
  const scope = await runtime.open<{ list: string[] }>("session", "long");
  await scope.setState({ list });
  const change = (next: (list: readonly string[]) => string[]) => (): Promise<unknown> =>
    scope.atomicState((state) => ({ list: next(state.list ?? []) }));
  return {
    name: "plain array",
    changes: 10,
    push: change((items) => [...items, "1"]),
    pop: change((items) => items.slice(0, -1)),
    prepend: change((items) => ["1", ...items]),
    length: () => Promise.resolve(scope.state.list?.length ?? 0),
    close: () => runtime.close(),
  };
}

async function vcrList(): Promise<List> {
  const runtime = createRuntime({});
  const state = new State(createVcr({ runtime }).getSessionById("long"));
  for (let at = 0; at < LENGTH; at += BURST) {
    const items = Array.from({ length: BURST }, (_, item) => ({ item: at + item }));
    await Promise.all(items.map((item) => state.listAppend("list", item)));
  }
  return {
    name: "holdfast/vcr",
    changes: 500,
    push: () => state.listAppend("list", 1),
    pop: () => state.listEndPop("list"),
    prepend: () => state.listPrepend("list", 1),
    length: async () => Number(await state.listLength("list")),
    close: () => runtime.close(),
  };
}

type Work = "push" | "pop" | "prepend";

function changing(list: List, work: Work): Contender {
  const { changes } = list;
  return {
    name: `${work}, ${list.name}`,
    operations: changes,
    async prepare() {
      const before = await list.length();
      return {
        async run() {
          for (let change = 0; change < changes; change++) await list[work]();
        },
        async check() {
          return (await list.length()) === before + (work === "pop" ? -changes : changes);
        },
      };
    },
  };
}

/** A list of 200,000 in parts, beside one array in a scope. */
export async function listSection(rounds = 3): Promise<Section> {
  const lists = [await plainArray(), await vcrList()];
  const works: readonly Work[] = ["push", "pop", "prepend"];
  const contenders = works.flatMap((work) => lists.map((list) => changing(list, work)));
  const base = "push, plain array";
  const result = await race({ base, operations: 1, rounds, warmUps: 1, contenders });
  for (const list of lists) await list.close();
  return {
    title: `vcr: one item of a list of ${LENGTH.toLocaleString("en")}, awaited, in memory`,
    notes: ["The plain array is a field of a scope, written by atomicState; its items are texts."],
    timings: result.timings,
    goals: works.map((work) => {
      const reached = result.time(`${work}, holdfast/vcr`) / 1e6;
      return atMost({ id: "L4", work: `${work} in a list of 200,000` }, reached, 1, "ms");
    }),
  };
}
