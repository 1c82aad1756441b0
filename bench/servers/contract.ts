/**
 * What a bench knows of a server: its address, its version, what it spends, and how it is missed.
 *
 *  V1  A bench of a store whose server is absent fails and says how to get one; it never skips.
 *  V2  What a bench made on a server is removed when it ends, and a server it started is gone.
 *  V3  Processor time is read only of processes of this machine; else it is unknown, not 0.
 */

/** There is no server, and the message says how to get one. */
export class ServerAbsentError extends Error {}

/** A server at hand. */
export interface Server {
  readonly url: string;
  /** Its version and the settings its durability hangs on, for the head of a report. */
  readonly line: string;
  /** Seconds of processor all its processes used; `undefined` when it runs elsewhere. */
  readonly cpuSeconds: () => number | undefined;
  /** Removes what the bench made and stops what it started. */
  readonly stop: () => Promise<void>;
}

/** All keys a bench makes in Redis start so. */
export const redisPrefix: string = `holdfast-bench-${process.pid}:`;

/** The end of a message about an address, which must not show a password. */
export function plainUrl(url: string): string {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
}
