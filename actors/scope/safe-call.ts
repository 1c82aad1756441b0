/**
 * Calls other people's callbacks, which may throw, be asynchronous and reject; and so may the
 * logger that is told of it.
 */
import { isThenable } from "./mutation.ts";
import type { Logger } from "../protocol.ts";

/** Runs `call`; what it throws, or its promise rejects with, goes to `report` and nowhere else. */
export function safeCall(call: () => unknown, report: (error: unknown) => void): void {
  try {
    const result = call();
    if (isThenable(result)) Promise.resolve(result).then(undefined, report);
  } catch (error) {
    report(error);
  }
}

/**
 * The promise of `work`, given to `keep` before it begins: whom it calls may ask for the same
 * promise already.
 */
export function begin(
  keep: (promise: Promise<void>) => void,
  work: () => Promise<void>,
): Promise<void> {
  const follow: ((done: Promise<void>) => void)[] = [];
  const promise = new Promise<void>((resolve) => void follow.push(resolve));
  keep(promise);
  follow[0]?.(work());
  return promise;
}

function nobody(): void {
  // A report of a failed report would go nowhere.
}

/** The same logger, whose own failures stay inside it: there is nobody left to tell. */
export function quietLogger(logger: Logger): Logger {
  return {
    warn: (message, fields) => safeCall(() => logger.warn(message, fields), nobody),
    error: (message, fields) => safeCall(() => logger.error(message, fields), nobody),
  };
}
