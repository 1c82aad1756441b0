/**
 * Gathers requests into batches, so that all scopes that save at the same time share one
 * transaction, pipeline or round trip.
 *
 * A store that waits for a device or another process gets what one turn of the event loop gathers:
 * the longer wait makes larger batches, and is short beside the work. An immediate store
 * (`supports.immediate`) gets a batch when the code that runs has returned: there a batch saves
 * nothing, and the turn would be most of the time of a call.
 *
 * Batches are bounded, so that one burst does not hold the event loop; a next batch starts in the
 * next turn without waiting for the answer of the one before. A batch that one of its requests
 * spoils is halved until that request is alone, so that none fails for another.
 *
 * Invariants
 *  B1  Requests made by the same synchronous code are in one batch, up to `BATCH_MAX`.
 *  B2  At most `BATCH_MAX` requests are worked off before a turn of the event loop is waited for:
 *      a caller that awaits one call after another cannot starve timers and sockets.
 */
import { afterThis, nextTurn } from "../../../actors/time/soon.ts";

/** Writes or keys in one batch: a synchronous store holds the event loop for a few ms with them. */
const BATCH_MAX = 256;

interface Waiting<Request, Answer> {
  readonly request: Request;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

/** How a batch is worked off. */
export interface GatherWork<Request, Answer> {
  /** Answers every request, in their order, or throws. */
  readonly run: (requests: readonly Request[]) => Promise<readonly Answer[]>;
  /** True for a failure that comes from one request, after which none of them has taken effect. */
  readonly isOfOne: (error: unknown) => boolean;
  /** True: a batch waits for the code that runs. False: for the next turn of the event loop. */
  readonly isImmediate: boolean;
}

/** A function of one request, worked off in batches. */
export function batchPerTick<Request, Answer>(
  work: GatherWork<Request, Answer>,
): (request: Request) => Promise<Answer> {
  const waiting: Waiting<Request, Answer>[] = [];
  /** Requests that may be worked off before the next turn. */
  let left = work.isImmediate ? BATCH_MAX : 0;
  const flushInNextTurn = (): void =>
    nextTurn(() => {
      left = BATCH_MAX;
      flush(waiting.splice(0, BATCH_MAX));
      if (waiting.length > 0) flushInNextTurn();
    });
  const flush = (batch: readonly Waiting<Request, Answer>[]): void => {
    left = work.isImmediate ? left - batch.length : 0;
    void answer(batch, work);
  };
  const flushSoon = (): void => {
    if (waiting.length > left) flushInNextTurn();
    else flush(waiting.splice(0));
  };
  const schedule = (): void => {
    if (left > 0) afterThis(flushSoon);
    else flushInNextTurn();
  };
  return (request) =>
    new Promise((resolve, reject) => {
      if (waiting.length === 0) schedule();
      waiting.push({ request, resolve, reject });
    });
}

async function answer<Request, Answer>(
  batch: readonly Waiting<Request, Answer>[],
  work: GatherWork<Request, Answer>,
): Promise<void> {
  try {
    const answers = await work.run(batch.map(({ request }) => request));
    // `run` answers every request, so the lengths are equal.
    batch.forEach(({ resolve }, index) => resolve(answers[index] as Answer));
  } catch (error) {
    if (batch.length === 1 || !work.isOfOne(error)) {
      for (const { reject } of batch) reject(error);
      return;
    }
    const half = Math.ceil(batch.length / 2);
    await answer(batch.slice(0, half), work);
    await answer(batch.slice(half), work);
  }
}
