/** The routes of runs. */
import { describe, expect, it, onTestFinished } from "vitest";
import { z } from "zod";
import { type Clock, createRuntime, defineSequencer } from "../../../src/index.ts";
import { type Access, createHandler } from "../../../src/http.ts";
import { simulatedClock } from "../../../src/testing/clock.ts";
import { directly, eventsOf, reply, type Reply } from "../../support/http.ts";
import { keepingLogger, settled, until } from "../../support/waiting.ts";

const order = defineSequencer({ name: "order", input: z.object({ total: z.number() }) })
  .step("approve", async (context) => context.suspend({ reason: "large", schema: z.boolean() }))
  .step("charge", ({ previous, input }) => {
    if (!previous) throw new Error("not approved");
    return { charged: input.total };
  });
const hidden = defineSequencer({ name: "hidden" }).step("only", () => 1);

function setUp(clock?: Clock) {
  const runtime = createRuntime({ logger: keepingLogger(), ...(clock && { clock }) });
  onTestFinished(() => runtime.close());
  const asked: Access[] = [];
  const handler = createHandler(runtime, {
    sequencers: [order],
    logger: keepingLogger(),
    authorize: (_, access) => {
      asked.push(access);
      return true;
    },
  });
  const send = directly(handler);
  const post = (path: string, body?: unknown): Promise<Reply> =>
    reply(send, path, { method: "POST", body });
  const get = (path: string): Promise<Reply> => reply(send, path);
  /** The run once it has a status. */
  const run = async (id: string, status: string) => {
    let body: Record<string, unknown> = {};
    let isAsked = false;
    const ask = async (): Promise<void> => {
      body = Object((await get(`/runs/${id}`)).body);
      isAsked = false;
    };
    await until(() => {
      if (body["status"] === status) return true;
      if (!isAsked) void ask();
      isAsked = true;
      return false;
    });
    return body;
  };
  return { runtime, asked, post, get, run, send };
}

describe("a run", () => {
  it("is started, read, resumed by its suspension, and has its output", async () => {
    const { post, get, run } = setUp();
    const started = await post("/runs/order", { runId: "o/1", input: { total: 5 } });
    expect([started.status, started.body]).toEqual([202, { runId: "o/1" }]);
    expect(started.headers.get("location")).toBe("/runs/o%2F1");
    const waiting = await run("o%2F1", "suspended");
    expect(waiting).toMatchObject({ sequencer: "order", step: "approve" });
    const { id } = Object(waiting["suspension"]);
    const resume = (body: unknown): Promise<Reply> => post("/runs/o%2F1/resume", body);
    expect((await resume({})).status).toBe(422);
    expect((await resume({ suspension: id, extra: 1 })).status).toBe(422);
    expect((await resume({ suspension: "other" })).body).toMatchObject({
      status: 409,
      code: "SUSPENSION_MISMATCH",
    });
    expect((await resume({ suspension: id, data: "no boolean" })).body).toMatchObject({
      status: 422,
      code: "STATE_INVALID",
    });
    const done = await resume({ suspension: id, data: true });
    expect([done.status, done.body]).toMatchObject([
      200,
      { status: "completed", output: { charged: 5 } },
    ]);
    expect((await resume({ suspension: id, data: true })).body).toMatchObject({
      status: "completed",
    });
    expect((await get("/runs?status=completed")).body).toMatchObject({ runs: [{ runId: "o/1" }] });
    expect((await get("/runs?status=failed")).body).toEqual({ runs: [] });
    expect((await get("/runs?status=nope")).status).toBe(400);
  });

  it("has its events, until it ends", async () => {
    const { post, run, send } = setUp();
    await post("/runs/order", { runId: "e", input: { total: 2 } });
    const { suspension } = await run("e", "suspended");
    const events = eventsOf(await send("/runs/e/events"));
    const { id } = Object(suspension);
    await post("/runs/e/resume", { suspension: id, data: true });
    const types: unknown[] = [];
    for (let event = await events.next(); event !== undefined; event = await events.next()) {
      expect(event.data["type"]).toBe(event.event);
      types.push(event.event);
    }
    expect(types).toContain("suspended");
    expect(types.at(-1)).toBe("completed");
    const left = eventsOf(await send("/runs/e/events"));
    expect((await left.take(9)).map(({ event }) => event)).toEqual(["completed"]);
    expect((await send("/runs/none/events")).status).toBe(404);
  });

  it("that waits sends comments, and none after its reader has left", async () => {
    const clock = simulatedClock();
    const { post, run, send } = setUp(clock);
    await post("/runs/order", { runId: "w", input: { total: 1 } });
    await run("w", "suspended");
    const events = eventsOf(await send("/runs/w/events"));
    while ((await events.next())?.event !== "suspended");
    const waiting = events.next();
    await settled();
    for (const count of [1, 2, 3]) {
      await clock.advance(14_999);
      await settled();
      expect(events.comments).toHaveLength(count);
      await clock.advance(1);
      await settled();
      expect(events.comments).toHaveLength(count + 1); // The first one begins the stream.
    }
    await events.cancel();
    await waiting;
    await clock.advance(60_000);
    expect(events.comments).toHaveLength(4);
  });

  it("that fails after its resume says so, and a cancelled one is not resumed", async () => {
    const { post, run } = setUp();
    const suspensionOf = async (id: string): Promise<string> => {
      await post("/runs/order", { runId: id, input: { total: 1 } });
      return Object((await run(id, "suspended"))["suspension"]).id;
    };
    const suspension = await suspensionOf("f");
    const failed = await post("/runs/f/resume", { suspension, data: false });
    expect([failed.status, failed.body]).toMatchObject([
      200,
      { status: "failed", error: { step: "charge", message: "not approved" } },
    ]);
    const other = await suspensionOf("c");
    expect((await post("/runs/c/cancel")).body).toMatchObject({ status: "cancelled" });
    expect((await post("/runs/c/cancel", {})).body).toMatchObject({ status: "cancelled" });
    expect((await post("/runs/c/resume", { suspension: other, data: true })).status).toBe(409);
  });

  it("is refused with a bad body, and not found when it is not exposed", async () => {
    const { post, get, runtime } = setUp();
    expect((await post("/runs/order", { input: { total: "x" } })).body).toMatchObject({
      status: 422,
      issues: [{ path: ["total"] }],
    });
    for (const body of [
      { runId: "" },
      { runId: 1 },
      { unknown: 1 },
      [1],
      { runId: "x".repeat(4097) },
    ])
      expect((await post("/runs/order", body)).status).toBe(422);
    await runtime.run(hidden, { runId: "h" }).result;
    for (const path of ["/runs/hidden", "/runs/h/resume", "/runs/h/cancel", "/runs/none/cancel"])
      expect((await post(path, path.endsWith("resume") ? { suspension: "s" } : {})).status).toBe(
        404,
      );
    expect((await get("/runs/h")).status).toBe(404);
    expect((await get("/runs")).body).toEqual({ runs: [] });
    const taken = await post("/runs/order", { runId: "h", input: { total: 1 } });
    expect([taken.status, Object(taken.body).code]).toEqual([409, "CONFLICT"]);
  });

  it("has its access asked for before it is read", async () => {
    const { post, get, asked } = setUp();
    await post("/runs/order", { runId: "a", input: { total: 1 } });
    await post("/runs/order", { input: { total: 1 } });
    await get("/runs/a");
    await get("/runs");
    await post("/runs/a/cancel");
    const type = "sequencer";
    expect(asked).toEqual([
      { action: "run", type, id: "a", sequencer: "order" },
      { action: "run", type, sequencer: "order" },
      { action: "read", type, id: "a" },
      { action: "list", type },
      { action: "run", type, id: "a" },
    ]);
  });
});
