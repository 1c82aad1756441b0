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
 *  B3  `answered` waits for every request that was made before it, begun or not.
 */
import { afterThis, nextTurn } from "../../../actors/time/soon.ts";

/** Writes or keys in one batch: a synchronous store holds the event loop for a few ms with them. */
const BATCH_MAX = 256;

/** How a batch is worked off. */
export interface BatchWork<Request, Answer> {
  /** Answers every request, in their order, or throws. */
  readonly run: (requests: readonly Request[]) => Promise<readonly Answer[]>;
  /** True for a failure that comes from one request, after which none of them has taken effect. */
  readonly isOfOne: (error: unknown) => boolean;
  /** True: a batch waits for the code that runs. False: for the next turn of the event loop. */
  readonly isImmediate: boolean;
}

/** Requests that are worked off together; a request has the same place in each list. */
interface Batch<Request, Answer> {
  readonly requests: Request[];
  readonly resolve: ((answer: Answer) => void)[];
  readonly reject: ((error: unknown) => void)[];
  readonly onEnd: (() => void)[];
}

/** Requests of one kind, worked off in batches; see the head of this file. */
export class BatchPerTick<Request, Answer> {
  readonly #work: BatchWork<Request, Answer>;
  /** Not begun, oldest first; only the last one has room. */
  readonly #waiting: Batch<Request, Answer>[] = [];
  readonly #begun = new Set<Batch<Request, Answer>>();
  /** Requests that may be worked off before the next turn. */
  #left: number;

  constructor(work: BatchWork<Request, Answer>) {
    this.#work = work;
    this.#left = work.isImmediate ? BATCH_MAX : 0;
  }

  /** Resolves to the answer of a request. */
  add(request: Request): Promise<Answer> {
    let batch = this.#waiting.at(-1);
    if (batch === undefined || batch.requests.length === BATCH_MAX) batch = this.#open();
    const { requests, resolve, reject } = batch;
    return new Promise((accept, refuse) => {
      requests.push(request);
      resolve.push(accept);
      reject.push(refuse);
    });
  }

  /** Resolves when those requests so far that match are answered (B3). */
  async answered(matches: (request: Request) => boolean): Promise<void> {
    const batches = [...this.#begun, ...this.#waiting];
    const asked = batches.filter(({ requests }) => requests.some(matches));
    await Promise.all(asked.map(({ onEnd }) => new Promise<void>((end) => onEnd.push(end))));
  }

  #open(): Batch<Request, Answer> {
    const batch = { requests: [], resolve: [], reject: [], onEnd: [] };
    if (this.#waiting.push(batch) > 1) return batch;
    if (this.#left > 0) afterThis(() => this.#beginSoon());
    else this.#beginInNextTurn();
    return batch;
  }

  #beginSoon(): void {
    const [batch, next] = this.#waiting;
    if (next !== undefined || (batch?.requests.length ?? 0) > this.#left) this.#beginInNextTurn();
    else void this.#begin();
  }

  #beginInNextTurn(): void {
    nextTurn(() => {
      this.#left = BATCH_MAX;
      // Before the batch begins: a request that is made meanwhile asks for a turn of its own.
      if (this.#waiting.length > 1) this.#beginInNextTurn();
      void this.#begin();
    });
  }

  /** Works off the oldest batch; never rejects. */
  async #begin(): Promise<void> {
    const batch = this.#waiting.shift();
    if (batch === undefined) return;
    this.#left = this.#work.isImmediate ? this.#left - batch.requests.length : 0;
    this.#begun.add(batch);
    await this.#answer(batch, 0, batch.requests.length);
    this.#begun.delete(batch);
    for (const end of batch.onEnd) end();
  }

  /** Settles the requests from one place to before another; never rejects. */
  async #answer(batch: Batch<Request, Answer>, from: number, to: number): Promise<void> {
    const { requests, resolve, reject } = batch;
    const { run, isOfOne } = this.#work;
    try {
      const answers = await run(to - from < requests.length ? requests.slice(from, to) : requests);
      // `run` answers every request, so the lengths are equal.
      for (let at = from; at < to; at++) resolve[at]?.(answers[at - from] as Answer);
    } catch (error) {
      if (to - from > 1 && isOfOne(error)) {
        const half = from + Math.ceil((to - from) / 2);
        await this.#answer(batch, from, half);
        return this.#answer(batch, half, to);
      }
      for (let at = from; at < to; at++) reject[at]?.(error);
    }
  }
}
