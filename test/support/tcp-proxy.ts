/** A proxy in front of a real server that can lose replies, cut connections and refuse new ones. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** A running proxy on a loopback port. */
export interface TcpProxy {
  readonly port: number;
  /**
   * Swallows the next bytes the server sends, on whichever connection, and cuts that connection:
   * the request was served and nobody hears of it. Resolves when it has happened. `isMeant` waits
   * for bytes of a request it is true of, and means the reply on the connection they came by.
   */
  dropNextReply(isMeant?: (request: Buffer) => boolean): Promise<void>;
  /** How many connections were asked for so far, refused ones too. */
  asked(): number;
  /** Cuts every connection. */
  cut(): void;
  /** Refuses new connections and cuts the present ones until `accept`. */
  refuse(): void;
  accept(): void;
  close(): Promise<void>;
}

/** A reply that is to be lost. */
interface Drop {
  readonly done: () => void;
  /** Not seen yet is the request it is true of. */
  readonly isMeant?: (request: Buffer) => boolean;
  /** The connection whose reply it is; absent: the next on any. */
  readonly by?: Socket;
}

/** Starts a proxy to a port of this machine. */
export async function startProxy(toPort: number, host = "127.0.0.1"): Promise<TcpProxy> {
  const pairs = new Set<readonly [Socket, Socket]>();
  let drop: Drop | null = null;
  let refusing = false;
  let asked = 0;
  const server = createServer((client) => {
    asked += 1;
    if (refusing) {
      client.destroy();
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
    client.on("data", (chunk: Buffer) => {
      if (drop?.isMeant?.(chunk) === true) drop = { done: drop.done, by: client };
      upstream.write(chunk);
    });
    upstream.on("data", (chunk: Buffer) => {
      if (drop === null || drop.isMeant !== undefined || (drop.by ?? client) !== client) {
        client.write(chunk);
        return;
      }
      drop.done();
      drop = null;
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
    dropNextReply: (isMeant) =>
      new Promise((done) => {
        drop = isMeant === undefined ? { done } : { done, isMeant };
      }),
    asked: () => asked,
    cut,
    refuse() {
      refusing = true;
      cut();
    },
    accept() {
      refusing = false;
    },
    async close() {
      cut();
      server.close();
      await once(server, "close");
    },
  };
}
