/**
 * Gathers the requests of one turn of the event loop into batches, so that all scopes that save at
 * the same time share one transaction, pipeline or round trip.
 *
 * Batches are bounded, so that one burst does not hold the event loop; a next batch starts in the
 * next turn without waiting for the answer of the one before. A batch that one of its requests
 * spoils is halved until that request is alone, so that nobody fails for his neighbour.
 */
import { nextTurn } from "../../../actors/time/soon.ts";

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
}

/** A function of one request, worked off in batches. */
export function batchPerTick<Request, Answer>(
  work: GatherWork<Request, Answer>,
): (request: Request) => Promise<Answer> {
  let waiting: Waiting<Request, Answer>[] = [];
  const flush = (): void => {
    const batch = waiting.length <= BATCH_MAX ? waiting : waiting.slice(0, BATCH_MAX);
    waiting = waiting.length <= BATCH_MAX ? [] : waiting.slice(BATCH_MAX);
    if (waiting.length > 0) nextTurn(flush);
    void answer(batch, work);
  };
  return (request) =>
    new Promise((resolve, reject) => {
      if (waiting.length === 0) nextTurn(flush);
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
