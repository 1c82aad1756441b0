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
 * What many scopes send is gathered here, too, and nowhere before: a scope that has something to
 * save gives itself as a sender, and is called when the batch begins. So a scope that waits for the
 * batch makes no request, and what is called meanwhile goes into the same save.
 *
 * Invariants
 *  B1  Requests made by the same synchronous code are in one batch, up to `BATCH_MAX`.
 *  B2  At most `BATCH_MAX` requests are worked off before a turn of the event loop is waited for:
 *      a caller that awaits one call after another cannot starve timers and sockets.
 *  B3  `answered` waits for every request that was made before it, begun or not.
 *  B4  A sender is called once, outside of the code that gave it, and its request is in the batch
 *      that begins then; if that batch has no room, the next one is for senders.
 */
import { afterThis, nextTurn } from "../../../actors/time/soon.ts";

/** Writes or keys in one batch: a synchronous store holds the event loop for a few ms with them. */
const BATCH_MAX = 256;

/** Receives the answer of a request: one call of one method, which must not throw. */
export interface Receiver<Answer> {
  answered(answer: Answer): void;
  failed(error: unknown): void;
}

/** Has something to send with the next batch; `send`, which must not throw, makes the request. */
export interface Sender {
  send(): void;
}

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
  readonly receivers: Receiver<Answer>[];
  onEnd: (() => void) | null;
}

/** Requests of one kind, worked off in batches; see the head of this file. */
export class BatchPerTick<Request, Answer> {
  readonly #work: BatchWork<Request, Answer>;
  /** Not begun, oldest first. */
  readonly #waiting: Batch<Request, Answer>[] = [];
  #senders: Sender[] = [];
  /** How many of these were called. */
  #called = 0;
  /** Takes requests: the batch that senders fill, else the last one waiting; has room. */
  #open: Batch<Request, Answer> | null = null;
  /** The last batch had no room for senders: the next one is theirs. */
  #isTheirs = false;
  readonly #begun = new Set<Batch<Request, Answer>>();
  /** The next batch is about to begin, or begins. */
  #isDue = false;
  /** How many requests may be worked off before the next turn. */
  #left: number;

  constructor(work: BatchWork<Request, Answer>) {
    this.#work = work;
    this.#left = work.isImmediate ? BATCH_MAX : 0;
  }

  /** Resolves to the answer of a request. */
  add(request: Request): Promise<Answer> {
    return new Promise((answered, failed) => this.put(request, { answered, failed }));
  }

  /** Adds a request with the receiver of its answer. */
  put(request: Request, receiver: Receiver<Answer>): void {
    const batch = (this.#open ??= this.#addBatch());
    batch.receivers.push(receiver);
    if (batch.requests.push(request) === BATCH_MAX) this.#open = null;
  }

  /** Calls `sender` when a batch with room begins (B4). */
  gather(sender: Sender): void {
    this.#senders.push(sender);
    if (!this.#isDue) this.#schedule();
  }

  /** Resolves when those requests so far that match are answered (B3). */
  async answered(matches: (request: Request) => boolean): Promise<void> {
    const batches = [...this.#begun, ...this.#waiting];
    const asked = batches.filter(({ requests }) => requests.some(matches));
    const ends = asked.map(
      (batch) =>
        new Promise<void>((end) => {
          const before = batch.onEnd;
          batch.onEnd = before === null ? end : () => (before(), end());
        }),
    );
    await Promise.all(ends);
  }

  #addBatch(): Batch<Request, Answer> {
    const batch = { requests: [], receivers: [], onEnd: null };
    this.#waiting.push(batch);
    if (!this.#isDue) this.#schedule();
    return batch;
  }

  #schedule(): void {
    this.#isDue = true;
    if (this.#left > 0) return afterThis(this.#beginIfFew);
    if (this.#work.isImmediate) this.#left = BATCH_MAX;
    nextTurn(this.#begin);
  }

  /** Begins what is due, unless it is more than may be worked off before the next turn. */
  readonly #beginIfFew = (): void => {
    const [batch, next] = this.#waiting;
    const size = (batch?.requests.length ?? 0) + this.#senders.length - this.#called;
    if (next === undefined && size <= this.#left) return this.#begin();
    this.#left = 0;
    this.#schedule();
  };

  /** Lets the senders so far fill the oldest batch, or one of their own, and begins it. */
  readonly #begin = (): void => {
    const next = this.#isTheirs ? undefined : this.#waiting.shift();
    const batch = next ?? { requests: [], receivers: [], onEnd: null };
    this.#begun.add(batch);
    try {
      this.#fill(batch);
    } finally {
      if (this.#work.isImmediate) this.#left -= batch.requests.length;
      // Before the batch begins: a request that is made meanwhile asks for a turn of its own.
      this.#isDue = this.#waiting.length + this.#senders.length > 0;
      if (this.#isDue) {
        this.#left = 0;
        this.#schedule();
      }
      void this.#answer(batch);
    }
  };

  /** Calls the senders so far, while the batch has room. */
  #fill(batch: Batch<Request, Answer>): void {
    const [first, count, last] = [this.#called, this.#senders.length, this.#open];
    if (batch.requests.length < BATCH_MAX) this.#open = batch;
    try {
      while (this.#called < count && batch.requests.length < BATCH_MAX)
        this.#senders[this.#called++]?.send();
    } finally {
      if (this.#open === batch || this.#open === null) this.#open = last === batch ? null : last;
      this.#isTheirs = count > first && this.#called === first;
      if (this.#called * 2 >= this.#senders.length) {
        this.#senders = this.#senders.slice(this.#called); // Also while some always wait.
        this.#called = 0;
      }
    }
  }

  /** Works a batch off and answers its requests; never rejects. */
  async #answer(batch: Batch<Request, Answer>): Promise<void> {
    const { requests, receivers } = batch;
    const { run, isOfOne } = this.#work;
    const ends = [requests.length]; // Of the parts that follow, the next one last.
    let from = 0;
    for (let to = ends.at(-1); to !== undefined && to > from; to = ends.at(-1)) {
      try {
        const isWhole = to - from === requests.length;
        const answers = await run(isWhole ? requests : requests.slice(from, to));
        // `run` answers every request, so the lengths are equal.
        for (let at = from; at < to; at++) answer(receivers[at], answers[at - from] as Answer);
      } catch (error) {
        if (to - from > 1 && isOfOne(error)) {
          ends.push(from + Math.ceil((to - from) / 2));
          continue;
        }
        for (let at = from; at < to; at++) receivers[at]?.failed(error);
      }
      from = to;
      ends.pop();
    }
    this.#begun.delete(batch);
    batch.onEnd?.();
  }
}

/** A receiver that throws has failed alone: the requests beside it have their own answers. */
function answer<Answer>(receiver: Receiver<Answer> | undefined, given: Answer): void {
  try {
    receiver?.answered(given);
  } catch (error) {
    receiver?.failed(error);
  }
}
