/** The endpoints of the inspector: who may call them, what they refuse, and what they say. */
import { describe, expect, it, onTestFinished } from "vitest";
import { type Access, inspector, type InspectorOptions } from "../../../../src/http.ts";
import { createRuntime, defineKind, defineSequencer, type Runtime } from "../../../../src/index.ts";
import { directly, eventsOf, reply, type Send } from "../../../support/http.ts";
import { gate, keepingLogger } from "../../../support/waiting.ts";

const kinds = { cart: defineKind({ initial: { n: 0 }, history: 10 }) };

function made(): Runtime<typeof kinds> {
  const runtime = createRuntime({ kinds, logger: keepingLogger() });
  onTestFinished(() => runtime.close());
  return runtime;
}

function sending(options: InspectorOptions = {}, runtime: Runtime = made()): Send {
  return directly(inspector(runtime, { logger: keepingLogger(), ...options }));
}

const SCOPE = "/api/scope?type=cart&id=a";
const READS = ["/", "/page.js", "/page.css", "/api/about", "/api/live", "/api/scopes", SCOPE];
const MORE = ["/api/history?type=cart&id=a", "/api/mailboxes", "/api/runs", "/api/run?id=r"];
const WRITES = ["/api/rewind", "/api/resume", "/api/cancel"];

describe("who may call", () => {
  it.each([...READS, ...MORE, ...WRITES])("%s is refused to strangers", async (path) => {
    const method = WRITES.includes(path) ? "POST" : "GET";
    const handler = inspector(made(), { write: true, logger: keepingLogger() });
    const status = async (url: string, headers = {}): Promise<number> => {
      const response = await handler(new Request(`${url}${path}`, { method, headers }));
      await response.body?.cancel();
      return response.status;
    };
    expect(await status("http://bot.example")).toBe(403);
    expect(await status("http://localhost", { host: "rebound.example" })).toBe(403);
    expect(await status("http://localhost", { origin: "https://other.example" })).toBe(403);
    expect(await status("http://localhost", { origin: "http://localhost:81" })).toBe(403);
    expect(await status("http://localhost", { origin: "http://localhost" })).not.toBe(403);
  });

  it.each([...READS, ...MORE, ...WRITES])("%s asks authorize, which fails closed", async (path) => {
    const asked: Access[] = [];
    const method = WRITES.includes(path) ? "POST" : "GET";
    const status = async (authorize: InspectorOptions["authorize"]): Promise<number> => {
      const send = directly(
        inspector(made(), { authorize, write: true, logger: keepingLogger() }),
        "https://bot.example",
      );
      const response = await send(path, { method });
      await response.body?.cancel();
      return response.status;
    };
    const note = (_: Request, access: Access): boolean => asked.push(access) > 0;
    expect(await status(note)).not.toBe(403);
    expect(asked).toEqual([{ action: "inspect" }]);
    expect(await status(() => false)).toBe(403);
    expect(await status(() => ({ status: 401 }))).toBe(401);
    expect(await status(() => Promise.reject(new Error("down")))).toBe(403);
    expect(await status((() => "yes") as never)).toBe(403);
  });

  it.each(WRITES)("%s changes nothing without write", async (path) => {
    const runtime = made();
    const cart = await runtime.open("cart", "a");
    await cart.patchState({ n: 1 });
    await cart.patchState({ n: 2 });
    const body = path.endsWith("rewind") ? { type: "cart", id: "a", version: 1 } : { runId: "r" };
    const sent = await reply(sending({}, runtime), path, { method: "POST", body });
    expect(sent).toMatchObject({ status: 403, body: { code: "FORBIDDEN" } });
    expect(cart.version).toBe(2);
  });

  it("sends the page with a policy that lets in nothing else, and no frame", async () => {
    const { headers } = await sending()("/");
    const policy = headers.get("content-security-policy") ?? "";
    for (const part of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"])
      expect(policy.split("; ")).toContain(part);
    expect(policy).not.toContain("unsafe");
    expect(headers.get("referrer-policy")).toBe("no-referrer");
  });
});

describe("options", () => {
  it.each([
    [{ wirte: true }, /has no option "wirte"/],
    [{ write: 1 }, /write must be true or false/],
    [{ authorize: "ann" }, /authorize must be a function/],
    [{ basePath: "state" }, /basePath/],
  ])("%j are refused", (options, message) => {
    expect(() => inspector(made(), options as never)).toThrow(message);
  });

  it("need a runtime", () => {
    expect(() => inspector({} as never)).toThrow(/inspector takes a runtime/);
  });

  it("let it be mounted below a path, to which an address without the slash leads", async () => {
    const send = sending({ basePath: "/tools/inspector/" });
    const { status, headers } = await send("/tools/inspector");
    expect([status, headers.get("location")]).toEqual([308, "inspector/"]);
    expect((await send("/tools/inspector/")).status).toBe(200);
    expect((await send("/")).status).toBe(404);
  });
});

describe("the endpoints", () => {
  it("list scopes page by page, also those of kinds that are not declared", async () => {
    const runtime = made();
    for (const id of ["a1", "a2", "b1"])
      await (await runtime.open("cart", id)).patchState({ n: 1 });
    const send = sending({}, runtime);
    const first = await reply(send, "/api/scopes?limit=2");
    expect(first.body).toMatchObject({
      scopes: [
        { type: "cart", id: "a1", version: 1 },
        { type: "cart", id: "a2", version: 1 },
      ],
    });
    const { cursor } = Object(first.body);
    const next = await reply(send, `/api/scopes?limit=2&cursor=${encodeURIComponent(cursor)}`);
    expect(next.body).toEqual({ scopes: [{ type: "cart", id: "b1", version: 1 }] });
    const found = await reply(send, "/api/scopes?filter=B&type=cart&limit=1");
    expect(found.body).toEqual({ scopes: [{ type: "cart", id: "b1", version: 1 }] });
    expect((await reply(send, "/api/scopes?type=none")).body).toEqual({ scopes: [] });
  });

  it("show changes with the values before and after", async () => {
    const runtime = made();
    const cart = await runtime.open("cart", "a");
    await cart.patchState({ n: 1 }, { meta: { by: "ann" } });
    await cart.patchState({ n: 2 });
    const { body } = await reply(sending({}, runtime), "/api/history?type=cart&id=a&limit=1");
    expect(body).toMatchObject({
      changes: [{ version: 2, differences: [{ path: ["n"], before: "1", after: "2" }] }],
      more: true,
    });
    const past = await reply(sending({}, runtime), `${SCOPE}&at=1`);
    expect(past.body).toMatchObject({ version: 2, shown: { version: 1 }, state: { n: 1 } });
    expect((await reply(sending({}, runtime), `${SCOPE}&at=3`)).status).toBe(404);
  });

  it("show a scope while a call keeps it busy", async () => {
    const runtime = made();
    const cart = await runtime.open("cart", "a");
    await cart.patchState({ n: 1 });
    const open = gate();
    const slow = cart.atomicState(async () => {
      await open.promise;
      return { n: 2 };
    });
    const send = sending({}, runtime);
    expect((await reply(send, SCOPE)).body).toMatchObject({ state: { n: 1 }, busy: "running" });
    const { body } = await reply(send, "/api/history?type=cart&id=a");
    expect(body).toMatchObject({ changes: [{ version: 1 }], more: false });
    open.open();
    await slow;
  });

  it.each([
    ["/api/scope?type=cart", 400],
    ["/api/scope?type=none&id=a", 404],
    ["/api/scope?type=sequencer&id=a", 404],
    [`/api/scope?type=cart&id=${"x".repeat(5_000)}`, 400],
    ["/api/run?id=none", 404],
    ["/api/scopes?limit=x", 400],
    ["/api/none", 404],
  ])("answer %s with %i", async (path, status) => {
    expect((await reply(sending(), path)).status).toBe(status);
  });

  it("rewind, resume, retry and cancel with write", async () => {
    const runtime = made();
    const cart = await runtime.open("cart", "a");
    await cart.patchState({ n: 1 });
    await cart.patchState({ n: 2 });
    const send = sending({ write: true }, runtime);
    const post = (path: string, body: object) => reply(send, path, { method: "POST", body });
    expect((await post("/api/rewind", { type: "cart", id: "a", version: 1 })).status).toBe(200);
    expect(cart.state).toEqual({ n: 1 });
    expect((await post("/api/rewind", { type: "cart", id: "a", version: 9 })).status).toBe(422);
    let isDown = true;
    const ask = defineSequencer({ name: "ask" }).step("ask", async (ctx) => {
      if (isDown) throw new Error("down");
      return ctx.suspend("go?");
    });
    await runtime.run(ask, { runId: "r" }).result.catch(() => undefined);
    const view = async (): Promise<Record<string, unknown>> =>
      Object((await reply(send, "/api/run?id=r")).body);
    expect(await view()).toMatchObject({ status: "failed", error: { message: "down" } });
    isDown = false;
    expect((await post("/api/resume", { runId: "r" })).status).toBe(200);
    const { suspension } = await view();
    expect((await post("/api/resume", { runId: "r" })).status).toBe(422);
    const wrong = await post("/api/resume", { runId: "r", suspension: "other", data: 1 });
    expect(wrong).toMatchObject({ status: 409, body: { code: "SUSPENSION_MISMATCH" } });
    const { id } = Object(suspension);
    expect((await post("/api/resume", { runId: "r", suspension: id, data: 1 })).status).toBe(200);
    expect(await view()).toMatchObject({ status: "completed", outputs: [1] });
    expect((await post("/api/cancel", { runId: "r" })).body).toEqual({ cancelled: false });
  });

  it("send a tick each second while a page reads, and count the scopes", async () => {
    const runtime = made();
    await (await runtime.open("cart", "a")).patchState({ n: 1 });
    const { next, cancel } = eventsOf(await sending({}, runtime)("/api/live"));
    let tick = await next();
    while (Object(tick?.data["counts"]).complete !== true) tick = await next();
    expect(tick?.data).toMatchObject({
      stats: { mutations: 1, commits: 1 },
      counts: { kinds: [{ type: "cart", count: 1 }] },
    });
    await cancel();
  });
});
