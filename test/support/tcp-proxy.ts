/** A proxy in front of a real server that can lose replies, cut connections and refuse new ones. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** A running proxy on a loopback port. */
export interface TcpProxy {
  readonly port: number;
  /**
   * Swallows the next bytes the server sends, on whichever connection, and cuts that connection:
   * the request was served and nobody hears of it. With `from` it waits for bytes with this text,
   * and what comes before it is passed on. Resolves when it has happened.
   */
  dropNextReply(from?: string): Promise<void>;
  /** Cuts every connection. */
  cut(): void;
  /** Refuses new connections and cuts the present ones until `accept`. */
  refuse(): void;
  /** Takes new connections and never answers them, until `accept`. Resolves at the first. */
  ignore(): Promise<void>;
  accept(): void;
  close(): Promise<void>;
}

/** Starts a proxy to a port of this machine. */
export async function startProxy(toPort: number, host = "127.0.0.1"): Promise<TcpProxy> {
  const pairs = new Set<readonly [Socket, Socket]>();
  let dropping: { readonly from: string; readonly done: () => void } | null = null;
  let refusing = false;
  let ignoring: (() => void) | null = null;
  const ignored = new Set<Socket>();
  const server = createServer((client) => {
    if (refusing) {
      client.destroy();
      return;
    }
    if (ignoring !== null) {
      ignored.add(client.on("error", () => undefined));
      ignoring();
      return;
    }
    const upstream = connect(toPort, host);
    const pair = [client, upstream] as const;
    pairs.add(pair);
    const end = (): void => {
      pairs.delete(pair);
      for (const socket of pair) socket.destroy();
    };
    for (const socket of pair) socket.on("error", end).on("close", end);
    client.pipe(upstream);
    upstream.on("data", (chunk: Buffer) => {
      const at = dropping === null ? -1 : chunk.indexOf(dropping.from);
      if (dropping === null || at < 0) {
        client.write(chunk);
        return;
      }
      dropping.done();
      dropping = null;
      client.write(chunk.subarray(0, at));
      end();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("no port");
  const cut = (): void => {
    for (const pair of pairs) for (const socket of pair) socket.destroy();
  };
  return {
    port: address.port,
    dropNextReply: (from = "") =>
      new Promise((done) => {
        dropping = { from, done };
      }),
    cut,
    refuse() {
      refusing = true;
      cut();
    },
    ignore: () =>
      new Promise((resolve) => {
        ignoring = resolve;
      }),
    accept() {
      refusing = false;
      ignoring = null;
    },
    async close() {
      cut();
      for (const socket of ignored) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
