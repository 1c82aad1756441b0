/** A proxy in front of a real server that can lose replies, cut connections and refuse new ones. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** A running proxy on a loopback port. */
export interface TcpProxy {
  readonly port: number;
  /**
   * Swallows the next bytes the server sends, on whichever connection, and cuts that connection:
   * the request was served and nobody hears of it. Resolves when it has happened. A text waits for
   * a reply that holds it, and passes on what comes before it; a function waits for bytes of a
   * request it is true of, and means the reply on the connection they came by.
   */
  dropNextReply(which?: string | ((request: Buffer) => boolean)): Promise<void>;
  /** How many connections were asked for so far, refused ones too. */
  asked(): number;
  /** Cuts every connection. */
  cut(): void;
  /** Refuses new connections and cuts the present ones until `accept`. */
  refuse(): void;
  /** Takes new connections and never answers them, until `accept`. Resolves at the first. */
  ignore(): Promise<void>;
  accept(): void;
  /** From now on new connections lead to this port; those there are stay where they are. */
  lead(port: number): void;
  close(): Promise<void>;
}

/** A reply that is to be lost. */
interface Drop {
  readonly done: () => void;
  /** Not seen yet is the request it is true of. */
  readonly isMeant: ((request: Buffer) => boolean) | null;
  /** The connection whose reply it is; `null`: the next on any. */
  readonly by: Socket | null;
  /** What the reply has to hold. */
  readonly text: string;
}

/** Starts a proxy to a port of this machine. */
export async function startProxy(toPort: number, host = "127.0.0.1"): Promise<TcpProxy> {
  const pairs = new Set<readonly [Socket, Socket]>();
  const ignored = new Set<Socket>();
  let drop: Drop | null = null;
  let refusing = false;
  let ignoring: (() => void) | null = null;
  let asked = 0;
  let leadsTo = toPort;
  const server = createServer((client) => {
    asked += 1;
    if (refusing) {
      client.destroy();
      return;
    }
    if (ignoring !== null) {
      ignored.add(client.on("error", () => undefined));
      ignoring();
      return;
    }
    const upstream = connect(leadsTo, host);
    const pair = [client, upstream] as const;
    pairs.add(pair);
    const end = (): void => {
      pairs.delete(pair);
      for (const socket of pair) socket.destroy();
    };
    for (const socket of pair) socket.on("error", end).on("close", end);
    client.on("data", (chunk: Buffer) => {
      if (drop?.isMeant?.(chunk) === true) drop = { ...drop, isMeant: null, by: client };
      upstream.write(chunk);
    });
    upstream.on("data", (chunk: Buffer) => {
      const isDue = drop !== null && drop.isMeant === null && (drop.by ?? client) === client;
      const at = drop !== null && isDue ? chunk.indexOf(drop.text) : -1;
      if (drop === null || at < 0) {
        client.write(chunk);
        return;
      }
      drop.done();
      drop = null;
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
    dropNextReply: (which = "") =>
      new Promise((done) => {
        const isText = typeof which === "string";
        drop = { done, by: null, isMeant: isText ? null : which, text: isText ? which : "" };
      }),
    asked: () => asked,
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
    lead(port) {
      leadsTo = port;
    },
    async close() {
      cut();
      for (const socket of ignored) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
