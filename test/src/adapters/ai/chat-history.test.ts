/** The messages of chats, alone and in turns of the AI SDK. */
import type { UIMessage } from "ai";
import { expect, it, onTestFinished } from "vitest";
import { chatHistory } from "../../../../src/ai.ts";
import { createRuntime, type Runtime } from "../../../../src/index.ts";
import { sqliteStore } from "../../../../src/sqlite.ts";
import { startChild } from "../../../support/child.ts";
import { testDirectory } from "../../../support/directory.ts";
import { rejection } from "../../../support/waiting.ts";
import { onEachStore } from "../adapter-stores.ts";
import { asked, type Chat, turn } from "./chat.ts";

const dir = testDirectory("ai-turns");
const ids = (messages: readonly UIMessage[]): string[] => messages.map(({ id }) => id);

await onEachStore("ai", ({ isDurable, isShared, fresh, open }) => {
  const use = (place: string): Runtime => {
    const runtime = open(place);
    onTestFinished(() => runtime.close());
    return runtime;
  };

  it("adds messages, replaces those that it knows, and leaves other fields alone", async () => {
    const scope = await use(fresh()).open<Chat & { title?: string }>("session", "chat");
    await scope.patchState({ title: "A chat" });
    const history = chatHistory(scope);
    await history.append([asked("1", "a"), asked("2", "b")]);
    await history.append(asked("3", "c"));
    expect(await history.append([])).toBe(false);
    expect(await history.append(asked("3", "c"))).toBe(false);
    expect(await history.append([asked("2", "changed"), asked("4", "d"), asked("4", "e")])).toBe(
      true,
    );
    const messages = await history.messages();
    expect(messages).toEqual([
      asked("1", "a"),
      asked("2", "changed"),
      asked("3", "c"),
      asked("4", "e"),
    ]);
    messages.pop();
    expect(ids(await history.messages())).toEqual(["1", "2", "3", "4"]);
    expect(scope.state.title).toBe("A chat");
  });

  it("keeps the messages of turns at once, of several processes as well", async () => {
    const place = fresh();
    const first = await use(place).open<Chat>("session", "chat");
    const other = isShared ? await use(place).open<Chat>("session", "chat") : first;
    const all = Array.from({ length: 40 }, (_, n) => asked(String(n), "x"));
    await Promise.all(all.map((each, n) => chatHistory(n % 2 === 0 ? first : other).append(each)));
    const kept = ids(await chatHistory(first).messages());
    expect(kept.toSorted()).toEqual(ids(all).toSorted());
  });

  it("runs a tool loop of the SDK on 2,000 messages", async () => {
    const place = fresh();
    const runtime = use(place);
    const scope = await runtime.open<Chat>("session", "chat");
    const history = chatHistory(scope);
    await history.append(Array.from({ length: 2_000 }, (_, n) => asked(`m${n}`, `message ${n}`)));
    await turn(scope, asked("q", "How is the weather?"));
    expect(await history.messages()).toHaveLength(2_002);
    if (!isDurable) return;
    await runtime.close();
    const again = chatHistory(await use(place).open<Chat>("session", "chat"));
    const [, answer] = await again.messages({ last: 2 });
    const texts = answer?.parts.flatMap((part) => (part.type === "text" ? [part.text] : []));
    expect(texts).toEqual(["it is sunny"]);
  });
});

async function memory(count: number): Promise<ReturnType<typeof chatHistory>> {
  const runtime = createRuntime();
  onTestFinished(() => runtime.close());
  const history = chatHistory(await runtime.open<Chat>("session", "chat"));
  await history.append(Array.from({ length: count }, (_, n) => asked(`m${n}`, "four")));
  return history;
}

it("makes a patch of the new message alone, at the end and in place", async () => {
  const runtime = createRuntime();
  onTestFinished(() => runtime.close());
  const scope = await runtime.open<Chat>("session", "chat");
  const history = chatHistory(scope);
  await history.append(Array.from({ length: 2_000 }, (_, n) => asked(`m${n}`, "x".repeat(100))));
  const sizes: number[] = [];
  scope.subscribe(({ patches }) => sizes.push(JSON.stringify(patches).length));
  await history.append(asked("new", "hi"));
  await history.append(asked("m7", "changed"));
  expect(Math.max(...sizes)).toBeLessThan(200);
});

it("reads the last messages, and as many as fit", async () => {
  const history = await memory(10);
  expect(ids(await history.messages({ last: 2 }))).toEqual(["m8", "m9"]);
  expect(await history.messages({ last: 0 })).toEqual([]);
  expect(await history.messages({ last: 99 })).toHaveLength(10);
  const countTokens = (): number => 3;
  expect(ids(await history.messages({ maxTokens: 7, countTokens }))).toEqual(["m8", "m9"]);
  expect(await history.messages({ maxTokens: 2, countTokens })).toEqual([]);
  const parts = JSON.stringify(asked("m", "four").parts);
  const each = Math.ceil(parts.length / 4);
  expect(await history.messages({ maxTokens: 4 * each })).toHaveLength(4);
});

it("removes the oldest messages by count and by tokens", async () => {
  const history = await memory(10);
  expect(await history.trim({ count: 10 })).toBe(false);
  expect(await history.trim({ count: 6 })).toBe(true);
  expect(ids(await history.messages())).toEqual(["m4", "m5", "m6", "m7", "m8", "m9"]);
  expect(await history.trim({ tokens: 5, countTokens: () => 2 })).toBe(true);
  expect(ids(await history.messages())).toEqual(["m8", "m9"]);
  expect(await history.trim({ count: 0 })).toBe(true);
  expect(await history.messages()).toEqual([]);
});

it("trims nothing where nothing was appended, and stores nothing for it", async () => {
  const runtime = createRuntime();
  onTestFinished(() => runtime.close());
  const scope = await runtime.open<Chat>("session", "chat");
  expect(await chatHistory(scope).trim({ count: 3 })).toBe(false);
  expect(await chatHistory(scope).trim({ tokens: 3 })).toBe(false);
  expect([scope.version, scope.state]).toEqual([0, {}]);
});

it("works in an exclusive section", async () => {
  const runtime = createRuntime();
  onTestFinished(() => runtime.close());
  const scope = await runtime.open<Chat>("session", "chat");
  await scope.exclusive(async (held) => {
    const history = chatHistory(held);
    await history.append(asked("1", "a"));
    expect(ids(await history.messages())).toEqual(["1"]);
  });
  expect(ids(await chatHistory(scope).messages())).toEqual(["1"]);
});

it("refuses what it cannot keep or count, and changes nothing", async () => {
  const history = await memory(2);
  expect(await rejection(history.append({ ...asked("", "a") }))).toBeInstanceOf(TypeError);
  const broken = { ...asked("x", "a"), metadata: { signal: new AbortController().signal } };
  const error = await rejection(history.append(broken), "STATE_NOT_SERIALIZABLE");
  expect(error["path"]).toBe("messages[0].metadata.signal");
  expect(await rejection(history.messages({ last: 1.5 }))).toBeInstanceOf(RangeError);
  expect(await rejection(history.messages({ max: 1 } as never))).toBeInstanceOf(TypeError);
  expect(await rejection(history.trim({ count: -1 }))).toBeInstanceOf(RangeError);
  expect(await rejection(history.trim({ tokens: Number.NaN }))).toBeInstanceOf(RangeError);
  expect(await history.messages()).toHaveLength(2);
});

it("refuses what is no scope", async () => {
  const runtime = createRuntime();
  for (const given of [undefined, {}, runtime])
    expect(() => chatHistory(given as never)).toThrow("chatHistory takes a scope, received");
  await runtime.close();
});

it("goes on after a process was killed between the tool and the answer", async () => {
  const path = `${dir}/killed.db`;
  const killed = startChild("chat-turn.ts", [path, "q1", "hang"]);
  await killed.started;
  killed.process.kill("SIGKILL");
  await killed.closed;
  expect(killed.output()).toBe("the tool's result is stored\n");
  const next = startChild("chat-turn.ts", [path, "q2"]);
  expect(await next.closed).toBe(0);
  const runtime = createRuntime({ store: sqliteStore({ path }) });
  onTestFinished(() => runtime.close());
  const messages = await chatHistory(await runtime.open<Chat>("session", "chat")).messages();
  expect(ids(messages)).toEqual(["q1", "q1-answer", "q2", "q2-answer"]);
  const tools = messages.flatMap(({ parts }) =>
    parts.flatMap((part) => ("output" in part && part.output !== undefined ? [part.output] : [])),
  );
  expect(tools).toEqual(["sunny in Rome", "sunny in Rome"]);
});
