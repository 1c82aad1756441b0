/**
 * Calls callbacks of users. A callback may throw, or be asynchronous and reject; so may the logger
 * that receives the report.
 */
import { isThenable } from "./mutation.ts";
import type { Logger } from "../protocol.ts";

/** Runs `call`; reports what it throws, or what its promise rejects with, to `report` only. */
export function safeCall(call: () => unknown, report: (error: unknown) => void): void {
  try {
    const result = call();
    if (isThenable(result)) Promise.resolve(result).then(undefined, report);
  } catch (error) {
    report(error);
  }
}

/**
 * Returns the promise of `work`. `keep` receives it before `work` begins: code that `work` calls
 * may need the same promise.
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

function ignore(): void {
  // The report itself failed: there is no other place to report to.
}

/** The same logger, with its own failures ignored: they cannot be reported. */
export function quietLogger(logger: Logger): Logger {
  return {
    warn: (message, fields) => safeCall(() => logger.warn(message, fields), ignore),
    error: (message, fields) => safeCall(() => logger.error(message, fields), ignore),
  };
}
