/** Loads ioredis, an optional peer. */
import type { Redis } from "ioredis";
import { installedPeer } from "../shared/optional-peer.ts";

/**
 * Lets the process end while the connection is idle. A call that waits for a reply has a timer,
 * which keeps the process alive.
 */
export function letExit(client: Redis): void {
  client.on("connect", () => client.stream.unref());
}

/** Loads ioredis; rejects with `StoreUnavailableError` when it is missing or does not load. */
export async function loadDriver(): Promise<{ readonly Redis: typeof Redis }> {
  try {
    const { default: driver } = await import("ioredis");
    return { Redis: driver.default };
  } catch (cause) {
    // CommonJS: the export as a whole is the class, which has itself as `default`.
    const driver = installedPeer("ioredis", cause) as { readonly default: typeof Redis };
    return { Redis: driver.default };
  }
}
