/** What tests wait by: promises opened by hand, ticks of the loop, conditions, rejections, logs. */
import { expect } from "vitest";
import type { SimulatedClock } from "../../src/testing/clock.ts";
import type { Logger } from "../../actors/protocol.ts";

/** A promise that a test settles by hand. */
export interface Gate<T = void> {
  readonly promise: Promise<T>;
  readonly open: (value: T) => void;
  readonly fail: (error: unknown) => void;
}

/** Makes a gate. */
export function gate<T = void>(): Gate<T> {
  let open: (value: T) => void = () => undefined;
  let fail: (error: unknown) => void = () => undefined;
  const promise = new Promise<T>((resolve, reject) => {
    open = resolve;
    fail = reject;
  });
  return { promise, open, fail };
}

/** Lets everything settle that needs no more than `ticks` ticks of the event loop. */
export async function settled(ticks = 8): Promise<void> {
  for (let tick = 0; tick < ticks; tick += 1)
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
}

/** Waits until `isSo`, for at most `limitMs`; fails if it is not so by then. */
export async function until(isSo: () => boolean, limitMs = 20_000): Promise<void> {
  const end = performance.now() + limitMs;
  while (!isSo() && performance.now() < end)
    await new Promise((resolve) => {
      setTimeout(resolve, 1);
    });
  expect(isSo()).toBe(true);
}

/**
 * What a call of a store resolves to as soon as its server serves it again: where a test gives the
 * store a short limit, the first calls after that may still be too slow for it.
 */
export async function served<T>(call: () => Promise<T>, limitMs = 20_000): Promise<T> {
  const end = performance.now() + limitMs;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      const isAway = Reflect.get(Object(error), "code") === "STORE_UNAVAILABLE";
      if (!isAway || performance.now() > end) throw error;
    }
  }
}

/** An error with whatever fields it has. */
export type Rejection = Error & Readonly<Record<string, unknown>>;

/** The error that a promise rejects with, with that `code` if one is given. */
export async function rejection(promise: Promise<unknown>, code?: string): Promise<Rejection> {
  const error: unknown = await promise.then(
    () => new Error("the promise resolved instead of rejecting"),
    (reason: unknown) => ({ reason }),
  );
  if (error instanceof Error) throw error;
  const { reason } = error as { readonly reason: unknown }; // The only other shape there is.
  if (code !== undefined) expect(Reflect.get(Object(reason), "code"), String(reason)).toBe(code);
  return reason as Rejection; // Some tests reject with other values and compare them.
}

/** One line of a log. */
export interface LogLine {
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>> | undefined;
}

/** A logger that keeps its lines. */
export function keepingLogger(): Logger & {
  readonly lines: LogLine[];
  readonly messages: readonly string[];
} {
  const lines: LogLine[] = [];
  const keep = (message: string, fields?: LogLine["fields"]): void => {
    lines.push({ message, fields });
  };
  return {
    lines,
    get messages() {
      return lines.map(({ message }) => message);
    },
    warn: keep,
    error: keep,
  };
}

/** What `promise` settles to while time passes, `stepMs` at once; for at most 20 s of real time. */
export async function turned<T>(
  clock: SimulatedClock,
  promise: Promise<T>,
  stepMs = 50,
): Promise<T> {
  const over = { is: false };
  const end = (): void => {
    over.is = true;
  };
  promise.then(end, end);
  const limit = performance.now() + 20_000;
  while (!over.is && performance.now() < limit) {
    await clock.advance(stepMs);
    await new Promise((resolve) => {
      setTimeout(resolve, 1); // Stores work in real time.
    });
  }
  expect(over.is).toBe(true);
  return promise;
}
