/**
 * Replies to the messages of an input, many at a time.
 *
 * A session's messages are processed one after another, because a reply depends on the earlier
 * messages; as many sessions as may be in flight are processed at once.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { isHoldfastError, type RunOptions, type Runtime, type Sequencer } from "../index.ts";
import { createConversation, endSession, requestId } from "./conversation.ts";
import type { Message } from "./message.ts";

/** How long to wait for a message that another process runs; longer than a run's lease. */
const LEASE_PATIENCE_MS = 60_000;
const LEASE_POLL_MS = 50;

/** The outcome of the messages. */
export interface Progress {
  /** Replied to by this process. */
  answered: number;
  /** Of these, with steps that another process had finished before it was interrupted. */
  takenUp: number;
  /** Replied to by another process, found in the store. */
  before: number;
  /** Without a reply: a step or the store failed. */
  failed: number;
}

/** The options of `answerAll`. */
export interface AnswerOptions {
  readonly runtime: Runtime;
  readonly inFlight: number;
  /** Called when a message counts in all its scopes, in the middle of its run. */
  readonly onCounted: () => void;
  /** Called after each message. */
  readonly onProgress: (progress: Readonly<Progress>) => void;
  readonly onFailure: (message: Message, error: unknown) => void;
}

/** Replies to every message; resolves when each has a reply or has failed. */
export async function answerAll(
  messages: readonly Message[],
  options: AnswerOptions,
): Promise<Progress> {
  const engine = new Engine(options);
  const sessions = bySession(messages).values();
  const work = async (): Promise<void> => {
    for (const session of sessions) await engine.answerSession(session);
  };
  await Promise.all(Array.from({ length: options.inFlight }, work));
  return engine.progress;
}

/** The messages of each session, in order. */
export function bySession(messages: readonly Message[]): Map<string, Message[]> {
  const sessions = new Map<string, Message[]>();
  for (const message of messages) {
    const known = sessions.get(message.session);
    if (known === undefined) sessions.set(message.session, [message]);
    else known.push(message);
  }
  return sessions;
}

class Engine {
  readonly progress: Progress = { answered: 0, takenUp: 0, before: 0, failed: 0 };
  readonly #options: AnswerOptions;
  /** The first step that each message in flight ran here. */
  readonly #firstStep = new Map<number, number>();
  readonly #conversation: Sequencer;

  constructor(options: AnswerOptions) {
    this.#options = options;
    this.#conversation = createConversation({
      onStep: ({ number }, stepIndex) => {
        if (!this.#firstStep.has(number)) this.#firstStep.set(number, stepIndex);
      },
      onCounted: options.onCounted,
    });
  }

  /** Replies to a session's messages; after a failure the rest is not tried. */
  async answerSession(messages: readonly Message[]): Promise<void> {
    let failure: { readonly error: unknown } | undefined;
    for (const message of messages) {
      try {
        if (failure !== undefined) throw failure.error;
        await this.#answer(message, message === messages.at(-1));
        this.#count(message);
      } catch (error) {
        failure = { error };
        this.progress.failed += 1;
        this.#options.onFailure(message, error);
      }
      this.#options.onProgress(this.progress);
    }
  }

  async #answer(message: Message, isLast: boolean): Promise<void> {
    const { runtime } = this.#options;
    const { user, session, org } = message;
    const orgId = org === undefined ? {} : { orgId: org };
    const ids = { userId: user, sessionId: session, ...orgId, requestId: requestId(message) };
    await runtime.execute(ids, async (scopes) => {
      await this.#run({ runId: scopes.requestId, input: message, scopes });
      if (!isLast) return;
      await Promise.all([endSession(scopes.user, session), endSession(scopes.org, session)]);
    });
  }

  /** Runs the remaining steps; waits while another process runs them. */
  async #run(options: RunOptions): Promise<void> {
    const deadline = performance.now() + LEASE_PATIENCE_MS;
    for (;;) {
      try {
        await this.#options.runtime.run(this.#conversation, options).result;
        return;
      } catch (error) {
        const isLeased = isHoldfastError(error, "RUN_LEASED");
        if (!isLeased || performance.now() > deadline) throw error;
      }
      await sleep(LEASE_POLL_MS);
    }
  }

  #count({ number }: Message): void {
    const { progress } = this;
    const firstStep = this.#firstStep.get(number);
    this.#firstStep.delete(number);
    if (firstStep === undefined) progress.before += 1;
    else progress.answered += 1;
    if (firstStep !== undefined && firstStep > 0) progress.takenUp += 1;
  }
}
