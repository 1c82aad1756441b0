/** Requests to a handler, and the events of its responses. */
import { createServer, type Server } from "node:http";
import { once } from "node:events";
import { createParser, type EventSourceMessage } from "eventsource-parser";
import { onTestFinished } from "vitest";
import { type Handler, toNodeListener } from "../../src/http.ts";

/** The parts of a request that tests set. */
export interface RequestParts {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON, a string as it is. */
  readonly body?: unknown;
  /** The media type of the body; default `application/json`. */
  readonly type?: string;
}

/** A response that was read. */
export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  /** The body as JSON; `undefined` when it is empty. */
  readonly body: unknown;
}

/** Any way to send a request to a path. */
export type Send = (path: string, parts?: RequestParts) => Promise<Response>;

/** Calls a handler as `fetch` would, without a server. */
export function directly(handler: Handler, origin = "http://localhost"): Send {
  return (path, parts = {}) => handler(new Request(`${origin}${path}`, initOf(parts)));
}

/** Serves a listener on a free port until the end of the test. */
export async function served(listener: Handler | Server): Promise<Send> {
  const server = typeof listener === "function" ? createServer(toNodeListener(listener)) : listener;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  });
  const address = server.address();
  const port = typeof address === "object" ? address?.port : 0;
  return (path, parts = {}) => fetch(`http://127.0.0.1:${port}${path}`, initOf(parts));
}

/** What `fetch` takes for a request. */
function initOf({ method, headers, body, type }: RequestParts): RequestInit {
  const isText = typeof body === "string";
  return {
    method: method ?? (body === undefined ? "GET" : "PATCH"),
    headers: {
      ...(body === undefined ? {} : { "content-type": type ?? "application/json" }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: isText ? body : JSON.stringify(body) }),
  };
}

/** Sends a request and reads its response. */
export async function reply(send: Send, path: string, parts?: RequestParts): Promise<Reply> {
  const response = await send(path, parts);
  const text = await response.text();
  const body: unknown = text === "" ? undefined : JSON.parse(text);
  return { status: response.status, headers: response.headers, body };
}

/** One event, its data parsed. */
export interface ReadEvent {
  readonly event: string | undefined;
  readonly id: string | undefined;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Reads the events of a response one by one; `cancel` leaves. */
export function eventsOf(response: Response): {
  readonly next: () => Promise<ReadEvent | undefined>;
  /** The next `count` events. */
  readonly take: (count: number) => Promise<ReadEvent[]>;
  readonly cancel: () => Promise<void>;
  readonly comments: string[];
} {
  const events: ReadEvent[] = [];
  const comments: string[] = [];
  const parser = createParser({
    onEvent: ({ event, id, data }: EventSourceMessage) =>
      void events.push({ event, id, data: JSON.parse(data) }),
    onComment: (comment) => void comments.push(comment),
  });
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();
  const next = async (): Promise<ReadEvent | undefined> => {
    for (;;) {
      const known = events.shift();
      if (known !== undefined) return known;
      const read = await reader?.read();
      if (read === undefined || read.done) return undefined;
      parser.feed(decoder.decode(read.value, { stream: true }));
    }
  };
  return {
    next,
    comments,
    async take(count) {
      const taken: ReadEvent[] = [];
      while (taken.length < count) {
        const event = await next();
        if (event === undefined) break;
        taken.push(event);
      }
      return taken;
    },
    cancel: async () => reader?.cancel(),
  };
}
