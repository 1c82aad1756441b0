/** What the SDK asks of a session, on each store. */
import type { AgentInputItem } from "@openai/agents-core";
import {
  isSessionHistoryRewriteAwareSession,
  isSessionHistoryTransactionAwareSession,
} from "@openai/agents-core";
import { describe, expect, it, onTestFinished } from "vitest";
import { createRuntime, type Runtime } from "../../../../src/index.ts";
import {
  HoldfastSession,
  OPERATIONS_MAX,
  SessionHistoryError,
} from "../../../../src/openai-agents.ts";
import { rejection } from "../../../support/waiting.ts";
import { onEachStore } from "../adapter-stores.ts";

const said = (text: string): AgentInputItem => ({ type: "message", role: "user", content: text });
const call = (
  callId: string,
  args: string,
): Extract<AgentInputItem, { type: "function_call" }> => ({
  type: "function_call",
  callId,
  name: "pay",
  status: "completed",
  arguments: args,
});
const append = (items: AgentInputItem[]) => ({ type: "append_items" as const, items });

await onEachStore("openai-agents", ({ isDurable, isShared, fresh, open }) => {
  const use = (place = fresh()): { runtime: Runtime; session: HoldfastSession; place: string } => {
    const runtime = open(place);
    onTestFinished(() => runtime.close());
    return { runtime, session: new HoldfastSession({ runtime, sessionId: "s/1" }), place };
  };

  it("keeps items in order, and gives the last ones", async () => {
    const { session } = use();
    expect(await session.getItems()).toEqual([]);
    await session.addItems([said("a"), said("b")]);
    await session.addItems([]);
    await session.addItems([said("c")]);
    expect(await session.getItems()).toEqual([said("a"), said("b"), said("c")]);
    expect(await session.getItems(2)).toEqual([said("b"), said("c")]);
    expect(await session.getItems(9)).toHaveLength(3);
    expect([await session.getItems(0), await session.getItems(-1)]).toEqual([[], []]);
    expect(await session.getSessionId()).toBe("s/1");
  });

  it("gives copies: what a caller changes in them is not stored", async () => {
    const { session } = use();
    const given = said("a");
    await session.addItems([given]);
    Object.assign(given, { content: "changed" });
    const [item] = await session.getItems();
    Object.assign(Object(item), { content: "changed" });
    expect(await session.getItems()).toEqual([said("a")]);
  });

  it("pops each item once, and clears", async () => {
    const { session } = use();
    await session.addItems([said("a"), said("b")]);
    const popped = await Promise.all([session.popItem(), session.popItem(), session.popItem()]);
    expect(popped).toEqual([said("b"), said("a"), undefined]);
    await session.addItems([said("c")]);
    await session.clearSession();
    await session.clearSession();
    expect(await session.getItems()).toEqual([]);
  });

  it("keeps every item of callers that add at once", async () => {
    const { session, place } = use();
    const other = isShared ? use(place).session : session;
    const texts = Array.from({ length: 50 }, (_, n) => String(n));
    await Promise.all(
      texts.map((text, n) => (n % 2 === 0 ? session : other).addItems([said(text), said(text)])),
    );
    const items = await session.getItems();
    const kept = items.map((item) => String(Reflect.get(item, "content")));
    expect(kept.toSorted()).toEqual([...texts, ...texts].toSorted());
    for (let at = 0; at < kept.length; at += 2) expect(kept[at]).toBe(kept[at + 1]);
  });

  it("replaces a tool call and leaves out its repetitions", async () => {
    const { session } = use();
    await session.addItems([
      said("a"),
      call("c1", "1"),
      said("b"),
      call("c1", "2"),
      call("c2", ""),
    ]);
    const replacement = call("c1", "3");
    await session.applyHistoryMutations({
      mutations: [{ type: "replace_function_call", callId: "c1", replacement }],
    });
    expect(await session.getItems()).toEqual([said("a"), replacement, said("b"), call("c2", "")]);
  });

  it("applies an operation once, and refuses its id for another transaction", async () => {
    const { session } = use();
    const operation = { operationId: "o1", transaction: append([said("a")]) };
    await Promise.all([1, 2, 3].map(() => session.applyHistoryTransaction(operation)));
    // The order of fields is no difference.
    const turned = { content: "a", role: "user", type: "message" } as const;
    await session.applyHistoryTransaction({ operationId: "o1", transaction: append([turned]) });
    expect(await session.getItems()).toEqual([said("a")]);
    const other = { operationId: "o1", transaction: append([said("b")]) };
    const error = await rejection(session.applyHistoryTransaction(other), "SESSION_HISTORY");
    expect(error).toBeInstanceOf(SessionHistoryError);
    expect(await session.getItems()).toEqual([said("a")]);
  });

  it("replaces the end of a history only when it is the expected one", async () => {
    const { session } = use();
    await session.addItems([said("a"), said("b")]);
    const replace = (expectedSuffix: AgentInputItem[]): Promise<void> =>
      session.applyHistoryTransaction({
        operationId: "o2",
        transaction: {
          type: "replace_suffix",
          expectedSuffix,
          replacement: [said("c"), said("d")],
        },
      });
    await rejection(replace([said("a")]), "SESSION_HISTORY");
    await rejection(replace([said("x"), said("a"), said("b")]), "SESSION_HISTORY");
    await replace([said("b")]);
    await replace([said("b")]);
    expect(await session.getItems()).toEqual([said("a"), said("c"), said("d")]);
  });

  it("replaces a history by its compaction at once", async () => {
    const { session } = use();
    await session.addItems([said("a"), said("b"), said("c")]);
    const compacted = [{ type: "compaction", encrypted_content: "x" }, said("c")];
    await session.replaceHistoryWithCompaction(compacted as AgentInputItem[]);
    expect(await session.getItems()).toEqual(compacted);
  });

  if (isDurable)
    it("has items and operations after a restart", async () => {
      const { runtime, session, place } = use();
      const operation = { operationId: "o1", transaction: append([said("a")]) };
      await session.applyHistoryTransaction(operation);
      await runtime.close();
      const { session: again } = use(place);
      await again.applyHistoryTransaction(operation);
      expect(await again.getItems()).toEqual([said("a")]);
    });
});

describe("a session", () => {
  const memory = (): HoldfastSession => {
    const runtime = createRuntime();
    onTestFinished(() => runtime.close());
    return new HoldfastSession({ runtime });
  };

  it("has the capabilities that the SDK looks for", async () => {
    const session = memory();
    expect(isSessionHistoryRewriteAwareSession(session)).toBe(true);
    expect(isSessionHistoryTransactionAwareSession(session)).toBe(true);
    expect(await session.getSessionId()).not.toBe(await memory().getSessionId());
  });

  it("refuses options and arguments that it cannot use, and changes nothing", async () => {
    expect(() => new HoldfastSession({} as never)).toThrow(/needs \{ runtime \}/);
    expect(() => new HoldfastSession({ runtime: createRuntime(), id: "x" } as never)).toThrow(
      /"id"/,
    );
    const session = memory();
    for (const args of [
      { operationId: " ", transaction: append([]) },
      { operationId: "o", transaction: { type: "other" } },
      { operationId: "o", transaction: { type: "replace_suffix", expectedSuffix: [] } },
    ])
      expect(await rejection(session.applyHistoryTransaction(args as never))).toBeInstanceOf(
        TypeError,
      );
    const broken = { ...said("a"), providerData: { call: () => 1 } };
    const error = await rejection(session.addItems([broken]), "STATE_NOT_SERIALIZABLE");
    expect(error["path"]).toBe("items[0].providerData.call");
    await rejection(
      session.applyHistoryTransaction({ operationId: "o", transaction: append([broken]) }),
      "STATE_NOT_SERIALIZABLE",
    );
    expect(await session.getItems()).toEqual([]);
  });

  it("takes ids and operation ids of any characters", async () => {
    const runtime = createRuntime();
    onTestFinished(() => runtime.close());
    const session = new HoldfastSession({ runtime, sessionId: "__proto__:*/ü\u0000" });
    for (const operationId of ["__proto__", "constructor", "__proto__"])
      await session.applyHistoryTransaction({ operationId, transaction: append([said("a")]) });
    expect(await session.getItems()).toHaveLength(2);
  });

  it("remembers an operation for as many later ones as it says", async () => {
    const session = memory();
    const operation = (n: number) => ({ operationId: `o${n}`, transaction: append([]) });
    const all = Array.from({ length: OPERATIONS_MAX + 1 }, (_, n) => operation(n));
    await Promise.all(all.map((each) => session.applyHistoryTransaction(each)));
    const again = { operationId: "o0", transaction: append([said("again")]) };
    await rejection(session.applyHistoryTransaction(again), "SESSION_HISTORY");
  });
});
