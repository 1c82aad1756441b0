/** Who may call a handler: this machine, or whom `authorize` lets pass. */
import { connect } from "node:net";
import { createServer } from "node:http";
import { once } from "node:events";
import { describe, expect, it, onTestFinished } from "vitest";
import { createRuntime, defineKind, type Runtime } from "../../../src/index.ts";
import { type Access, createHandler, toNodeListener, type Verdict } from "../../../src/http.ts";
import { directly, reply, type Send, served } from "../../support/http.ts";
import { keepingLogger } from "../../support/waiting.ts";

const kinds = {
  cart: defineKind({ initial: { n: 0 }, history: 3 }),
  secret: defineKind({ initial: { n: 0 } }),
};
const exposed = { cart: { write: true } };
const PATH = "/scopes/cart/a";

function made(): Runtime {
  const runtime = createRuntime({ kinds });
  onTestFinished(() => runtime.close());
  return runtime;
}

/** The answer to the lines of a request over a socket. */
async function raw(port: number, lines: readonly string[]): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  let text = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  socket.end(`${lines.join("\r\n")}\r\n\r\n`);
  await once(socket, "close");
  return text.split("\r\n")[0] ?? "";
}

describe("without authorize", () => {
  const status = async (url: string, headers: Record<string, string> = {}): Promise<number> =>
    (await createHandler(made(), { kinds: exposed })(new Request(url, { headers }))).status;

  it.each([
    ["http://localhost/scopes/cart/a", {}, 200],
    ["http://localhost:3000/scopes/cart/a", { host: "localhost:3000" }, 200],
    ["http://127.0.0.1/scopes/cart/a", { host: "127.1.2.3" }, 200],
    ["http://[::1]:80/scopes/cart/a", { host: "[::1]" }, 200],
    ["http://localhost/scopes/cart/a", { origin: "http://localhost" }, 200],
    [
      "http://localhost:3000/scopes/cart/a",
      { host: "localhost:3000", origin: "http://localhost:3000" },
      200,
    ],
    ["https://localhost/scopes/cart/a", { origin: "https://localhost:443" }, 200],
    ["http://example.com/scopes/cart/a", {}, 403],
    ["http://example.com/scopes/cart/a", { host: "localhost" }, 403],
    ["http://localhost/scopes/cart/a", { host: "rebound.example" }, 403],
    ["http://localhost/scopes/cart/a", { host: "localhost.example" }, 403],
    ["http://localhost/scopes/cart/a", { host: "127.0.0.1.example" }, 403],
    ["http://192.168.0.1/scopes/cart/a", {}, 403],
    ["http://0.0.0.0/scopes/cart/a", {}, 403],
    ["http://localhost/scopes/cart/a", { host: "a@localhost" }, 400],
    ["http://localhost/scopes/cart/a", { host: "localhost/x" }, 400],
    [
      "http://localhost:3000/scopes/cart/a",
      { host: "localhost:3000", origin: "http://localhost:3001" },
      403,
    ],
    [
      "http://localhost:3000/scopes/cart/a",
      { host: "localhost:3000", origin: "http://127.0.0.1:3000" },
      403,
    ],
    ["http://localhost/scopes/cart/a", { origin: "https://localhost" }, 403],
    ["http://localhost/scopes/cart/a", { origin: "http://evil.example" }, 403],
    ["http://localhost/scopes/cart/a", { origin: "null" }, 403],
    ["http://localhost/scopes/cart/a", { origin: "" }, 403],
    ["http://localhost/nothing/here", { origin: "http://evil.example" }, 403],
  ] as const)("%s with %j is %i", async (url, headers, expected) => {
    expect(await status(url, headers)).toBe(expected);
  });

  it("is the same over a socket, whatever form the request has", async () => {
    const server = createServer(toNodeListener(createHandler(made(), { kinds: exposed })));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => void server.close());
    const address = server.address();
    const port = typeof address === "object" ? (address?.port ?? 0) : 0;
    const own = `Host: 127.0.0.1:${port}`;
    const cases: readonly (readonly [readonly string[], string])[] = [
      [[`GET ${PATH} HTTP/1.1`, own, "Connection: close"], "200 OK"],
      [[`GET ${PATH} HTTP/1.1`, "Host: rebound.example", "Connection: close"], "403 Forbidden"],
      [[`GET http://evil.example${PATH} HTTP/1.1`, own, "Connection: close"], "403 Forbidden"],
      [[`GET //evil.example${PATH} HTTP/1.1`, own, "Connection: close"], "404 Not Found"],
      [[`GET ${PATH} HTTP/1.0`], "403 Forbidden"],
      [
        ["GET /scopes/cart/../../scopes/secret/a HTTP/1.1", own, "Connection: close"],
        "404 Not Found",
      ],
      [["OPTIONS * HTTP/1.1", own, "Connection: close"], "400 Bad Request"],
    ];
    for (const [lines, expected] of cases)
      expect(await raw(port, lines), lines[0]).toBe(`HTTP/1.1 ${expected}`);
  });
});

describe("authorize", () => {
  function setUp(verdict: (access: Access) => unknown): {
    send: Send;
    asked: Access[];
    runtime: Runtime;
  } {
    const runtime = made();
    const asked: Access[] = [];
    const handler = createHandler(runtime, {
      basePath: "/",
      kinds: exposed,
      logger: keepingLogger(),
      authorize: (_, access) => {
        asked.push(access);
        return verdict(access) as Verdict; // Whatever a caller in JavaScript returns.
      },
    });
    return { send: directly(handler, "http://shop.example"), asked, runtime };
  }

  it("decides in place of the checks, and is asked once with decoded ids", async () => {
    const { send, asked } = setUp(() => true);
    const body = { version: 0 };
    const merge = { type: "application/merge-patch+json", body: { n: 1 } };
    const origin = { origin: "http://other.example" };
    expect((await send("/scopes/cart/a%2F%C3%BC", { headers: origin })).status).toBe(200);
    expect((await send("/scopes/cart")).status).toBe(200);
    expect((await send("/scopes/cart/a", merge)).status).toBe(200);
    expect((await send("/scopes/cart/a", { method: "HEAD" })).status).toBe(200);
    expect((await send("/scopes/cart/a/history")).status).toBe(200);
    expect((await send("/scopes/cart/a/rewind", { method: "POST", body })).status).toBe(200);
    const events = await send("/scopes/cart/a/changes");
    await events.body?.cancel();
    expect((await send("/scopes/cart/a", { method: "DELETE" })).status).toBe(204);
    const a = { type: "cart", id: "a" };
    expect(asked).toEqual([
      { action: "read", type: "cart", id: "a/ü" },
      { action: "list", type: "cart" },
      { action: "write", ...a },
      { action: "read", ...a },
      { action: "read", ...a },
      { action: "write", ...a },
      { action: "read", ...a },
      { action: "write", ...a },
    ]);
  });

  it.each([
    [false, 403],
    [undefined, 403],
    [null, 403],
    ["yes", 403],
    [1, 403],
    [{}, 403],
    [{ status: 200 }, 403],
    [{ status: 302 }, 403],
    [{ status: "401" }, 403],
    [{ status: 401, detail: "log in" }, 401],
    [{ status: 404 }, 404],
    [{ status: 600 }, 403],
    [Promise.resolve(false), 403],
    [Promise.resolve(true), 200],
  ])("that gives %j is %i", async (verdict, expected) => {
    const { send, runtime } = setUp(() => verdict);
    const merge = { type: "application/merge-patch+json", body: { n: 1 } };
    const answer = await reply(send, PATH, merge);
    expect(answer.status).toBe(expected);
    if (expected === 401)
      expect(answer.body).toMatchObject({ detail: "log in", code: "FORBIDDEN" });
    const [stored] = await runtime.read("cart", ["a"]);
    expect(stored?.version).toBe(expected === 200 ? 1 : undefined);
  });

  it("that throws or rejects refuses, and its error does not leave", async () => {
    const failures = [
      (): never => {
        throw new Error("the secret is 41514");
      },
      () => Promise.reject(new Error("the secret is 41514")),
    ];
    for (const fail of failures) {
      const { send, runtime } = setUp(fail);
      const answer = await reply(send, PATH);
      expect(answer.status).toBe(403);
      expect(JSON.stringify(answer.body)).not.toContain("41514");
      expect(runtime.residentScopes).toBe(0);
    }
  });

  it("is not asked about what is not exposed", async () => {
    const { send, asked } = setUp(() => true);
    for (const path of ["/scopes/secret/a", "/scopes/session/a", "/scopes/none", "/x", "/runs"])
      expect((await send(path)).status, path).toBe(404);
    expect((await send(PATH, { method: "PUT" })).status).toBe(405);
    expect(asked).toEqual([]);
  });
});

describe("options", () => {
  it.each([
    [{ basepath: "/x" }, TypeError],
    [{ basePath: "x" }, TypeError],
    [{ kinds: { nope: {} } }, TypeError],
    [{ kinds: { sequencer: {} } }, TypeError],
    [{ kinds: { cart: { raed: true } } }, TypeError],
    [{ kinds: { cart: { write: "yes" } } }, TypeError],
    [{ kinds: { cart: { fields: "n" } } }, TypeError],
    [{ kinds: { cart: true } }, TypeError],
    [{ kinds: [] }, TypeError],
    [{ authorize: true }, TypeError],
    [{ heartbeatMs: 0 }, RangeError],
    [{ heartbeatMs: NaN }, RangeError],
  ])("%j are refused", (options, error) => {
    // As a caller in JavaScript may give them.
    expect(() => createHandler(made(), options as object)).toThrow(error);
  });

  it("are refused without a runtime", () => {
    const none: unknown = {};
    expect(() => createHandler(none as Runtime)).toThrow(TypeError);
  });

  it("may give a write without a read, which shows nothing", async () => {
    const handler = createHandler(made(), { kinds: { cart: { read: false, write: true } } });
    const send = await served(handler);
    const merge = { type: "application/merge-patch+json", body: { n: 1 } };
    const answer = await send(PATH, merge);
    expect([answer.status, await answer.text(), answer.headers.get("etag")]).toEqual([
      204,
      "",
      '"1"',
    ]);
    expect((await send(PATH)).status).toBe(405);
    expect((await send(`${PATH}/changes`)).status).toBe(405);
  });
});
