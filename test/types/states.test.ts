/** What must compile, and what must not: states as they are seen, changed and given. */
import { describe, expect, expectTypeOf, it } from "vitest";
import {
  createScope,
  mutableCopy,
  type DeepReadonly,
  type Draft,
  type FeedItem,
  type Mutable,
  type Scope,
} from "../../src/index.ts";

type JsonValue = null | string | number | boolean | JsonRecord | JsonValue[];
interface JsonRecord {
  [key: string]: JsonValue | undefined;
}
type Metadata = Record<string, Record<string, JsonValue>>;

/** Messages as chat libraries type them: a union of parts, generic, recursive, with classes. */
interface Message<Data extends Record<string, unknown> = Record<string, unknown>> {
  id: string;
  role: "system" | "user" | "assistant";
  createdAt?: Date;
  metadata?: unknown;
  parts: Part<Data>[];
}
type Part<Data extends Record<string, unknown>> =
  | { type: "text"; text: string; state?: "streaming" | "done"; providerMetadata?: Metadata }
  | { type: "file"; mediaType: string; data: string | Uint8Array | ArrayBuffer | Buffer | URL }
  | { type: "source"; source: { url: URL; title?: string } }
  | { type: "thread"; replies: Message<Data>[]; seen: Map<string, Set<Date>> }
  | ToolPart
  | { [Name in keyof Data & string]: { type: `data-${Name}`; data: Data[Name] } }[keyof Data &
      string];
type ToolPart = { type: `tool-${string}`; toolCallId: string } & (
  | { state: "input"; input: JsonValue; output?: never }
  | { state: "output"; input: JsonValue; output: unknown }
  | { state: "error"; errorText: string }
);

interface Chat {
  messages: Message[];
  tree: JsonValue;
  pair: [at: Date, note?: string];
  count: number;
  title?: string;
}

const initial: Chat = { messages: [], tree: {}, pair: [new Date(0)], count: 0 };
const message = (id: string): Message => ({ id, role: "user", parts: [] });

describe("a state as it is seen", () => {
  it("is read-only at every depth", async () => {
    const chat = createScope<Chat>({ initial });
    await chat.pushState("messages", message("one"));
    const seen: readonly DeepReadonly<Message>[] = chat.state.messages;
    expect(seen).toHaveLength(1);
    expectTypeOf(chat.state.pair).toEqualTypeOf<readonly [at: Date, note?: string]>();
    // @ts-expect-error a list of a state is read-only
    expect(() => chat.state.messages.push(message("two"))).toThrow(TypeError);
    expect(() => {
      const [first] = chat.state.messages;
      // @ts-expect-error a record inside a list is read-only
      if (first !== undefined) first.id = "three";
    }).toThrow(TypeError);
    await chat.atomicState((state) => {
      // @ts-expect-error a mutator returns what it changes
      expect(() => state.messages.pop()).toThrow(TypeError);
    });
    await chat.patchState("messages", (messages) => {
      // @ts-expect-error an updater returns the new value
      expect(() => messages.pop()).toThrow(TypeError);
      return messages;
    });
    expectTypeOf(await chat.read()).toEqualTypeOf<DeepReadonly<Chat>>();
    type Marker = Extract<FeedItem<Chat>, { type: "snapshot" }>;
    expectTypeOf<Marker["state"]>().toEqualTypeOf<DeepReadonly<Chat>>();
  });

  it("keeps dates, bytes, URLs and functions as they are", () => {
    expectTypeOf<DeepReadonly<{ at: Date; of: Uint8Array; url: URL }>>().toEqualTypeOf<{
      readonly at: Date;
      readonly of: Uint8Array;
      readonly url: URL;
    }>();
    expectTypeOf<DeepReadonly<Map<string, Set<string[]>>>>().toEqualTypeOf<
      ReadonlyMap<string, ReadonlySet<readonly string[]>>
    >();
    expectTypeOf<DeepReadonly<[a?: string[]]>>().toEqualTypeOf<readonly [a?: readonly string[]]>();
    type Rest = readonly [Date, ...(readonly string[])[]];
    expectTypeOf<DeepReadonly<[Date, ...string[][]]>>().toExtend<Rest>();
    expectTypeOf<Rest>().toExtend<DeepReadonly<[Date, ...string[][]]>>();
    expectTypeOf<Mutable<readonly [1, readonly 2[]]>>().toEqualTypeOf<[1, 2[]]>();
    expectTypeOf<DeepReadonly<unknown>>().toEqualTypeOf<unknown>();
    expectTypeOf<Mutable<DeepReadonly<Chat>>>().toExtend<Chat>();
    expectTypeOf<Chat>().toExtend<Mutable<DeepReadonly<Chat>>>();
    expectTypeOf<DeepReadonly<{ id: string & { brand: "id" } }>>().toEqualTypeOf<{
      readonly id: string & { brand: "id" };
    }>();
  });
});

describe("a state that is given", () => {
  it("may be what was read", async () => {
    const chat = createScope<Chat>({ initial });
    await chat.setState({ ...chat.state });
    await chat.setState({ ...chat.state, count: 1 });
    await chat.patchState(chat.state);
    await chat.patchState({ messages: chat.state.messages, title: "tea" });
    await chat.patchState("messages", (messages) => [...messages, message("one")]);
    await chat.patchState("messages", async (messages) => messages.slice(1));
    await chat.atomicState(({ messages }) => ({ messages: messages.toReversed() }));
    await chat.atomicState(async (state) => ({ messages: [...state.messages, message("two")] }));
    await chat.update(() => chat.state);
    await chat.update((draft) => ({ ...draft, messages: chat.state.messages.slice(0) }));
    for (const each of chat.state.messages) await chat.pushState("messages", each);
    const other = createScope<Chat>({ initial: { ...chat.state } });
    // @ts-expect-error a count is a number
    await expect(other.setState({ ...chat.state, count: "1" })).resolves.toBe(true);
    // @ts-expect-error a message has parts
    await expect(other.patchState({ messages: [{ id: "1" }] })).resolves.toBe(true);
  });

  it("may have any type in generic code", async () => {
    class Repository<S extends object> {
      readonly scope: Scope<S>;
      constructor(value: S) {
        this.scope = createScope<S>({ initial: value });
      }
      replace(next: S): Promise<boolean> {
        return this.scope.setState(next);
      }
      again(): Promise<boolean> {
        return this.scope.setState(this.scope.state);
      }
      change(change: Partial<S>): Promise<boolean> {
        return this.scope.patchState(change);
      }
    }
    const repository = new Repository(initial);
    expect(await repository.replace({ ...initial, count: 3 })).toBe(true);
    expect(await repository.again()).toBe(false);
    expect(await repository.change({ title: "tea" })).toBe(true);
  });
});

describe("a draft", () => {
  it("takes messages with dates, bytes and URLs", async () => {
    const chat = createScope<Chat>({ initial });
    const change = chat.update((draft) => {
      expectTypeOf(draft).toEqualTypeOf<Draft<Chat>>();
      draft.messages.push(message("one"), { ...message("two"), createdAt: new Date(1) });
      const [first] = draft.messages;
      if (first === undefined) return;
      first.parts.push({ type: "file", mediaType: "a/b", data: new Uint8Array([1]) });
      first.parts.push({ type: "tool-x", toolCallId: "t", state: "input", input: [{ a: 1 }] });
      for (const part of first.parts) if (part.type === "text") part.text += "!";
      const same: Message = first;
      expectTypeOf(same).toEqualTypeOf<Message>();
      draft.pair[0] = new Date(2);
      draft.tree = { deep: [draft.tree] };
      // @ts-expect-error a message has parts
      draft.messages.push({ id: "three" });
    });
    await expect(change).resolves.toBe(true);
    expect(chat.state.messages[0]?.parts).toHaveLength(2);
  });
});

describe("mutableCopy", () => {
  it("gives what a library may change", () => {
    const chat = createScope<Chat>({ initial });
    const messages: Message[] = mutableCopy(chat.state.messages);
    expect(messages.push(message("one"))).toBe(1);
    expectTypeOf(mutableCopy(chat.state)).toExtend<Chat>();
    expectTypeOf(
      mutableCopy(new Map<string, readonly number[]>() as ReadonlyMap<string, readonly number[]>),
    ).toEqualTypeOf<Map<string, number[]>>();
  });
});
