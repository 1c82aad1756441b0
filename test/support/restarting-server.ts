/** A server that comes back on its port. */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { onTestFinished } from "vitest";
import { type Handler, toNodeListener } from "../../src/http.ts";
import { freePort } from "./port.ts";

/** A server on one port, whose handler may change with each start. */
export interface RestartingServer {
  readonly url: string;
  /** The requests that came, as `METHOD path`, and the `Last-Event-ID` where there is one. */
  readonly requests: string[];
  readonly start: (handler: Handler) => Promise<void>;
  /** Cuts all connections and stops listening. */
  readonly stop: () => Promise<void>;
}

/** Starts a server, which stops at the end of the test. */
export async function restartingServer(handler: Handler): Promise<RestartingServer> {
  const port = await freePort();
  const requests: string[] = [];
  let server: Server | undefined;
  const start = async (next: Handler): Promise<void> => {
    const listener = toNodeListener(next);
    server = createServer((request, response) => {
      const since = request.headers["last-event-id"];
      const line = `${request.method} ${request.url}`;
      requests.push(since === undefined ? line : `${line} since ${String(since)}`);
      listener(request, response);
    });
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
  };
  const stop = async (): Promise<void> => {
    const stopped = server;
    server = undefined;
    if (stopped === undefined) return;
    stopped.closeAllConnections();
    stopped.close();
    await once(stopped, "close");
  };
  await start(handler);
  onTestFinished(stop);
  return { url: `http://127.0.0.1:${port}`, requests, start, stop };
}
