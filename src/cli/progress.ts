/** A progress bar on a terminal, for work of a known size. */
import type { SingleBar } from "cli-progress";

/** Counts work that is done. */
export interface Progress {
  readonly done: (count: number) => void;
  /** Removes the bar. */
  readonly end: () => void;
}

/** Where a bar is drawn. */
export type Terminal = NodeJS.WritableStream & { readonly isTTY?: boolean | undefined };

const NONE: Progress = { done: () => undefined, end: () => undefined };

/**
 * Draws a bar when there is a terminal; `count` then gives the size of the work. The bar never ends
 * a command: it shows a size that was counted before, and programs may write meanwhile.
 */
export async function startProgress(
  label: string,
  terminal: Terminal | undefined,
  count: () => Promise<number>,
): Promise<Progress> {
  if (terminal?.isTTY !== true) return NONE;
  const total = await count();
  const { default: bars } = await import("cli-progress");
  const format = `${label} [{bar}] {value}/{total} {eta_formatted}`;
  const bar: SingleBar = new bars.SingleBar(
    { format, stream: terminal, clearOnComplete: true, hideCursor: true },
    bars.Presets.rect,
  );
  bar.start(total, 0);
  return { done: (by) => bar.increment(by), end: () => bar.stop() };
}

/** Passes groups on and counts what is in them. */
export async function* counted<Group extends readonly unknown[]>(
  groups: AsyncIterable<Group>,
  { done }: Progress,
): AsyncGenerator<Group> {
  for await (const group of groups) {
    yield group;
    done(group.length);
  }
}
