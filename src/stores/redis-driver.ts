/** Loads ioredis, an optional peer. */
import type { Redis } from "ioredis";
import { StoreUnavailableError } from "../../actors/errors.ts";

/** Loads ioredis; rejects with `StoreUnavailableError` when it is not installed. */
export async function loadDriver(): Promise<{ readonly Redis: typeof Redis }> {
  try {
    return await import("ioredis");
  } catch (cause) {
    throw new StoreUnavailableError("install the package ioredis (npm install ioredis)", { cause });
  }
}
