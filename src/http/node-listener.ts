/**
 * Serves a handler by `node:http`, `node:https`, or a framework on them such as Express.
 *
 *  L1  The request that the handler receives has the URL that the client asked for, by its `Host`
 *      and the whole path, also below a mount point.
 *  L2  Nothing is read from the handler's response faster than the client takes it, and a client
 *      that goes ends the response.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { types } from "node:util";
import { isLoopback, noteConnection } from "./security.ts";

/** A web-standard handler, such as `createHandler` makes. */
export type Handler = (request: Request) => Promise<Response>;

/** A listener of the `request` events of a server. */
export type NodeListener = (request: IncomingMessage, response: ServerResponse) => void;

/** The listener that serves `handler`: `createServer(toNodeListener(handler))`. */
export function toNodeListener(handler: Handler): NodeListener {
  return (incoming, outgoing) => {
    void serve(handler, incoming, outgoing).catch(() => {
      // The handler answers every failure by itself: this is a request or a client that is gone.
      if (outgoing.headersSent) outgoing.destroy();
      else outgoing.writeHead(400).end();
    });
  };
}

async function serve(
  handler: Handler,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const gone = new AbortController();
  outgoing.once("close", () => gone.abort());
  const response = await handler(requestOf(incoming, gone.signal));
  outgoing.statusCode = response.status;
  for (const [name, value] of response.headers)
    if (name !== "set-cookie") outgoing.setHeader(name, value);
  const cookies = response.headers.getSetCookie();
  if (cookies.length > 0) outgoing.setHeader("set-cookie", cookies);
  outgoing.flushHeaders();
  await send(response.body, outgoing);
}

async function send(
  body: ReadableStream<Uint8Array> | null,
  outgoing: ServerResponse,
): Promise<void> {
  const reader = body?.getReader();
  const stop = (): void => void reader?.cancel().catch(() => undefined);
  outgoing.once("close", stop);
  if (outgoing.destroyed) stop(); // It was gone before.
  for (let read = await reader?.read(); read?.done === false; read = await reader?.read()) {
    if (outgoing.destroyed) return;
    if (!outgoing.write(read.value)) await drained(outgoing);
  }
  outgoing.end();
}

/** Resolves when more can be written, or when the client is gone. */
function drained(outgoing: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      outgoing.off("drain", done);
      outgoing.off("close", done);
      resolve();
    };
    outgoing.once("drain", done);
    outgoing.once("close", done);
  });
}

function requestOf(incoming: IncomingMessage, signal: AbortSignal): Request {
  const { method = "GET", socket } = incoming;
  const headers = headersOf(incoming);
  const body = method === "GET" || method === "HEAD" ? null : bodyOf(incoming);
  const request = new Request(urlOf(incoming), {
    method,
    headers,
    signal,
    ...(body === null ? {} : { body, duplex: "half" as const }),
  });
  noteConnection(request, isLocal(socket.remoteAddress));
  return request;
}

function headersOf({ rawHeaders }: IncomingMessage): Headers {
  const headers = new Headers();
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? "";
    // HTTP/2 has the parts of the URL as headers.
    if (!name.startsWith(":")) headers.append(name, rawHeaders[at + 1] ?? "");
  }
  return headers;
}

function urlOf(incoming: IncomingMessage): string {
  const { headers, socket, url = "/" } = incoming;
  // Express cuts the mount point off `url`.
  const original: unknown = Reflect.get(incoming, "originalUrl");
  const path = typeof original === "string" ? original : url;
  if (!path.startsWith("/")) return path; // The absolute form, as proxies use it.
  const scheme = "encrypted" in socket ? "https" : "http";
  const authority: unknown = headers.host ?? headers[":authority"];
  return `${scheme}://${typeof authority === "string" ? authority : "unknown.invalid"}${path}`;
}

/** The body, or what a body parser in front of the handler made of it. */
function bodyOf(incoming: IncomingMessage): ReadableStream<Uint8Array> | Uint8Array | string {
  const parsed: unknown = Reflect.get(incoming, "body");
  if (incoming.readableEnded && parsed !== undefined) {
    // Parsers of raw bodies and of texts leave them as they came.
    const isRaw = typeof parsed === "string" || types.isUint8Array(parsed);
    return isRaw ? parsed : JSON.stringify(parsed);
  }
  // The types of Node's own streams and of the global ones differ; they are the same classes.
  return Readable.toWeb(incoming) as ReadableStream<Uint8Array>;
}

/** True for a connection from this machine, also by a socket without an address. */
function isLocal(address: string | undefined): boolean {
  if (address === undefined) return true;
  return address === "::1" || isLoopback(address.replace(/^::ffff:/, ""));
}
