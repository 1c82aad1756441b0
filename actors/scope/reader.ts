/**
 * An async iterator of items that come by themselves: the base of the readers of changes and of
 * runs.
 *
 *  R1  After its end a reader yields what can still be taken; a closed one yields nothing more.
 */
import { onAbort } from "./abort.ts";

/** See the head of this file. */
export abstract class Reader<T> implements AsyncIterableIterator<T> {
  /** Called once, at the end. */
  protected readonly stops: (() => void)[] = [];
  #waiting: (() => void)[] = [];
  #ended = false;

  /** True when no more items come. */
  get done(): boolean {
    return this.#ended;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<T, undefined>> {
    for (;;) {
      const value = this.take();
      if (value !== undefined) return { done: false, value };
      if (this.#ended) return { done: true, value: undefined };
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.close();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** No more items come; what is there can still be read. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const stop of this.stops.splice(0)) stop();
    this.rouse();
  }

  /** The next item, if there is one. */
  protected abstract take(): T | undefined;
  /** Drops what was not read. */
  protected abstract drop(): void;

  /** There is an item. */
  protected rouse(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  protected close(): void {
    this.drop();
    this.end();
  }

  protected closeOn(signal: AbortSignal | undefined): void {
    if (signal?.aborted === true) this.close();
    else if (signal !== undefined) this.stops.push(onAbort(signal, () => this.close()));
  }
}
