/** What the bench uses of redlock 4, which ships no types. */
declare module "redlock" {
  import type { Redis } from "ioredis";

  interface Lock {
    unlock(): Promise<void>;
  }

  class Redlock {
    constructor(clients: readonly Redis[]);
    lock(resource: string, ttlMs: number): Promise<Lock>;
  }

  export = Redlock;
}
