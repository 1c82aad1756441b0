/** A turn: both mailboxes, both documents, the handler, the save. */
import type { TurnActivity } from "./activity.ts";
import type { Holds } from "./holds.ts";
import { turnPolicy, type TurnOptions, type TurnPolicy } from "./policy.ts";
import { TurnState } from "./turn-state.ts";
import { vaultOf, type StorageLike } from "./vault-of.ts";
import type { Vault } from "./vault.ts";
import { saveAtEnd, TurnWork } from "./work.ts";

/** What a handler is told besides its state. */
export interface TurnContext<A extends TurnActivity = TurnActivity> {
  readonly activity: A;
  readonly state: TurnState;
  /** Aborts when the turn was given up: nothing of it will be stored. */
  readonly signal: AbortSignal;
}

/** What a turn does. */
export type TurnHandler<T, A extends TurnActivity = TurnActivity> = (
  state: TurnState,
  context: TurnContext<A>,
) => T | Promise<T>;

/**
 * Runs a turn; resolves to the handler's value when its state is stored. Turns of one
 * conversation, and turns of one user, run one after another. Rejects with what the handler
 * throws (nothing is stored then), `ScopeMutationTimeoutError` after waiting too long,
 * `ReentrantMutationError` inside a turn of the same conversation or user, and with what `save`
 * rejects with.
 */
export async function runTurn<T, A extends TurnActivity = TurnActivity>(
  storage: StorageLike,
  activity: A,
  handler: TurnHandler<T, A>,
  options?: TurnOptions,
): Promise<T> {
  return runWith({ vault: vaultOf(storage), policy: turnPolicy(options) }, activity, handler);
}

/** `runTurn` with everything checked. */
export async function runWith<T, A extends TurnActivity>(
  { vault, policy }: { readonly vault: Vault; readonly policy: TurnPolicy },
  activity: A,
  handler: TurnHandler<T, A>,
): Promise<T> {
  const turn = (): Promise<T> => workOff(new TurnWork(vault, activity, policy), activity, handler);
  return vault.call === undefined ? turn() : vault.call(turn);
}

/** One turn from its mailboxes to its save. */
async function workOff<T, A extends TurnActivity>(
  work: TurnWork,
  activity: A,
  handler: TurnHandler<T, A>,
): Promise<T> {
  try {
    const holds = await work.hold();
    await holds.during(work.load());
    const state = new TurnState(work);
    const context = {
      activity,
      state,
      get signal() {
        return holds.signal; // Made when it is asked for.
      },
    };
    const value = await handled(work, holds, () => handler(state, context));
    await saveAtEnd(work);
    return value;
  } finally {
    work.end();
  }
}

/** Runs the handler; when it throws its state is stored only if the policy says so. */
async function handled<T>(work: TurnWork, holds: Holds, handler: () => T | Promise<T>): Promise<T> {
  try {
    return await holds.run(handler);
  } catch (error) {
    if (work.policy.onHandlerError === "persist" && !holds.section.ended) await saveOrReport(work);
    throw error;
  }
}

/** The handler's own error is the one to throw, so a second one is only reported. */
async function saveOrReport(work: TurnWork): Promise<void> {
  try {
    await work.save();
  } catch (error) {
    work.policy.logger.error("the state of a failed turn was not stored", { error });
  }
}
