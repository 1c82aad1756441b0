/** What must compile, and what must not: the types people meet first. */
import { describe, expect, expectTypeOf, it } from "vitest";
import {
  createRuntime,
  createScope,
  isHoldfastError,
  type CasOptions,
  type DeepReadonly,
  type ScopeOwner,
  type KindOptions,
  type ListOptions,
  type MemoryStoreOptions,
  type MutationOptions,
  type ResumeOptions,
  type RunOptions,
  type RuntimeOptions,
  type Scope,
  type ScopeOptions,
} from "../src/index.ts";
import type { BotStateOptions } from "../src/builderbot.ts";
import type { PostgresStoreOptions } from "../src/postgres.ts";
import type { RedisStoreOptions } from "../src/redis.ts";
import type { SqliteStoreOptions } from "../src/sqlite.ts";
import type { VcrOptions } from "../src/vcr.ts";

interface Chat {
  count: number;
  name?: string;
  topics: string[];
  seen: Record<string, number>;
}

const initial: Chat = { count: 0, topics: [], seen: {} };

/** Options as they come from a configuration that may lack them. */
type Absent<T> = { readonly [Name in keyof T]: T[Name] | undefined };

describe("the type of a recipe", () => {
  it("takes one that changes the draft, and one that returns the next state", async () => {
    const chat = createScope<Chat>({ initial });
    expect(await chat.update((draft) => void (draft.count += 1))).toBe(true);
    expect(await chat.update((draft) => ({ ...draft, count: draft.count + 1 }))).toBe(true);
    expect(await chat.update(() => ({ count: 5, topics: [], seen: {} }))).toBe(true);
    // @ts-expect-error It lacks fields of the state.
    await chat.update(() => ({ count: 6 }));
    expect(chat.state).toEqual({ count: 6 });
  });
});

describe("the types of options", () => {
  it("take undefined for everything that may be left out", () => {
    expectTypeOf<Absent<RuntimeOptions>>().toExtend<RuntimeOptions>();
    expectTypeOf<Absent<KindOptions>>().toExtend<KindOptions>();
    expectTypeOf<Absent<ListOptions>>().toExtend<ListOptions>();
    expectTypeOf<Absent<MutationOptions>>().toExtend<MutationOptions>();
    expectTypeOf<Absent<CasOptions>>().toExtend<CasOptions>();
    expectTypeOf<Absent<RunOptions>>().toExtend<RunOptions>();
    expectTypeOf<Absent<ResumeOptions>>().toExtend<ResumeOptions>();
    expectTypeOf<Absent<ScopeOwner>>().toExtend<ScopeOwner>();
    expectTypeOf<Absent<MemoryStoreOptions>>().toExtend<MemoryStoreOptions>();
    expectTypeOf<Absent<SqliteStoreOptions>>().toExtend<SqliteStoreOptions>();
    expectTypeOf<Absent<RedisStoreOptions>>().toExtend<RedisStoreOptions>();
    expectTypeOf<Absent<PostgresStoreOptions>>().toExtend<PostgresStoreOptions>();
    expectTypeOf<Absent<VcrOptions>>().toExtend<VcrOptions>();
    expectTypeOf<Absent<BotStateOptions>>().toExtend<BotStateOptions>();
    expectTypeOf<Absent<ScopeOptions<Chat>>>().toExtend<
      Omit<ScopeOptions<Chat>, "initial"> & Absent<Pick<ScopeOptions<Chat>, "initial">>
    >();
  });

  it("leave what is undefined at its default", async () => {
    const absent = { signal: undefined, timeoutMs: undefined, meta: undefined };
    const chat = createScope<Chat>({ initial, clock: undefined, persist: undefined });
    await expect(chat.incState({ count: 1 }, absent)).resolves.toBe(true);
    const runtime = createRuntime({ store: undefined, kinds: undefined, watch: undefined });
    await runtime.open("session", "s", { userId: undefined });
    await runtime.list({ type: undefined, limit: undefined });
    await runtime.close();
  });
});

describe("the types of a scope", () => {
  it("take the fields of the state and no others", async () => {
    const chat = createScope<Chat>({ initial });
    expectTypeOf(chat.state).toEqualTypeOf<DeepReadonly<Chat>>();
    expectTypeOf(chat.incState({ count: 1 })).toEqualTypeOf<Promise<boolean>>();
    await chat.pushState("topics", "tea");
    await chat.setStateRecord("seen", "ann", 1);
    await chat.patchState("count", (count) => count + 1);
    // @ts-expect-error a text is not a number to add
    await expect(chat.incState({ count: "1" })).rejects.toMatchObject({ code: "STATE_TYPE" });
    // @ts-expect-error `name` is no number
    await expect(chat.incState({ name: 1 })).resolves.toBe(true);
    // @ts-expect-error `count` is no array
    await expect(chat.pushState("count", 1)).rejects.toMatchObject({ code: "STATE_TYPE" });
    // @ts-expect-error a record of numbers takes no text
    await chat.setStateRecord("seen", "ann", "once");
    // @ts-expect-error the field does not exist
    await chat.patchState({ other: 1 });
    expect(() => {
      // @ts-expect-error what is read cannot be written
      chat.state.count = 1;
    }).toThrow(TypeError);
    await chat.stop();
  });

  it("let an untyped scope take anything", async () => {
    const runtime = createRuntime();
    const user = await runtime.open("user", "ann");
    expectTypeOf(user).toEqualTypeOf<Scope<Record<string, unknown>>>();
    await user.pushState("list", 1);
    await user.incState({ n: 1 });
    await user.setStateRecord("record", "key", "value");
    expect(user.state).toEqual({ list: [1], n: 1, record: { key: "value" } });
    await runtime.close();
  });

  it("know an error of the library by its code, and no other error", () => {
    const foreign = Object.assign(new Error("no such file"), { code: "ENOENT" });
    expect(isHoldfastError(foreign)).toBe(false);
    expect(isHoldfastError(Object.assign(new Error("copy"), { code: "STATE_TYPE" }))).toBe(true);
  });
});
