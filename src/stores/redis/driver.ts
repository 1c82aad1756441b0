/** Loads ioredis, an optional peer. */
import type { Redis } from "ioredis";
import { StoreUnavailableError } from "../../../actors/errors.ts";

/**
 * Lets the process end while the connection has nothing to do. A call that waits for an answer has
 * a timer, which keeps the process until there is one.
 */
export function letExit(client: Redis): void {
  client.on("connect", () => client.stream.unref());
}

/** Loads ioredis; rejects with `StoreUnavailableError` when it is not installed. */
export async function loadDriver(): Promise<{ readonly Redis: typeof Redis }> {
  try {
    const driver = await import("ioredis");
    // Before 5.3 the module has the class only as what it exports as a whole.
    return { Redis: Object.hasOwn(driver, "Redis") ? driver.Redis : driver.default.default };
  } catch (cause) {
    throw new StoreUnavailableError("install the package ioredis (npm install ioredis)", { cause });
  }
}
