/** Options that are misspelt, everywhere the package takes some. */
import { describe, expect, it, onTestFinished } from "vitest";
import {
  createRuntime,
  createScope,
  defineKind,
  defineSequencer,
  memoryStore,
  StateTypeError,
  step,
  type Runtime,
} from "../../src/index.ts";
import {
  DatabaseSessionService,
  InMemorySessionService,
  runTurn as runAdkTurn,
  SessionService,
} from "../../src/adk.ts";
import { createBotState, GlobalState, IdleState, SingleState } from "../../src/builderbot.ts";
import { HoldfastSessionStore } from "../../src/express-session.ts";
import { createHoldfastState } from "../../src/chat-sdk.ts";
import { fileStore } from "../../src/file.ts";
import { session as grammySession, storageAdapter } from "../../src/grammy.ts";
import {
  createExecutionContext,
  createScopeStateOps,
  createStateContainer,
  runWithCAS,
  withScopeLock,
} from "../../src/flow-state.ts";
import { postgresStore } from "../../src/postgres.ts";
import { redisStore } from "../../src/redis.ts";
import { sqliteStore } from "../../src/sqlite.ts";
import { KeyvHoldfast } from "../../src/keyv.ts";
import { session as telegrafSession, sessionStore } from "../../src/telegraf.ts";
import {
  aes256GcmCodec,
  FileStorage,
  hmacKeyCodec,
  MemoryStorage,
  RedisStorage,
  runTurn,
  RuntimeStorage,
  useState,
} from "../../src/turn-state.ts";
import { holdfastDriver } from "../../src/unstorage.ts";
import { faultyStore } from "../../src/testing.ts";
import { createVcr, State } from "../../src/vcr.ts";

/** No option of anything. */
const misspelt = { tiemoutMs: 5 } as object;

function open(): Runtime {
  const runtime = createRuntime();
  onTestFinished(() => runtime.close());
  return runtime;
}

const noSteps = defineSequencer({ name: "none", steps: [] });
const activity = { channelId: "test", conversation: { id: "c" }, from: { id: "u" } };

/** What takes options when something is made. */
const makers: Readonly<Record<string, (options: object) => unknown>> = {
  createRuntime: (options) => createRuntime(options),
  "createRuntime cas": (cas) => createRuntime({ cas }),
  "a plain kind": (kind) => createRuntime({ kinds: { cart: kind as never } }),
  createScope: (options) => createScope({ initial: {}, ...options }),
  defineKind: (options) => defineKind(options),
  defineSequencer: (options) => defineSequencer({ name: "s", steps: [], ...options }),
  "a step": (options) =>
    defineSequencer({ name: "s", steps: [{ name: "one", run: () => 1, ...options }] }),
  memoryStore: (options) => memoryStore(options),
  fileStore: (options) => fileStore({ dir: "unused", ...options }),
  sqliteStore: (options) => sqliteStore({ path: ":memory:", ...options }),
  redisStore: (options) => redisStore({ url: "redis://127.0.0.1:1", ...options }),
  postgresStore: (options) => postgresStore({ url: "postgres://127.0.0.1:1/x", ...options }),
  SessionService: (options) => new SessionService(options),
  InMemorySessionService: (options) => new InMemorySessionService(options),
  DatabaseSessionService: (options) => new DatabaseSessionService(options as never),
  createBotState: (options) => createBotState(options),
  SingleState: (options) => new SingleState(options),
  GlobalState: (options) => new GlobalState({}, options),
  IdleState: (options) => new IdleState(options),
  createHoldfastState: (options) => createHoldfastState({ runtime: open(), ...options }),
  createVcr: (options) => createVcr(options),
  createSessionWithId: (options) => createVcr().createSessionWithId("id", options),
  createStateContainer: (options) => createStateContainer({}, 0, options),
  createScopeStateOps: (options) => createScopeStateOps(createStateContainer({}), options),
  "createScopeStateOps cas": (cas) => createScopeStateOps(createStateContainer({}), { cas }),
  MemoryStorage: (options) => new MemoryStorage(options),
  FileStorage: (options) => new FileStorage("unused", options),
  RedisStorage: (options) => new RedisStorage("redis://127.0.0.1:1", options),
  RuntimeStorage: (options) => new RuntimeStorage(open(), options),
  useState: (options) => useState(new MemoryStorage(), options),
  HoldfastSessionStore: (options) => new HoldfastSessionStore({ runtime: open(), ...options }),
  KeyvHoldfast: (options) => new KeyvHoldfast({ runtime: open(), ...options }),
  holdfastDriver: (options) => holdfastDriver({ runtime: open(), ...options }),
  "grammy session": (options) => grammySession({ runtime: open(), ...options }),
  "grammy storageAdapter": (options) => storageAdapter({ runtime: open(), ...options }),
  "telegraf session": (options) => telegrafSession({ runtime: open(), ...options }),
  "telegraf sessionStore": (options) => sessionStore({ runtime: open(), ...options }),
  aes256GcmCodec: (options) => aes256GcmCodec(new Uint8Array(32), options),
  faultyStore: (options) => faultyStore(memoryStore(), options),
  "rates of a faultyStore": (rates) => faultyStore(memoryStore(), { rates }),
};

/** What takes options when it is called. */
const calls: Readonly<Record<string, (options: object) => unknown>> = {
  list: (options) => open().list(options),
  deleteAll: (options) => open().deleteAll({ type: "user", ...options }),
  erase: (options) => open().erase({ type: "user", id: "ann", ...options }),
  close: (options) => createRuntime().close(options),
  execute: (options) => open().execute({ userId: "ann", ...options }, () => "ran"),
  "runtime.changes": async (options) => open().changes(options),
  "open, the rest of the identity": (extra) => open().open("user", "ann", extra),
  run: (options) => open().run(noSteps, options).result,
  "scopes of a run": (scopes) => open().run(noSteps, { scopes }).result,
  forkRun: (options) => open().forkRun(noSteps, "r", options as never).result,
  resume: async (options) => {
    const runtime = open();
    await runtime.run(noSteps, { runId: "r" }).result;
    return runtime.resume(noSteps, "r", undefined, options);
  },
  transaction: async (options) => {
    const runtime = open();
    const scopes = [await runtime.open("user", "ann"), await runtime.open("user", "bob")];
    return runtime.transaction(scopes, () => expect.unreachable(), options);
  },
  "adk runTurn": (options) => {
    const key = { appName: "app" };
    return runAdkTurn(new SessionService(), key, () => expect.unreachable(), options);
  },
  "turn-state runTurn": (options) =>
    runTurn(new MemoryStorage(), activity, () => expect.unreachable(), options),
  withScopeLock: (options) => withScopeLock({}, () => expect.unreachable(), options),
  runWithCAS: (options) => {
    const container = createStateContainer({});
    const save = (): never => expect.unreachable();
    return runWithCAS({ container, mutator: save, persist: save, ...options });
  },
  "options of runWithCAS": (options) => {
    const container = createStateContainer({});
    const save = (): never => expect.unreachable();
    return runWithCAS({ container, mutator: save, persist: save, options });
  },
  createExecutionContext: (options) => createExecutionContext({ userId: "ann", ...options }),
  createIndex: (options) =>
    new State(createVcr().createSession()).createIndex("index", { schema: [], ...options }),
  "a field of createIndex": (options) => {
    const field = { fieldName: "name", type: "TEXT", ...options } as const;
    return new State(createVcr().createSession()).createIndex("index", { schema: [field] });
  },
  search: (options) => new State(createVcr().createSession()).search("index", "*", options),
  "set of a vcr": (options) => new State(createVcr().createSession()).set("key", 1, options),
};

interface Changeable {
  readonly n: number;
  readonly list: readonly number[];
  readonly map: Readonly<Record<string, number>>;
}
const initial: Changeable = { n: 1, list: [], map: { a: 1 } };
type Operations = Pick<
  ReturnType<typeof createScope<Changeable>>,
  | "atomicState"
  | "deleteStateRecord"
  | "incState"
  | "patchState"
  | "pushState"
  | "setState"
  | "setStateRecord"
>;

/** The operations of a scope, of a runtime's and of a container. */
const operations: Readonly<Record<string, (on: Operations, options: object) => unknown>> = {
  patchState: (on, options) => on.patchState({ n: 2 }, options),
  "patchState of a field": (on, options) => on.patchState("n", () => 2, options),
  setState: (on, options) => on.setState({ ...initial, n: 2 }, options),
  incState: (on, options) => on.incState({ n: 1 }, options),
  pushState: (on, options) => on.pushState("list", 1, options),
  setStateRecord: (on, options) => on.setStateRecord("map", "b", 1, options),
  deleteStateRecord: (on, options) => on.deleteStateRecord("map", "a", options),
  atomicState: (on, options) => on.atomicState(() => expect.unreachable(), options),
};

describe("options of what is made", () => {
  it.each(Object.entries(makers))("%s refuses one it does not have", (_name, make) => {
    const refusal = /has no option "tiemoutMs"; it has \w+/;
    expect(() => make(misspelt)).toThrow(TypeError);
    expect(() => make(misspelt)).toThrow(refusal);
  });

  const runtimeTakers: Readonly<Record<string, (given: never) => unknown>> = {
    createBotState,
    createVcr,
    createScope,
    createRuntime,
    defineKind,
    defineSequencer,
    memoryStore,
    fileStore,
    sqliteStore,
    redisStore,
    postgresStore,
    SessionService: (given) => new SessionService(given),
    InMemorySessionService: (given) => new InMemorySessionService(given),
    DatabaseSessionService: (given) => new DatabaseSessionService(given),
    SingleState: (given) => new SingleState(given),
    IdleState: (given) => new IdleState(given),
    MemoryStorage: (given) => new MemoryStorage(given),
  };
  it.each(Object.entries(runtimeTakers))("%s names a runtime as the mistake", (_name, make) => {
    expect(() => make(open() as never)).toThrow(TypeError);
    expect(() => make(open() as never)).toThrow(/received a runtime where its options belong/);
  });

  const withRuntime: Readonly<Record<string, (given: { runtime: never }) => unknown>> = {
    createBotState,
    createVcr,
    SessionService: (given) => new SessionService(given),
    MemoryStorage: (given) => new MemoryStorage(given),
    KeyvHoldfast: (given) => new KeyvHoldfast(given),
  };
  it.each(Object.entries(withRuntime))("%s names a store as no runtime", (_name, make) => {
    const given = { runtime: memoryStore() as never };
    expect(() => make(given)).toThrow(TypeError);
    expect(() => make(given)).toThrow(/needs \{ runtime \}, as createRuntime gives it/);
  });

  it("may be undefined under a known name", () => {
    const nothing = { store: undefined, clock: undefined, cas: undefined } as object;
    onTestFinished(() => createRuntime(nothing).close());
    expect(defineKind({ ttlMs: undefined, schema: undefined }).durability).toBe("commit");
    expect(new SessionService({ runtime: undefined }).profile).toBe("memory");
  });
});

describe("a value where an object or a list belongs", () => {
  const texts: Readonly<Record<string, readonly [(text: never) => unknown, RegExp]>> = {
    aes256GcmCodec: [(text) => aes256GcmCodec(text), /takes a secret of 32 bytes, or a list/],
    "one of its secrets": [(text) => aes256GcmCodec([text]), /a secret for AES-256 is bytes/],
    hmacKeyCodec: [(text) => hmacKeyCodec([text] as never), /takes a text or bytes/],
    "steps of a sequencer": [
      (steps) => defineSequencer({ name: "s", steps }),
      /steps must be a list of steps/,
    ],
    "a step": [
      (text) => defineSequencer({ name: "s", steps: [text] }),
      /a step needs an object with its options: name, run/,
    ],
    "a schema": [
      (schema) => createScope({ initial: {}, schema }),
      /schema must be a Standard Schema/,
    ],
    "a kind": [(kind) => createRuntime({ kinds: { kind } }), /kind "kind" needs an object/],
    createRuntime: [(text) => createRuntime(text), /createRuntime needs an object/],
    kinds: [(text) => createRuntime({ kinds: text }), /kinds must be a record of kinds, rec/],
    "a namespace": [
      (text) => createRuntime({ namespace: [text] as never }),
      /namespace must be a t/,
    ],
    "a clock": [(clock) => createRuntime({ clock }), /createRuntime needs \{ clock \}, with now/],
    "a clock of a store": [(clock) => memoryStore({ clock }), /needs \{ clock \}, with now/],
    "a clock of a scope": [(clock) => createScope({ initial: {}, clock }), /needs \{ clock \}/],
    "a logger": [(logger) => createRuntime({ logger }), /needs \{ logger \}, with warn and error/],
    "a logger of sessions": [(logger) => new SessionService({ logger }), /needs \{ logger \}/],
    RedisStorage: [(text) => new RedisStorage([text] as never), /takes a URL or a client/],
    "redis of createVcr": [(text) => createVcr({ redis: [text] as never }), /takes a URL or a cl/],
  };
  it.each(Object.entries(texts))("%s says what it takes", (_name, [make, reason]) => {
    expect(() => make("text" as never)).toThrow(TypeError);
    expect(() => make("text" as never)).toThrow(reason);
  });

  const states: readonly [string, (given: never) => unknown][] = [
    ["createScope", (given) => createScope({ initial: given })],
    ["createRuntime", (given) => createRuntime({ kinds: { kind: { initial: given } } })],
  ];
  it.each(states)("%s refuses it as the first state", (_name, make) => {
    for (const given of ["text", [1], 5])
      expect(() => make(given as never)).toThrow(StateTypeError);
  });

  it("is refused as a scope of a run", async () => {
    const { result } = open().run(noSteps, { scopes: { session: "text" as never } });
    await expect(result).rejects.toThrow("scopes.session must be an open scope, received string");
  });

  it("is refused where one of few texts belongs", () => {
    expect(() => createVcr({ equality: "txet" as never })).toThrow(RangeError);
    expect(() => createVcr({ namespaces: "flat" as never })).toThrow(RangeError);
  });

  it("is refused as the scopes of a transaction", async () => {
    const scope = await open().open("user", "ann");
    const given = open().transaction(scope as never, () => expect.unreachable());
    await expect(given).rejects.toThrow(/takes a list of scopes, received/);
  });
});

describe("options of what is called", () => {
  it.each(Object.entries(calls))("%s rejects one it does not have", async (_name, call) => {
    const called = Promise.resolve(call(misspelt));
    await expect(called).rejects.toThrow(TypeError);
    await expect(called).rejects.toThrow(/has no option "tiemoutMs"; it has \w+/);
  });

  const refused = expect.objectContaining({
    name: "TypeError",
    message: expect.stringMatching(
      /has no option "tiemoutMs"; it has signal, timeoutMs, meta, once$/,
    ),
  });
  it.each(Object.entries(operations))("%s changes nothing", async (_name, change) => {
    const kinds = { thing: defineKind({ initial }) };
    const runtime = createRuntime({ kinds });
    onTestFinished(() => runtime.close());
    const resident = await runtime.open<Changeable>("thing", "t");
    const scope = createScope({ initial });
    const container = createScopeStateOps(createStateContainer(initial));
    const all = [resident, scope, container];
    const refusals = all.map((on) => expect(change(on, misspelt)).rejects.toEqual(refused));
    await Promise.all(refusals);
    expect(all.map((on) => on.state)).toEqual([initial, initial, initial]);
    expect(all.map((on) => on.version)).toEqual([0, 0, 0]);
  });

  it("update, read, delete and changes() refuse it, too", async () => {
    const scope = createScope({ initial });
    await expect(scope.update(() => expect.unreachable(), misspelt)).rejects.toEqual(refused);
    await expect(scope.read(misspelt)).rejects.toEqual(refused);
    await expect(scope.delete(misspelt)).rejects.toEqual(refused);
    expect(() => scope.changes(misspelt)).toThrow(
      /has no option "tiemoutMs"; it has since, signal/,
    );
    expect(scope.version).toBe(0);
  });

  it("may be undefined under a known name", async () => {
    const scope = createScope({ initial });
    const nothing = { signal: undefined, timeoutMs: undefined, meta: undefined } as object;
    await expect(scope.patchState({ n: 2 }, nothing)).resolves.toBe(true);
  });

  it("keeps steps made by step()", () => {
    expect(defineSequencer({ name: "s", steps: [step("one", () => 1)] }).steps).toHaveLength(1);
  });
});
