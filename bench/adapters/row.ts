/** A row of the bench of the adapters: one framework, on its own store and on ours. */

/** How many turns arrive at once. */
export const TURNS = 100;

/** One framework. */
export interface Row {
  readonly framework: string;
  readonly adapter: string;
  /** What a turn does. */
  readonly work: string;
  /** Runs the turns on the framework's own default store; resolves to how many left no trace. */
  readonly own: () => Promise<number>;
  /** The same through the adapter. */
  readonly ours: () => Promise<number>;
}

/** Runs a turn for each number from 0, all at once. */
export async function atOnce(turn: (at: number) => Promise<unknown>): Promise<void> {
  await Promise.all(Array.from({ length: TURNS }, (_, at) => turn(at)));
}
