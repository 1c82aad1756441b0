/** Ports of this machine, and servers that should come to listen on one. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

const HOST = "127.0.0.1";
const POLL_MS = 10;
const TRIES_MAX = 2_000;
/**
 * Ports that the system gives to no connection by itself: it would take one of those from 32768 on
 * before the server begins to listen, or while the server is stopped.
 */
const FIRST_PORT = 10_000;
const END_PORT = 32_768;

/** A port that nobody listens on. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const port = FIRST_PORT + Math.floor(Math.random() * (END_PORT - FIRST_PORT));
    const server = createServer().listen(port, HOST);
    const isFree = await once(server, "listening").then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    server.close();
    await once(server, "close");
    return port;
  }
  throw new Error("no port");
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
