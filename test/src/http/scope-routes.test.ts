/** The routes of scopes, behind the three ways to call a handler. */
import { createServer } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { Hono } from "hono";
import { describe, expect, it, onTestFinished } from "vitest";
import { z } from "zod";
import { createRuntime, defineKind, memoryStore } from "../../../src/index.ts";
import { createHandler, type Handler } from "../../../src/http.ts";
import { directly, reply, type Send, served } from "../../support/http.ts";
import { gate, keepingLogger } from "../../support/waiting.ts";

const MERGE = "application/merge-patch+json";
const PATCH = "application/json-patch+json";

const kinds = {
  cart: defineKind({
    schema: z.object({ items: z.array(z.string()).default([]), note: z.string().optional() }),
  }),
  note: defineKind({ initial: { text: "", tags: [] as string[] }, history: 5 }),
  user: defineKind({ initial: { name: "", secret: "s3cr3t", at: new Date(0) } }),
  odd: defineKind({ initial: {} }),
  small: defineKind({ initial: {}, hardLimitBytes: 100 }),
};

function setUp(options: { mailboxLimit?: number } = {}) {
  const runtime = createRuntime({ store: memoryStore(), kinds, ...options });
  onTestFinished(() => runtime.close());
  const logger = keepingLogger();
  const handler = createHandler(runtime, {
    basePath: "/state/",
    logger,
    kinds: {
      cart: { write: true },
      note: { write: true },
      user: { write: true, fields: ["name", "at"] },
      odd: {},
      small: { write: true },
    },
  });
  return { runtime, handler, logger };
}

const ways: Readonly<Record<string, (handler: Handler) => Send | Promise<Send>>> = {
  "a call": directly,
  "node:http": served,
  Hono: (handler) => {
    const app = new Hono().all("/state/*", (context) => handler(context.req.raw));
    const listener = getRequestListener(app.fetch);
    return served(createServer((incoming, outgoing) => void listener(incoming, outgoing)));
  },
};

describe.each(Object.entries(ways))("a scope by %s", (_, way) => {
  it("is read with its version, written by patches, and deleted", async () => {
    const { handler, runtime } = setUp();
    const send = await way(handler);
    const first = await reply(send, "/state/scopes/cart/ann");
    expect([first.status, first.headers.get("etag"), first.body]).toEqual([
      200,
      '"0"',
      { items: [] },
    ]);
    expect((await runtime.list({ type: "cart" })).ids).toEqual([]);
    const merged = await reply(send, "/state/scopes/cart/ann", {
      type: MERGE,
      body: { items: ["tea"], note: "soon" },
    });
    expect([merged.status, merged.headers.get("etag"), merged.body]).toEqual([
      200,
      '"1"',
      { items: ["tea"], note: "soon" },
    ]);
    const patched = await reply(send, "/state/scopes/cart/ann", {
      type: PATCH,
      body: [
        { op: "test", path: "/items/0", value: "tea" },
        { op: "add", path: "/items/-", value: "milk" },
        { op: "remove", path: "/note" },
      ],
    });
    expect([patched.status, patched.headers.get("etag"), patched.body]).toEqual([
      200,
      '"2"',
      { items: ["tea", "milk"] },
    ]);
    const known = await send("/state/scopes/cart/ann", { headers: { "if-none-match": '"2"' } });
    expect([known.status, await known.text()]).toEqual([304, ""]);
    const head = await send("/state/scopes/cart/ann", { method: "HEAD" });
    expect([head.status, head.headers.get("etag"), await head.text()]).toEqual([200, '"2"', ""]);
    for (const method of ["DELETE", "DELETE"])
      expect((await send("/state/scopes/cart/ann", { method })).status).toBe(204);
    const gone = await reply(send, "/state/scopes/cart/ann");
    expect([gone.body, gone.headers.get("etag")]).toEqual([{ items: [] }, '"3"']);
  });

  it("has an id of any characters, and reaches no other", async () => {
    const { handler, runtime } = setUp();
    const send = await way(handler);
    const ids = [
      "a/b",
      "a b",
      "ünï",
      "__proto__",
      "%",
      "?q#f",
      "a..b",
      "..%2F",
      "💥",
      "x".repeat(500),
    ];
    for (const [at, id] of ids.entries()) {
      const path = `/state/scopes/cart/${encodeURIComponent(id)}`;
      const body = { note: String(at) };
      expect((await reply(send, path, { type: MERGE, body })).status, id).toBe(200);
    }
    expect(new Set((await runtime.list({ type: "cart" })).ids)).toEqual(new Set(ids));
    expect((await reply(send, "/state/scopes/cart/a%2Fb")).body).toMatchObject({ note: "0" });
    for (const path of ["..%2f..", "%E0%A4%A", "x".repeat(4097)])
      expect((await send(`/state/scopes/cart/${path}`)).status, path).toBeLessThan(500);
    expect((await send("/state/scopes/cart/%E0%A4%A")).status).toBe(400);
    expect((await send(`/state/scopes/cart/${"x".repeat(4097)}`)).status).toBe(400);
    for (const path of [
      "/",
      "/state",
      "/state/scopes",
      "/state/scopes/cart/",
      "/state/scopes/__proto__/a",
    ])
      expect((await send(path)).status, path).toBe(404);
    expect((await send("/state/scopes/session/a")).status).toBe(404);
  });
});

describe("conditions", () => {
  it("compare strongly in the mailbox, also for what changes nothing", async () => {
    const { handler } = setUp();
    const send = directly(handler);
    const put = async (match: string, note = "a", headers = {}) => {
      const given = { "if-match": match, ...headers };
      const answer = await reply(send, "/state/scopes/cart/c", {
        type: MERGE,
        body: { note },
        headers: given,
      });
      return [answer.status, answer.headers.get("etag") ?? Object(answer.body).code];
    };
    expect(await put("*")).toEqual([412, "PRECONDITION_FAILED"]);
    expect(await put('"0"')).toEqual([200, '"1"']);
    expect(await put('"0"')).toEqual([412, "PRECONDITION_FAILED"]);
    expect(await put('"1"')).toEqual([200, '"1"']);
    expect(await put('W/"1"')).toEqual([412, "PRECONDITION_FAILED"]);
    expect(await put('"7", "1"', "b")).toEqual([200, '"2"']);
    expect(await put("*", "c")).toEqual([200, '"3"']);
    expect(await put("nonsense")).toEqual([412, "PRECONDITION_FAILED"]);
    const results = await Promise.all(["p", "q", "r"].map((note) => put('"3"', note)));
    expect(results.filter(([status]) => status === 200)).toEqual([[200, '"4"']]);
    const create = { "if-none-match": "*" };
    const second = await reply(send, "/state/scopes/cart/d", {
      type: MERGE,
      body: {},
      headers: create,
    });
    expect(second.status).toBe(200);
    expect((await put("*", "x", create))[0]).toBe(412);
  });

  it("hold for DELETE, and `0` fits what was deleted", async () => {
    const { handler } = setUp();
    const send = directly(handler);
    const path = "/state/scopes/cart/e";
    const remove = async (match: string) =>
      (await send(path, { method: "DELETE", headers: { "if-match": match } })).status;
    await reply(send, path, { type: MERGE, body: { note: "x" } });
    expect(await remove('"2"')).toBe(412);
    expect(await remove('"1"')).toBe(204);
    const headers = { "if-match": '"0"' };
    const again = await reply(send, path, { type: MERGE, body: { note: "y" }, headers });
    expect([again.status, again.headers.get("etag")]).toEqual([200, '"3"']);
  });

  it("lose against a repeated Idempotency-Key, and use no key up when they refuse", async () => {
    const { handler } = setUp();
    const send = directly(handler);
    const add = async (match: string, key: string) => {
      const answer = await reply(send, "/state/scopes/note/k", {
        type: PATCH,
        body: [{ op: "add", path: "/tags/-", value: "t" }],
        headers: { "if-match": match, "idempotency-key": key },
      });
      return [answer.status, answer.headers.get("etag"), Object(answer.body).tags];
    };
    expect((await add('"5"', "one"))[0]).toBe(412);
    expect(await add('"0"', "one")).toEqual([200, '"1"', ["t"]]);
    expect(await add('"0"', "one")).toEqual([200, '"1"', ["t"]]);
    expect(await add('"1"', "two")).toEqual([200, '"2"', ["t", "t"]]);
    expect((await add('"2"', ""))[0]).toBe(400);
    expect((await add('"2"', "x".repeat(129)))[0]).toBe(400);
    expect((await add('"2"', "x".repeat(128)))[0]).toBe(200);
  });

  it("answer each of several calls with its own state and version", async () => {
    const { handler } = setUp();
    const send = directly(handler);
    const body = [{ op: "add", path: "/items/-", value: "x" }];
    const answers = await Promise.all(
      Array.from({ length: 5 }, () =>
        reply(send, "/state/scopes/cart/five", { type: PATCH, body }),
      ),
    );
    expect(answers.map(({ headers }) => headers.get("etag"))).toEqual(
      [1, 2, 3, 4, 5].map((version) => `"${version}"`),
    );
    expect(answers.map((answer) => Object(answer.body).items.length)).toEqual([1, 2, 3, 4, 5]);
  });
});

describe("bodies", () => {
  it("have a media type, a size, a depth and a form", async () => {
    const { handler } = setUp();
    const send = directly(handler);
    const put = async (body: unknown, type = MERGE, headers = {}) => {
      const answer = await reply(send, "/state/scopes/small/x", {
        type,
        body,
        headers,
      });
      return [answer.status, Object(answer.body).code];
    };
    expect(await put({}, "application/json")).toEqual([415, "UNSUPPORTED_MEDIA_TYPE"]);
    expect(await put({}, "text/plain")).toEqual([415, "UNSUPPORTED_MEDIA_TYPE"]);
    expect(await put({}, `${MERGE}; charset=latin1`)).toEqual([415, "UNSUPPORTED_MEDIA_TYPE"]);
    expect(await put({}, `${MERGE.toUpperCase()}; charset=UTF-8`)).toEqual([200, undefined]);
    expect(await put({}, MERGE, { "content-encoding": "gzip" })).toEqual([
      415,
      "UNSUPPORTED_MEDIA_TYPE",
    ]);
    const bytes = (count: number): string => `{"a":"${"x".repeat(count - 8)}"}`;
    expect(await put(bytes(2 ** 20 + 1))).toEqual([413, "BODY_TOO_LARGE"]);
    expect(await put(bytes(2 ** 20))).toEqual([413, "STATE_TOO_LARGE"]);
    expect(await put(`${"[".repeat(65)}${"]".repeat(65)}`)).toEqual([400, "BAD_REQUEST"]);
    expect(await put("{")).toEqual([400, "BAD_REQUEST"]);
    expect(await put("")).toEqual([400, "BAD_REQUEST"]);
    expect(await put({ a: "x".repeat(200) })).toEqual([413, "STATE_TOO_LARGE"]);
    expect(await put([1])).toEqual([422, "STATE_TYPE"]);
    expect(await put("null")).toEqual([422, "STATE_TYPE"]);
    expect(await put({ op: "add" }, PATCH)).toEqual([400, "BAD_REQUEST"]);
    expect(await put([{ op: "nope", path: "/a" }], PATCH)).toEqual([400, "BAD_REQUEST"]);
    expect(await put([{ op: "remove", path: "a" }], PATCH)).toEqual([400, "BAD_REQUEST"]);
    expect(await put([{ op: "remove", path: "/none" }], PATCH)).toEqual([422, "PATCH_FAILED"]);
    expect(await put([{ op: "test", path: "", value: { a: 1 } }], PATCH)).toEqual([
      422,
      "PATCH_FAILED",
    ]);
    expect(await put([{ op: "add", path: "/__proto__/x", value: 1 }], PATCH)).toEqual([
      422,
      "PATCH_FAILED",
    ]);
    const doubles = Array.from({ length: 40 }, () => ({ op: "copy", from: "", path: "/a" }));
    expect((await put(doubles, PATCH))[0]).toBe(413);
    const texts = [
      { op: "add", path: "/t", value: "x".repeat(2 ** 19) },
      ...Array.from({ length: 500 }, (_, at) => ({ op: "copy", from: "/t", path: `/c${at}` })),
    ];
    expect((await put(texts, PATCH))[0]).toBe(413);
    expect(await put('{"__proto__":{"polluted":1}}')).toEqual([200, undefined]);
    expect(Reflect.get({}, "polluted")).toBeUndefined();
  });

  it("fail a schema with the paths of its issues, and no value", async () => {
    const { handler } = setUp();
    const answer = await reply(directly(handler), "/state/scopes/cart/s", {
      type: MERGE,
      body: { items: ["ok", 41_514] },
    });
    expect(answer.status).toBe(422);
    expect(answer.headers.get("content-type")).toBe("application/problem+json");
    expect(answer.body).toMatchObject({
      status: 422,
      code: "STATE_INVALID",
      issues: [{ path: ["items", 1] }],
    });
    expect(JSON.stringify(answer.body)).not.toContain("41514");
  });
});

describe("methods", () => {
  it("that a route does not have are 405 with those it has", async () => {
    const { handler } = setUp();
    const send = directly(handler);
    const allow = async (path: string, method: string) => {
      const answer = await send(path, { method });
      return [answer.status, answer.headers.get("allow")];
    };
    expect(await allow("/state/scopes/cart/a", "PUT")).toEqual([405, "GET, HEAD, PATCH, DELETE"]);
    expect(await allow("/state/scopes/odd/a", "DELETE")).toEqual([405, "GET, HEAD"]);
    expect(await allow("/state/scopes/odd", "POST")).toEqual([405, "GET, HEAD"]);
    expect(await allow("/state/scopes/cart/a/rewind", "GET")).toEqual([405, "POST"]);
    expect(await allow("/state/scopes/cart/a", "OPTIONS")).toEqual([
      405,
      "GET, HEAD, PATCH, DELETE",
    ]);
  });
});

describe("lists", () => {
  it("have pages of ids", async () => {
    const { handler, runtime } = setUp();
    const send = directly(handler);
    for (const id of ["a1", "a2", "a3", "b1"])
      await (await runtime.open("cart", id)).pushState("items", "x");
    const first = await reply(send, "/state/scopes/cart?limit=2&prefix=a");
    expect(Object(first.body).ids).toEqual(["a1", "a2"]);
    const cursor = encodeURIComponent(Object(first.body).cursor);
    const second = await reply(send, `/state/scopes/cart?limit=2&prefix=a&cursor=${cursor}`);
    expect(second.body).toEqual({ ids: ["a3"] });
    for (const limit of ["0", "-1", "x", "1.5", "1001", ""])
      expect((await send(`/state/scopes/cart?limit=${limit}`)).status, limit).toBe(400);
  });
});

describe("history", () => {
  it("is listed as JSON Patches, read at a version and gone back in", async () => {
    const { handler, runtime } = setUp();
    const send = directly(handler);
    const note = await runtime.open("note", "n");
    await note.patchState({ text: "one" }, { meta: { by: "ann" } });
    await note.pushState("tags", "x");
    await note.setState({ text: "two", tags: [] });
    const listed = await reply(send, "/state/scopes/note/n/history?limit=2");
    expect(Object(listed.body).changes).toMatchObject([
      { version: 3, operation: "set" },
      { version: 2, operation: "push", patch: [{ op: "add", path: "/tags/0", value: "x" }] },
    ]);
    const older = await reply(send, "/state/scopes/note/n/history?before=2");
    expect(Object(older.body).changes).toMatchObject([{ version: 1, meta: { by: "ann" } }]);
    const past = await reply(send, "/state/scopes/note/n?at=1");
    expect([past.headers.get("etag"), past.body]).toEqual(['"1"', { text: "one", tags: [] }]);
    expect((await send("/state/scopes/note/n?at=9")).status).toBe(404);
    expect((await send("/state/scopes/note/n?at=x")).status).toBe(400);
    const path = "/state/scopes/note/n/rewind";
    const rewind = (body: unknown, headers = {}) =>
      reply(send, path, { method: "POST", body, headers });
    expect((await rewind({ version: 1 }, { "if-match": '"2"' })).status).toBe(412);
    const back = await rewind({ version: 1 }, { "if-match": '"3"' });
    expect([back.status, back.headers.get("etag"), back.body]).toEqual([
      200,
      '"4"',
      { text: "one", tags: [] },
    ]);
    for (const body of [
      {},
      { version: "1" },
      { version: -1 },
      { version: 99 },
      { version: 1, x: 1 },
      [1],
    ])
      expect((await rewind(body)).status).toBe(422);
    expect(
      (await reply(send, path, { method: "POST", body: "1", type: "text/plain" })).status,
    ).toBe(415);
  });

  it("that is no longer kept is 410 with the oldest version", async () => {
    const { handler, runtime } = setUp();
    const note = await runtime.open("note", "long");
    for (let n = 0; n < 9; n += 1) await note.pushState("tags", String(n));
    const answer = await reply(directly(handler), "/state/scopes/note/long?at=1");
    expect(answer.status).toBe(410);
    expect(answer.body).toMatchObject({ code: "HISTORY_GONE", oldest: 5 });
  });
});

describe("fields", () => {
  const path = "/state/scopes/user/u";

  it("that are not named do not leave", async () => {
    const { handler, runtime } = setUp();
    const send = directly(handler);
    const user = await runtime.open("user", "u");
    await user.patchState({ name: "Ann", secret: "hidden" }, { meta: { secret: "hidden" } });
    const texts = [
      await (await send(path)).text(),
      await (await send(`${path}/history`)).text(),
      await (await send(path, { type: MERGE, body: { name: "Bob" } })).text(),
    ];
    expect(texts.join()).toContain("Bob");
    expect(texts.join()).not.toMatch(/hidden|s3cr3t|secret/);
  });

  it("that are not named are not written or tested, whatever they hold", async () => {
    const { handler } = setUp();
    const send = directly(handler);
    const refused = async (body: unknown, type: string) => {
      const { status, body: problem } = await reply(send, path, { body, type });
      expect(status).toBe(403);
      return JSON.stringify(problem);
    };
    const answers = new Set<string>();
    for (const value of ["s3cr3t", "other"]) {
      answers.add(await refused([{ op: "test", path: "/secret", value }], PATCH));
      answers.add(await refused([{ op: "test", path: "", value: { secret: value } }], PATCH));
      answers.add(await refused([{ op: "copy", from: "/secret", path: "/name" }], PATCH));
      answers.add(await refused([{ op: "move", from: "/absent", path: "/name" }], PATCH));
      answers.add(await refused([{ op: "copy", from: "", path: "/name" }], PATCH));
      answers.add(await refused([{ op: "replace", path: "", value: {} }], PATCH));
      answers.add(await refused({ secret: value }, MERGE));
      answers.add(await refused([], MERGE));
    }
    expect(answers.size).toBe(1);
    const rewind = { method: "POST", body: { version: 0 } };
    expect((await reply(send, `${path}/rewind`, rewind)).status).toBe(403);
  });
});

describe("failures", () => {
  it("have a status each, and say nothing of what failed", async () => {
    const { handler, runtime, logger } = setUp({ mailboxLimit: 1 });
    const send = directly(handler);
    const cart = await runtime.open("cart", "full");
    const open = gate();
    const busy = cart.atomicState(async () => {
      await open.promise;
    });
    const waits = cart.pushState("items", "x");
    const full = await reply(send, "/state/scopes/cart/full", { type: MERGE, body: {} });
    expect([full.status, full.headers.get("retry-after")]).toEqual([429, "1"]);
    open.open();
    await Promise.all([busy, waits]);
    await runtime.close();
    const closed = await reply(send, "/state/scopes/cart/full");
    expect([closed.status, Object(closed.body).code]).toEqual([503, "RUNTIME_CLOSED"]);
    expect(closed.headers.get("retry-after")).toBe("1");
    expect(logger.messages).toEqual(["a request failed"]);
  });

  it("never come of values that JSON does not have", async () => {
    const { handler, runtime } = setUp();
    const odd = await runtime.open("odd", "o");
    await odd.setState({
      date: new Date(0),
      bad: new Date(NaN),
      big: 12n,
      map: new Map([["k", new Set([1])]]),
      bytes: new Uint8Array([1, 2]),
      nan: NaN,
      none: undefined,
    });
    expect((await reply(directly(handler), "/state/scopes/odd/o")).body).toEqual({
      date: "1970-01-01T00:00:00.000Z",
      bad: null,
      big: "12",
      map: [["k", [1]]],
      bytes: "AQI=",
      nan: null,
    });
  });
});
