/** The suite that LangGraph has for checkpointers, every case of it, on every store. */
import { deltaChannelHistoryTests, validate } from "@langchain/langgraph-checkpoint-validation";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Runtime } from "../../../../src/index.ts";
import { HoldfastSaver } from "../../../../src/langgraph.ts";
import { onEachStore } from "../adapter-stores.ts";

// It takes them from the global object.
Object.assign(globalThis, { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it });

await onEachStore("langgraph-validation", ({ name, fresh, open }) => {
  const runtimes = new WeakMap<HoldfastSaver, Runtime>();
  const initializer = {
    checkpointerName: `HoldfastSaver on ${name}`,
    createCheckpointer(): HoldfastSaver {
      const runtime = open(fresh());
      const saver = new HoldfastSaver({ runtime });
      runtimes.set(saver, runtime);
      return saver;
    },
    destroyCheckpointer: async (saver: HoldfastSaver): Promise<void> =>
      runtimes.get(saver)?.close(),
  };
  validate(initializer);
  deltaChannelHistoryTests(initializer);
});
