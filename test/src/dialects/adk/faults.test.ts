/** Session services when the store fails once, and over two runtimes that hear nothing of each other. */
import { expect, it } from "vitest";
import { createEvent, InMemorySessionService, runTurn } from "../../../../src/adk.ts";
import { createRuntime } from "../../../../src/runtime/runtime.ts";
import { memoryStore } from "../../../../src/stores/memory/store.ts";
import { faultyStore } from "../../../../src/testing/faulty-store.ts";
import { keepingLogger } from "../../../support/waiting.ts";

const key = { appName: "app", userId: "u", sessionId: "s" };
const other = { ...key, sessionId: "t" };
type Call = (service: InMemorySessionService) => Promise<unknown>;

it.each<[string, Call]>([
  ["createSession", (service) => service.createSession(other)],
  ["getSession", (service) => service.getSession(key)],
  ["getOrCreateSession", (service) => service.getOrCreateSession(other)],
  ["listSessions", (service) => service.listSessions({ appName: "app" })],
  ["deleteSession", (service) => service.deleteSession(key)],
  ["runTurn", (service) => runTurn(service, key, ({ state }) => state.set("n", 2))],
  ["runTurn over a user", async (service) => runTurn(service, { appName: "app" }, () => 1)],
])("%s works after a store that failed once", async (name, call) => {
  const inner = memoryStore();
  const before = createRuntime({ store: inner });
  await new InMemorySessionService({ runtime: before }).createSession({ ...key, state: { n: 1 } });
  const store = faultyStore(inner, { choose: () => "fail" });
  const runtime = createRuntime({ store, logger: keepingLogger() });
  const service = new InMemorySessionService({ runtime, logger: keepingLogger() });
  const first = call(service);
  const isLocal = name === "runTurn over a user"; // Its turns are kept in memory.
  if (isLocal) await first;
  else await expect(first).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  store.calm();
  await call(service);
  const session = await service.getOrCreateSession(key);
  await service.appendEvent(session, createEvent({ content: "x" }));
  expect((await service.getSession(key))?.events).toHaveLength(1);
  await runtime.close();
});

it("an append that failed is made again with nothing lost", async () => {
  let fails = false;
  const store = faultyStore(memoryStore(), { choose: () => (fails ? "fail" : undefined) });
  const runtime = createRuntime({ store, logger: keepingLogger() });
  const service = new InMemorySessionService({ runtime, logger: keepingLogger() });
  const session = await service.createSession({ ...key, state: { list: [1] } });
  session.state.set("a", 1);
  session.state.get<number[]>("list")?.push(2);
  const event = createEvent({ actions: { stateDelta: { b: 2, "user:c": 3 } } });
  fails = true;
  const unavailable = { code: "STORE_UNAVAILABLE" };
  await expect(service.appendEvent(session, event)).rejects.toMatchObject(unavailable);
  await expect(service.commitState(session)).rejects.toMatchObject(unavailable);
  expect([session.state.hasDelta(), session.events]).toEqual([true, []]);
  fails = false;
  await service.appendEvent(session, event);
  const values = { a: 1, b: 2, list: [1, 2], "user:c": 3 };
  expect((await service.getSession(key))?.state.getAll()).toEqual(values);
  expect([session.state.getAll(), session.state.hasDelta()]).toEqual([values, false]);
  await runtime.close();
});

it("a session is given as it is stored now, also by another runtime", async () => {
  const store = memoryStore();
  const [mine, theirs] = [0, 1].map(
    () => new InMemorySessionService({ runtime: createRuntime({ store, watch: false }) }),
  );
  if (mine === undefined || theirs === undefined) throw new Error("two services");
  await mine.createSession({ ...key, state: { n: 1 } });
  const session = await theirs.getSession(key);
  session?.state.update({ n: 2, "user:n": 2, "app:n": 2 });
  if (session !== undefined) await theirs.commitState(session);
  const values = { n: 2, "user:n": 2, "app:n": 2 };
  expect((await mine.getSession(key))?.state.getAll()).toEqual(values);
  await runTurn(mine, key, ({ state }) => expect(state.getAll()).toEqual(values));
  await theirs.deleteSession(key);
  expect(await mine.getSession(key)).toBeUndefined();
  expect((await mine.createSession(key)).state.getAll()).toEqual({ "user:n": 2, "app:n": 2 });
  await expect(theirs.createSession(key)).rejects.toMatchObject({ code: "SESSION_EXISTS" });
});

it("an append to a session that is gone resolves though the logger fails", async () => {
  const stray: unknown[] = [];
  const keep = (error: unknown): void => void stray.push(error);
  process.on("unhandledRejection", keep);
  const runtime = createRuntime();
  for (const warn of [
    () => Promise.reject(new Error("mine")) as never,
    () => {
      throw new Error("mine");
    },
  ]) {
    const service = new InMemorySessionService({ runtime, logger: { warn, error: warn } });
    const session = await service.createSession(key);
    await service.deleteSession(key);
    await service.appendEvent(session, createEvent({ content: "x" }));
    expect(session.events).toHaveLength(1);
  }
  await new Promise((resolve) => setImmediate(resolve));
  process.off("unhandledRejection", keep);
  expect(stray).toEqual([]);
  await runtime.close();
});
