/** Ports of this machine, and servers that should come to listen on one. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

const HOST = "127.0.0.1";
const POLL_MS = 10;
const TRIES_MAX = 2_000;

/** A port that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, HOST);
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (typeof address !== "object" || address === null) throw new Error("no port");
  return address.port;
}

/** True when something listens on a port. */
export async function isListening(port: number, host: string = HOST): Promise<boolean> {
  const socket = connect(port, host);
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** Waits until `server` is up; rejects when it could not be started, ended, or takes too long. */
export async function untilUp(server: ChildProcess, isUp: () => Promise<boolean>): Promise<void> {
  let failure: Error | undefined;
  const fail = (error: Error): void => void (failure ??= error);
  const name = server.spawnfile;
  server.once("error", fail);
  server.once("exit", (code) => fail(new Error(`${name} ended with ${code} before it was up`)));
  // It says by answering that it is up; nothing else does.
  for (let tries = 0; !(await isUp()); tries += 1) {
    if (failure !== undefined) throw failure;
    if (tries > TRIES_MAX) throw new Error(`${name} did not start`);
    await sleep(POLL_MS);
  }
}

/** Waits until `server` listens on `port`; see `untilUp`. */
export function untilListening(port: number, server: ChildProcess): Promise<void> {
  return untilUp(server, () => isListening(port));
}
