/** The same handler behind each server that the pages name: who may call, writes and changes. */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { connect } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import express from "express";
import { Hono } from "hono";
import { describe, expect, it, onTestFinished } from "vitest";
import { createHandler, type Handler, toNodeListener } from "../../../src/http.ts";
import { createRuntime, defineKind } from "../../../src/index.ts";
import { eventsOf } from "../../support/http.ts";

const kinds = {
  cart: defineKind({ initial: { n: 0 } }),
  secret: defineKind({ initial: { n: 0 } }),
};
const PATH = "/state/scopes/cart/a";

/** Each serves `handler` at `/state` and nothing else. */
const servers: readonly (readonly [name: string, serve: (handler: Handler) => Server])[] = [
  ["node:http", (handler) => createServer(toNodeListener(handler))],
  ["Express", (handler) => createServer(express().use("/state", toNodeListener(handler)))],
  [
    "Express behind a body parser",
    (handler) => {
      const app = express().use(express.json({ type: "*/*" }));
      return createServer(app.use("/state", toNodeListener(handler)));
    },
  ],
  ["Hono", (handler) => adapted(new Hono().all("/state/*", async (c) => handler(c.req.raw)).fetch)],
  ["a server of fetch handlers", adapted],
];

function adapted(fetch: (request: Request) => Response | Promise<Response>): Server {
  return createAdaptorServer({ fetch }) as Server; // Without options it is one of node:http.
}

async function listening(serve: (handler: Handler) => Server) {
  const runtime = createRuntime({ kinds });
  const exposed = { cart: { write: true } };
  const server = serve(createHandler(runtime, { basePath: "/state", kinds: exposed }));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
    await runtime.close();
  });
  const address = server.address();
  return { runtime, port: typeof address === "object" ? (address?.port ?? 0) : 0 };
}

/** The status of the response to these lines over a socket. */
async function statusOf(port: number, lines: readonly string[]): Promise<number> {
  const socket = connect(port, "127.0.0.1");
  let text = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  socket.end([...lines, "Connection: close", "", ""].join("\r\n"));
  await once(socket, "close");
  return Number(/^HTTP\/1\.1 (?<status>\d{3})/.exec(text)?.groups?.["status"]);
}

describe.each(servers)("behind %s", (_, serve) => {
  it("only this machine and the handler's own origin are served", async () => {
    const { port } = await listening(serve);
    const own = `Host: 127.0.0.1:${port}`;
    const get = `GET ${PATH} HTTP/1.1`;
    expect(await statusOf(port, [get, own])).toBe(200);
    expect(await statusOf(port, [get, own, `Origin: http://127.0.0.1:${port}`])).toBe(200);
    const refused = [
      [get, "Host: rebound.example"],
      [get, `Host: rebound.example:${port}`],
      [get, own, "Origin: http://evil.example"],
      [get, own, `Origin: http://localhost:${port}`],
      [get, own, "Origin: null"],
      [`GET http://evil.example${PATH} HTTP/1.1`, "Host: evil.example"],
      [`GET //evil.example${PATH} HTTP/1.1`, own],
      [`GET /state/scopes/cart/../../../state/scopes/secret/a HTTP/1.1`, own],
      [`GET /state/scopes/cart/%2e%2e/%2e%2e/scopes/secret/a HTTP/1.1`, own],
      [`GET /state/scopes/secret/a HTTP/1.1`, own],
      [`GET /state/scopes/__proto__/a HTTP/1.1`, own],
      [`GET /other${PATH} HTTP/1.1`, own],
      [`GET ${PATH} HTTP/1.0`],
    ];
    for (const lines of refused)
      expect([400, 403, 404], lines.join(" ")).toContain(await statusOf(port, lines));
  });

  it("a patch is made, a reader receives changes, and a large body is refused", async () => {
    const { runtime, port } = await listening(serve);
    const url = `http://127.0.0.1:${port}${PATH}`;
    const headers = { "content-type": "application/merge-patch+json" };
    const response = await fetch(url, { method: "PATCH", headers, body: '{"n":1}' });
    expect([response.status, response.headers.get("etag")]).toEqual([200, '"1"']);
    const events = eventsOf(await fetch(`${url}/changes`));
    onTestFinished(() => events.cancel());
    expect(await events.next()).toMatchObject({ event: "snapshot", data: { state: { n: 1 } } });
    const body = `{"n":2,"text":"${"x".repeat(2 ** 20)}"}`;
    const large = await fetch(url, { method: "PATCH", headers, body }).catch(() => undefined);
    expect(large?.status ?? 413).toBe(413); // Or the connection is cut while the body is sent.
    const cart = await runtime.open("cart", "a");
    await cart.patchState({ n: 3 });
    expect(await events.next()).toMatchObject({ event: "change", id: "2" });
  });
});
