/** The rules of a turn that do not depend on where its documents are. */
import * as fc from "fast-check";
import { createRuntime } from "holdfast";
import {
  MemoryStorage,
  RuntimeStorage,
  runTurn,
  TurnState,
  useState,
  type StorageLike,
  type TurnOptions,
} from "holdfast/turn-state";
import { simulatedClock } from "holdfast/testing";
import { describe, expect, it, vi } from "vitest";
import { merge } from "../../../../src/dialects/turn-state/merge.ts";
import { mailboxCount } from "../../../../src/dialects/turn-state/mailboxes.ts";
import { activity, PlainStorage } from "./places.ts";

const key = "msteams/b1/conversations/c";

async function stateOf(storage: StorageLike): Promise<TurnState> {
  return TurnState.load(storage, activity("c"));
}

describe("paths", () => {
  it.each([
    ["foo", "temp", "foo"],
    ["", "temp", ""],
    ["conversation.k", "conversation", "k"],
    ["USER.k", "user", "k"],
    ["Temp.K", "temp", "K"],
    ["conversation.k ", "conversation", "k "],
    ["conversation.__proto__", "conversation", "__proto__"],
  ] as const)("%j is %s, key %j", async (path, scope, name) => {
    const state = await stateOf(new MemoryStorage());
    state.setValue(path, 1);
    expect(state[scope].get(name)).toBe(1);
    expect([state.hasValue(path), state.getValue(path)]).toEqual([true, 1]);
    state.deleteValue(path);
    expect([state.hasValue(path), state.getValue(path, "none")]).toEqual([false, "none"]);
  });

  it.each([
    [" conversation.k", "Invalid scope"],
    ["foo.bar", "Invalid scope"],
    ["__proto__.x", "Invalid scope"],
    ["conversation.", "Invalid path"],
    [".x", "Invalid path"],
    [".", "Invalid path"],
    ["a.b.c", "Invalid path"],
    ["conversation.foo.bar", "Invalid path"],
  ])("%j is refused: %s", async (path, message) => {
    const state = await stateOf(new MemoryStorage());
    expect(() => state.getValue(path)).toThrow(message);
    expect(() => state.setValue(path, 1)).toThrow(TypeError);
    expect(() => state.hasValue(path)).toThrow(message);
    expect(() => state.deleteValue(path)).toThrow(message);
  });

  it("are texts, and so are keys", async () => {
    const state = await stateOf(new MemoryStorage());
    const wrong = Symbol("x") as unknown as string; // What a caller without types may pass.
    expect(() => state.getValue(wrong)).toThrow("Invalid path");
    expect(() => state.conversation.set(wrong, 1)).toThrow(TypeError);
  });
});

describe("what is stored", () => {
  /** The calls of one turn on a storage with a document. */
  async function callsOf(
    handler: (state: TurnState) => void,
    document: unknown = { n: 1, deep: { a: [1], b: 2 } },
    options?: TurnOptions,
  ): Promise<readonly [string[], unknown]> {
    const storage = new PlainStorage();
    if (document !== undefined) storage.texts.set(key, JSON.stringify(document));
    await runTurn(storage, activity("c"), handler, options);
    const text = storage.texts.get(key);
    return [storage.calls, text === undefined ? undefined : JSON.parse(text)];
  }

  it.each<[string, (state: TurnState) => void]>([
    ["nothing is done", () => undefined],
    ["something is only read", (state) => void state.conversation.get("deep")],
    ["a value is set to what it was", (state) => state.conversation.set("n", 1)],
    [
      "a value is set and set back",
      (state) => {
        state.conversation.set("n", 2);
        state.conversation.set("n", 1);
      },
    ],
    ["keys are in another order", (state) => state.conversation.set("deep", { b: 2, a: [1] })],
    ["a new key is undefined", (state) => state.conversation.set("x", undefined)],
    ["a scope without a document is cleared", (state) => state.user.clear()],
    ["a scope without a document is deleted", (state) => state.deleteUserState()],
    ["only temp is used", (state) => state.setValue("x", 1)],
  ])("is nothing when %s", async (_case, handler) => {
    expect((await callsOf(handler))[0]).toEqual(["read 2"]);
  });

  it.each<[string, (state: TurnState) => void, unknown]>([
    [
      "a change in place",
      (state) => void state.conversation.get<{ a: number[] }>("deep")?.a.push(2),
      { n: 1, deep: { a: [1, 2], b: 2 } },
    ],
    ["an empty document after clear", (state) => state.conversation.clear(), {}],
    ["what is left after delete", (state) => state.conversation.delete("deep"), { n: 1 }],
  ])("is %s", async (_case, handler, document) => {
    expect(await callsOf(handler)).toEqual([["read 2", "write 1"], document]);
  });

  it("is one write and one delete when both are due", async () => {
    const [calls, document] = await callsOf((state) => {
      state.deleteConversationState();
      state.user.set("n", 1);
    });
    expect(calls.toSorted()).toEqual(["delete 1", "read 2", "write 1"]);
    expect(document).toBeUndefined();
  });

  it("after a delete is what was set since, or nothing when the policy says lose", async () => {
    const handler = (state: TurnState): void => {
      state.deleteConversationState();
      state.conversation.set("x", 1);
    };
    expect((await callsOf(handler))[1]).toEqual({ x: 1 });
    expect((await callsOf(handler, {}, { deleteThenSet: "lose" }))[1]).toBeUndefined();
  });

  it("is coerced as the original does when the policy says so", async () => {
    const handler = (state: TurnState): void => {
      state.conversation.set("map", new Map([[1, 2]]));
      state.conversation.set("nan", [Number.NaN, undefined]);
      state.conversation.set("fn", () => 1);
    };
    const [, document] = await callsOf(handler, {}, { values: "coerce" });
    expect(document).toEqual({ map: {}, nan: [null, null] });
    const big = callsOf((state) => state.conversation.set("n", 1n), {}, { values: "coerce" });
    await expect(big).rejects.toMatchObject({ code: "STATE_NOT_SERIALIZABLE" });
  });
});

describe("policies", () => {
  it("keep what a failing handler did", async () => {
    const storage = new MemoryStorage();
    const failing = (state: TurnState): never => {
      state.conversation.set("n", 1);
      throw new Error("no");
    };
    const options = { onHandlerError: "persist" } as const;
    await expect(runTurn(storage, activity("c"), failing, options)).rejects.toThrow("no");
    expect(await storage.read([key])).toEqual({ [key]: { n: 1 } });
  });

  it("let a turn succeed that could not be stored, and say so", async () => {
    const error = vi.fn<(message: string, fields?: object) => void>();
    const options = { onSaveError: "log", logger: { warn: error, error } } as const;
    const handler = (state: TurnState): string => {
      state.conversation.set("n", 1n);
      return "answer";
    };
    const storage = new MemoryStorage();
    expect(await runTurn(storage, activity("c"), handler, options)).toBe("answer");
    expect(error).toHaveBeenCalledWith(
      "the state of a turn was not stored",
      expect.objectContaining({ code: "STATE_NOT_SERIALIZABLE" }),
    );
  });

  it("let a state be used after its turn, for nothing", async () => {
    const storage = new MemoryStorage();
    const options = { afterTurn: "ignore" } as const;
    const state = await runTurn(storage, activity("c"), (each) => each, options);
    state.conversation.set("n", 1);
    expect(await storage.read([key])).toEqual({});
  });

  it("are checked", () => {
    const storage = new MemoryStorage();
    const wrong: unknown[] = [
      { onSaveError: "shout" },
      { onCorrupt: "__proto__" },
      { values: 1 },
      { timeoutMs: Number.NaN },
      { handlerTimeoutMs: "1" },
    ];
    // What a caller without types may pass.
    for (const options of wrong as TurnOptions[])
      expect(() => useState(storage, options)).toThrow(RangeError);
    for (const other of [null, "redis://", {}, { read: 1 }] as unknown as StorageLike[])
      expect(() => useState(other)).toThrow(TypeError);
  });

  it("are rejections of a turn", async () => {
    const options = { timeoutMs: Number.NaN };
    const storage = new MemoryStorage();
    await expect(runTurn(storage, activity("c"), vi.fn(), options)).rejects.toThrow(RangeError);
    const none = undefined as unknown as ReturnType<typeof activity>; // As above.
    await expect(runTurn(storage, none, vi.fn())).rejects.toThrow(TypeError);
  });
});

describe("waiting", () => {
  /** A turn that holds both scopes until it is told to end. */
  function holding(storage: StorageLike): {
    end: () => void;
    turn: Promise<void>;
    started: Promise<void>;
  } {
    const { promise, resolve } = withResolvers();
    const begun = withResolvers();
    const turn = runTurn(storage, activity("c"), () => {
      begun.resolve();
      return promise;
    });
    return { end: resolve, turn, started: begun.promise };
  }

  function withResolvers(): { promise: Promise<void>; resolve: () => void } {
    let resolve = (): void => undefined;
    const promise = new Promise<void>((done) => {
      resolve = done;
    });
    return { promise, resolve };
  }

  it("ends after timeoutMs, and leaves the line", async () => {
    const clock = simulatedClock();
    for (const storage of [new MemoryStorage(), new RuntimeStorage(createRuntime())]) {
      const first = holding(storage);
      await first.started;
      const handler = vi.fn<() => void>();
      const second = runTurn(storage, activity("c"), handler, { timeoutMs: 100, clock });
      const refused = expect(second).rejects.toMatchObject({
        code: "SCOPE_MUTATION_TIMEOUT",
        timeoutMs: 100,
        phase: "queued",
      });
      await clock.advance(100);
      await refused;
      first.end();
      await first.turn;
      expect(handler).not.toHaveBeenCalled();
      await runTurn(storage, activity("c"), handler);
      expect(handler).toHaveBeenCalledOnce();
    }
    expect(clock.pending).toBe(0);
  });

  it("ends after timeoutMs, also when all was free when both turns began", async () => {
    const clock = simulatedClock();
    for (const storage of [new MemoryStorage(), new RuntimeStorage(createRuntime())]) {
      const slow = withResolvers();
      const options = { timeoutMs: 100, clock };
      const turns = ["c1", "c2"].map((conversation) =>
        runTurn(storage, activity(conversation), () => slow.promise, options),
      );
      const ended = Promise.allSettled(turns);
      const refused = expect(Promise.race(turns)).rejects.toMatchObject({ phase: "queued" });
      await vi.waitFor(() => expect(clock.pending).toBeGreaterThan(0), 20_000);
      await clock.advance(100);
      await refused;
      slow.resolve();
      expect((await ended).map(({ status }) => status).toSorted()).toEqual([
        "fulfilled",
        "rejected",
      ]);
    }
  });

  it("does not count what the handler takes", async () => {
    const clock = simulatedClock();
    const storage = new MemoryStorage();
    const slow = runTurn(
      storage,
      activity("c"),
      async (state) => {
        await clock.advance(1_000);
        state.conversation.set("n", 1);
      },
      { timeoutMs: 100, clock },
    );
    await slow;
    expect(await storage.read([key])).toEqual({ [key]: { n: 1 } });
  });

  it("for a handler ends after handlerTimeoutMs, and nothing of it is stored", async () => {
    const clock = simulatedClock();
    const storage = new MemoryStorage();
    const late = withResolvers();
    const kept: TurnState[] = [];
    const signals: AbortSignal[] = [];
    const turn = runTurn(
      storage,
      activity("c"),
      async (state, context) => {
        kept.push(state);
        signals.push(context.signal);
        state.conversation.set("n", 1);
        await late.promise;
      },
      { handlerTimeoutMs: 50, clock },
    );
    const refused = expect(turn).rejects.toMatchObject({
      code: "SCOPE_MUTATION_TIMEOUT",
      phase: "running",
    });
    await clock.advance(50);
    await refused;
    expect(signals[0]?.aborted).toBe(true);
    expect(() => kept[0]?.conversation.get("n")).toThrow("ended");
    late.resolve();
    await runTurn(storage, activity("c"), (state) =>
      expect(state.conversation.has("n")).toBe(false),
    );
  });

  it("ends when the caller aborts, waiting or running", async () => {
    const storage = new MemoryStorage();
    const abort = new AbortController();
    const options = { signal: abort.signal };
    const running = runTurn(storage, activity("c"), () => new Promise(() => undefined), options);
    const waiting = runTurn(storage, activity("c"), vi.fn(), options);
    const reason = new Error("enough");
    const both = Promise.allSettled([running, waiting]);
    await new Promise(setImmediate);
    abort.abort(reason);
    const rejected = { status: "rejected", reason };
    expect(await both).toEqual([rejected, rejected]);
    await expect(runTurn(storage, activity("c"), vi.fn(), options)).rejects.toBe(reason);
  });

  it("leaves no mailbox behind", async () => {
    const storage = new MemoryStorage();
    const turns = Array.from({ length: 20 }, (_, i) =>
      runTurn(storage, activity(`c${i}`), vi.fn()),
    );
    await Promise.all(turns);
    expect(mailboxCount()).toBe(0);
  });

  it("in a runtime is in line with the scope itself, and tells its listeners", async () => {
    const runtime = createRuntime();
    await runTurn({ runtime }, activity("c"), (state) => state.conversation.set("n", 1));
    const document = await runtime.open<{ n: number; m?: number }>("turn-state", key);
    const patches: unknown[] = [];
    document.subscribe((change) => patches.push(change.patches));
    const [begun, ended] = [withResolvers(), withResolvers()];
    const turn = runTurn({ runtime }, activity("c"), async (state) => {
      begun.resolve();
      await ended.promise;
      state.conversation.set("n", 2);
    });
    await begun.promise;
    const update = document.update((draft) => {
      draft.m = draft.n;
    });
    ended.resolve();
    await Promise.all([turn, update]);
    expect(document.state).toEqual({ n: 2, m: 2 });
    expect(patches).toEqual([
      [{ op: "replace", path: ["n"], value: 2 }],
      [{ op: "add", path: ["m"], value: 2 }],
    ]);
    await runtime.close();
  });
});

describe("merging", () => {
  const json = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.constantFrom(null, 0, 1, "a", true),
      fc.dictionary(fc.constantFrom("a", "b", "__proto__"), tie("value")),
      fc.array(tie("value"), { maxLength: 3 }),
    ),
  })).value;
  const document = fc.jsonValue({ maxDepth: 3 });

  it("takes the only change there is", () => {
    fc.assert(
      fc.property(document, document, (base, next) => {
        // Values of fast-check's jsonValue are JSON.
        type Place = Parameters<typeof merge>[0];
        expect(merge(base as Place, next as Place, base as Place, "")).toEqual(next);
        expect(merge(base as Place, base as Place, next as Place, "")).toEqual(next);
      }),
    );
  });

  it("gives the same whoever comes first, or refuses both ways", () => {
    const outcome = (make: () => unknown): unknown => {
      try {
        return { value: make() };
      } catch (error) {
        return String(error);
      }
    };
    fc.assert(
      fc.property(json, json, json, (base, mine, theirs) => {
        type Place = Parameters<typeof merge>[0];
        const [b, m, t] = [base, mine, theirs] as [Place, Place, Place]; // JSON by the arbitrary.
        const one = outcome(() => merge(b, m, t, ""));
        const other = outcome(() => merge(b, t, m, ""));
        expect(typeof one).toBe(typeof other);
        if (typeof one === "object") expect(one).toEqual(other);
      }),
    );
  });
});

describe("a runtime that closes", () => {
  it("settles the turn that runs and those that wait", async () => {
    const runtime = createRuntime();
    const turns = Array.from({ length: 3 }, () =>
      runTurn({ runtime }, activity("c"), () => new Promise(() => undefined)),
    );
    const settled = Promise.allSettled(turns);
    await new Promise(setImmediate);
    await runtime.close({ drainMs: 0 });
    // By how far each had come.
    const ended: unknown = expect.stringMatching(/^(?:SCOPE_STOPPED|RUNTIME_CLOSED)$/);
    for (const turn of await settled)
      expect(turn).toMatchObject({ status: "rejected", reason: { code: ended } });
    await expect(runTurn({ runtime }, activity("c"), vi.fn())).rejects.toMatchObject({
      code: "RUNTIME_CLOSED",
    });
  });
});
