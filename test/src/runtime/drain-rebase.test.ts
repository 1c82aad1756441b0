/** E2 of `rebase.ts` in a runtime that drains: what it does by itself still takes its turn. */
import { expect, it, onTestFinished } from "vitest";
import { defineKind } from "../../../src/runtime/kinds.ts";
import { createRuntime } from "../../../src/runtime/runtime.ts";
import { memoryStore } from "../../../src/stores/memory/store.ts";
import { keepingLogger } from "../../support/waiting.ts";

interface Counters {
  n?: number;
  replays?: number;
}

/** A promise and what resolves it. */
function signal(): { readonly come: Promise<void>; readonly give: () => void } {
  const gives: (() => void)[] = [];
  const come = new Promise<void>((resolve) => void gives.push(resolve));
  return { come, give: () => gives[0]?.() };
}

it("a change that is answered while another owner's state is adopted is not lost", async () => {
  const store = memoryStore();
  const kinds = { soft: defineKind<Counters>({ durability: "checkpoint" }) };
  const make = () => createRuntime({ store, kinds, logger: keepingLogger() });
  const [one, two] = [make(), make()];
  onTestFinished(() => two.close());
  const mine = await one.open<Counters>("soft", "x");
  const theirs = await two.open<Counters>("soft", "x");
  await theirs.setState({ n: 10 });
  await theirs.flush();
  const [replaying, go] = [signal(), signal()];
  await mine.update(async (draft, { attempt }) => {
    if (attempt > 1) {
      replaying.give();
      await go.come;
    }
    draft.replays = attempt - 1;
  });
  const inside = one.execute({ userId: "w" }, async () => {
    await replaying.come;
    const done = mine.incState({ n: 1 });
    go.give();
    return done;
  });
  const closing = one.close();
  expect(await inside).toBe(true);
  await closing;
  await theirs.refresh();
  expect(theirs.state).toEqual({ n: 11, replays: 1 });
});
