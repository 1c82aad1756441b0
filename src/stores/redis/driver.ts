/** Loads ioredis, an optional peer. */
import type { Redis } from "ioredis";
import { installedPeer } from "../shared/optional-peer.ts";

/**
 * Lets the process end while the connection has nothing to do. A call that waits for an answer has
 * a timer, which keeps the process until there is one.
 */
export function letExit(client: Redis): void {
  client.on("connect", () => client.stream.unref());
}

/** Loads ioredis; rejects with `StoreUnavailableError` when it is not there or does not load. */
export async function loadDriver(): Promise<{ readonly Redis: typeof Redis }> {
  try {
    const { default: driver } = await import("ioredis");
    return { Redis: driver.default };
  } catch (cause) {
    // CommonJS: what it exports as a whole is the class, and has it as `default`.
    const driver = installedPeer("ioredis", cause) as { readonly default: typeof Redis };
    return { Redis: driver.default };
  }
}
