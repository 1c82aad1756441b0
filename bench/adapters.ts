/** The bench of the adapters: what a hundred turns at once leave, on each framework's store and ours. */
import { aiRow } from "./adapters/ai.ts";
import { chatSdkRow } from "./adapters/chat-sdk.ts";
import { expressSessionRow } from "./adapters/express-session.ts";
import { grammyRow } from "./adapters/grammy.ts";
import { keyValueRows } from "./adapters/key-value.ts";
import { langgraphRow } from "./adapters/langgraph.ts";
import { msAgentsRow } from "./adapters/ms-agents.ts";
import { openaiAgentsRow } from "./adapters/openai-agents.ts";
import { type Row, TURNS } from "./adapters/row.ts";
import { telegrafRow } from "./adapters/telegraf.ts";
import type { Bench } from "./support.ts";

const rows: readonly Row[] = [
  langgraphRow,
  openaiAgentsRow,
  msAgentsRow,
  chatSdkRow,
  aiRow,
  grammyRow,
  telegrafRow,
  expressSessionRow,
  ...keyValueRows,
];

/** Lost turns, in one table; throws when an adapter loses one. */
export const bench: Bench = {
  name: "adapters",
  keptAs: (store) => (store === undefined ? "adapters" : undefined),
  async *sections() {
    const cells: string[][] = [];
    for (const { framework, adapter, work, own, ours } of rows) {
      const [before, after] = [await own(), await ours()];
      if (after !== 0) throw new Error(`${adapter} lost ${after} of ${TURNS} turns`);
      cells.push([framework, work, String(before), String(after)]);
    }
    yield {
      title: `adapters: turns lost of ${TURNS} at once`,
      notes: ["Through the real framework with made-up updates, in one process."],
      timings: [],
      goals: [],
      table: [["framework", "a turn", "lost by its own store", "lost by the adapter"], ...cells],
    };
  },
};
