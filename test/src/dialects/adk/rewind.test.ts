/** Sessions that are taken back to before an invocation, alone and under the agent kit's runner. */
import { join } from "node:path";
import type * as AgentKit from "@google/adk";
import type { BaseArtifactService, BaseSessionService, LlmRequest } from "@google/adk";
import { describe, expect, it } from "vitest";
import {
  createEvent,
  InMemorySessionService,
  SessionService,
  type Session,
} from "../../../../src/adk.ts";
import { createRuntime } from "../../../../src/runtime/runtime.ts";
import { sqliteStore } from "../../../../src/stores/sqlite/store.ts";
import { testDirectory } from "../../../support/directory.ts";
import { rejection } from "../../../support/waiting.ts";

type Kit = typeof AgentKit;

const kit: Kit | undefined = await import("@google/adk").catch(() => undefined);
if (kit === undefined) console.log("skipped: @google/adk is not installed");

const key = { appName: "app", userId: "u", sessionId: "s" };

/** Appends an event of an invocation that writes these values. */
async function write(
  service: SessionService,
  invocationId: string,
  stateDelta: Record<string, unknown>,
  session?: Session,
): Promise<void> {
  const event = createEvent({ invocationId, author: "agent", actions: { stateDelta } });
  await service.appendEvent(session ?? (await stored(service)), event);
}

async function stored(service: SessionService, config = {}): Promise<Session> {
  return (await service.getSession({ ...key, config })) ?? expect.fail("no session");
}

function back(service: SessionService, rewindBeforeInvocationId: string) {
  return service.rewindSession({ ...key, rewindBeforeInvocationId });
}

function invocations({ events }: Session): string[] {
  return events.map(({ invocationId }) => invocationId);
}

it("restores what later invocations have changed, and nothing else", async () => {
  await using service = new InMemorySessionService();
  const initial = { tenant: "t1", plan: "free", "user:lang": "en" };
  await service.createSession({ ...key, state: initial });
  await write(service, "i1", { step: 1, note: { a: 1 }, gone: 1 });
  await write(service, "i2", { step: 2, plan: "paid", "user:lang": "fr", "app:n": 1 });
  await write(service, "i2", { extra: true, gone: undefined, note: { a: 2 } });
  await write(service, "i3", { step: 3 });
  const event = await back(service, "i2");
  expect(event).toMatchObject({ author: "user", actions: { rewindBeforeInvocationId: "i2" } });
  expect(event.actions.stateDelta).toEqual({
    step: 1,
    plan: "free",
    note: { a: 1 },
    gone: 1,
    extra: undefined,
  });
  const session = await stored(service);
  const shared = { "user:lang": "fr", "app:n": 1 };
  const own = { tenant: "t1", plan: "free", step: 1, note: { a: 1 }, gone: 1 };
  expect(session.state.getAll()).toEqual({ ...own, ...shared });
  expect(invocations(session)).toEqual(["i1"]);
  const all = await stored(service, { rewound: true });
  expect(invocations(all)).toEqual(["i1", "i2", "i2", "i3", event.invocationId]);
  // What goes on from there counts, and can be taken back as well, with all before it.
  await write(service, "i4", { step: 4 });
  expect(invocations(await stored(service))).toEqual(["i1", "i4"]);
  await back(service, "i4");
  expect((await stored(service)).state.get("step")).toBe(1);
  await back(service, "i1");
  const first = await stored(service);
  expect(first.state.getAll()).toEqual({ tenant: "t1", plan: "free", ...shared });
  expect(first.events).toEqual([]);
  expect((await stored(service, { rewound: true })).events).toHaveLength(8);
});

it("refuses what is not there, and changes nothing", async () => {
  await using service = new InMemorySessionService();
  await service.createSession(key);
  await write(service, "i1", { n: 1 });
  await write(service, "i2", { n: 2 });
  await back(service, "i2");
  for (const id of ["none", "i2"])
    expect(await rejection(back(service, id))).toMatchObject({
      name: "SessionError",
      code: "INVOCATION_NOT_FOUND",
      sessionId: "s",
    });
  const request = { ...key, rewindBeforeInvocationId: "i1" };
  expect(await rejection(service.rewindSession({ ...request, sessionId: "x" }))).toMatchObject({
    code: "SESSION_NOT_FOUND",
  });
  // What a program without types can pass.
  for (const wrong of [
    { rewindBeforeInvocationId: "" },
    { rewindBeforeInvocationId: 5 },
    { sessionId: "" },
    { userId: undefined },
    { artifactService: {} },
  ])
    expect(await rejection(service.rewindSession({ ...request, ...wrong } as never))).toMatchObject(
      {
        code: "STATE_TYPE",
      },
    );
  const unknown = { ...request, rewindBefore: "i1" } as never;
  await expect(service.rewindSession(unknown)).rejects.toThrow("rewindBefore");
  await expect(stored(service, { rewound: 1 })).rejects.toThrow("config.rewound");
  expect((await stored(service)).state.get("n")).toBe(1);
});

it("counts the latest events without those taken back, over pages, for all readers", async () => {
  const path = join(testDirectory("adk-rewind"), "sessions.db");
  const [mine, other] = [0, 1].map(() => {
    const runtime = createRuntime({ store: sqliteStore({ path, synchronous: "normal" }) });
    return { runtime, service: new SessionService({ runtime, profile: "database" }) };
  });
  if (mine === undefined || other === undefined) throw new Error("two services");
  const kept = await mine.service.createSession(key);
  for (let n = 0; n < 200; n += 1) await write(mine.service, `i${n}`, { n }, kept);
  await back(other.service, "i150");
  await back(other.service, "i100");
  await write(other.service, "a", { n: "a" });
  await write(other.service, "b", { n: "b" });
  await back(other.service, "b");
  // The object of the first service loses the events that were taken back with its next append.
  await write(mine.service, "c", { m: 1 }, kept);
  const expected = [...Array.from({ length: 100 }, (_, n) => `i${n}`), "a", "c"];
  expect(invocations(kept)).toEqual(expected);
  expect(kept.state.getAll()).toEqual({ n: "a", m: 1 });
  for (const count of [0, 1, 2, 3, 5, 102, 500]) {
    const latest = await stored(mine.service, { numRecentEvents: count });
    expect(invocations(latest)).toEqual(count === 0 ? [] : expected.slice(-count));
  }
  const all = await stored(other.service, { rewound: true, numRecentEvents: 3 });
  expect(invocations(all).filter((id) => !id.startsWith("e-"))).toEqual(["b", "c"]);
  await mine.runtime.close();
  await other.runtime.close();
});

it("is made on the events that are there, while others are appended", async () => {
  await using service = new InMemorySessionService();
  const session = await service.createSession(key);
  await write(service, "i0", { n: 0 }, session);
  await write(service, "i1", { n: 1 }, session);
  const writes = Array.from({ length: 30 }, (_, at) =>
    write(service, `w${at}`, { n: at + 2 }, session),
  );
  const [event] = await Promise.all([back(service, "i1"), ...writes]);
  const all = await stored(service, { rewound: true });
  expect(all.events).toHaveLength(33);
  const at = invocations(all).indexOf(event.invocationId);
  const after = invocations(all).slice(at + 1);
  const now = await stored(service);
  expect(invocations(now)).toEqual(["i0", ...after]);
  expect(now.state.get("n")).toBe(after.length === 0 ? 0 : 31);
});

describe.skipIf(kit === undefined)("under the runner of the agent kit", () => {
  it("the model no longer sees what was taken back, and artifacts are as before", async () => {
    const adk = kit as Kit; // The suite is skipped without it.
    const seen: string[][] = [];
    class Echo extends adk.BaseLlm {
      override async *generateContentAsync(request: LlmRequest): AsyncGenerator<object, void> {
        const texts = request.contents.flatMap(({ parts = [] }) =>
          parts.map(({ text }) => text ?? ""),
        );
        seen.push(texts);
        yield { content: { role: "model", parts: [{ text: `answer to ${texts.at(-1)}` }] } };
      }
      override connect(): never {
        throw new Error("not live");
      }
    }
    await using service = new InMemorySessionService();
    await service.createSession({ ...key, state: { tenant: "t1" } });
    const artifactService: BaseArtifactService = new adk.InMemoryArtifactService();
    const agent = new adk.LlmAgent({
      name: "helper",
      model: new Echo({ model: "echo" }),
      outputKey: "answer",
      afterModelCallback: async ({ context }) => {
        await context.saveArtifact("page.txt", { text: `page ${seen.length}` });
        if (seen.length === 2) await context.saveArtifact("new.txt", { text: "new" });
        return undefined;
      },
    });
    // Their class has a private method, so no other class fits its type.
    const sessionService = service as unknown as BaseSessionService;
    const runner = new adk.Runner({ appName: "app", agent, sessionService, artifactService });
    const run = async (text: string): Promise<string> => {
      let invocationId = "";
      const newMessage = { role: "user", parts: [{ text }] };
      for await (const event of runner.runAsync({ userId: "u", sessionId: "s", newMessage }))
        ({ invocationId } = event);
      return invocationId;
    };
    await run("one");
    const second = await run("two");
    expect(seen.at(-1)).toEqual(["one", "answer to one", "two"]);
    const event = await service.rewindSession({
      ...key,
      rewindBeforeInvocationId: second,
      artifactService,
    });
    expect(event.actions.artifactDelta).toEqual({ "page.txt": 2, "new.txt": 1 });
    expect(await artifactService.loadArtifact({ ...key, filename: "page.txt" })).toEqual({
      text: "page 1",
    });
    expect(await artifactService.loadArtifact({ ...key, filename: "new.txt" })).toMatchObject({
      inlineData: { data: "" },
    });
    const { state } = await stored(service);
    expect(state.getAll()).toEqual({ tenant: "t1", answer: "answer to one" });
    await run("three");
    expect(seen.at(-1)).toEqual(["one", "answer to one", "three"]);
  });
});
