/** What must compile, and what must not: the types people meet first. */
import { describe, expect, expectTypeOf, it } from "vitest";
import { createRuntime, createScope, isHoldfastError, type Scope } from "../src/index.ts";

interface Chat {
  count: number;
  name?: string;
  topics: string[];
  seen: Record<string, number>;
}

const initial: Chat = { count: 0, topics: [], seen: {} };

describe("the types of a scope", () => {
  it("take the fields of the state and no others", async () => {
    const chat = createScope<Chat>({ initial });
    expectTypeOf(chat.state).toEqualTypeOf<Readonly<Chat>>();
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
