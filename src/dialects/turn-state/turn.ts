/** A turn: both mailboxes, both documents, the handler, the save. */
import type { TurnActivity } from "./activity.ts";
import type { TurnSection } from "./turn-section.ts";
import { turnPolicy, type TurnOptions, type TurnPolicy } from "./policy.ts";
import { TurnState } from "./turn-state.ts";
import { vaultOf, type StorageLike } from "./vault-of.ts";
import type { Vault } from "./vault.ts";
import { saveAtEnd, TurnWork } from "./work.ts";

/** What a handler receives besides its state. */
export interface TurnContext<A extends TurnActivity = TurnActivity> {
  readonly activity: A;
  readonly state: TurnState;
  /** Aborts when the turn is abandoned: nothing of it will be stored. */
  readonly signal: AbortSignal;
}

/** The code of a turn. */
export type TurnHandler<T, A extends TurnActivity = TurnActivity> = (
  state: TurnState,
  context: TurnContext<A>,
) => T | Promise<T>;

/**
 * Runs a turn; resolves to the handler's value when its state is stored. Turns of one conversation
 * run one after another, and so do turns of one user. Rejects with the handler's error (nothing is
 * stored then), `ScopeMutationTimeoutError` after too long a wait, `ReentrantMutationError` inside
 * a turn of the same conversation or user, and with the errors of `save`.
 */
export async function runTurn<T, A extends TurnActivity = TurnActivity>(
  storage: StorageLike,
  activity: A,
  handler: TurnHandler<T, A>,
  options?: TurnOptions,
): Promise<T> {
  return runWith({ vault: vaultOf(storage), policy: turnPolicy(options) }, activity, handler);
}

/** `runTurn` after all checks. */
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
    const section = await work.acquire();
    await section.during(work.load());
    const state = new TurnState(work);
    const context = {
      activity,
      state,
      get signal() {
        return section.signal; // Made at the first read.
      },
    };
    const value = await handled(work, section, () => handler(state, context));
    await saveAtEnd(work);
    return value;
  } finally {
    work.end();
  }
}

/** Runs the handler. When it throws, its state is stored only if the policy allows it. */
async function handled<T>(
  work: TurnWork,
  section: TurnSection,
  handler: () => T | Promise<T>,
): Promise<T> {
  try {
    return await section.run(handler);
  } catch (error) {
    if (work.policy.onHandlerError === "persist" && !section.exclusive.ended)
      await saveOrReport(work);
    throw error;
  }
}

/** The handler's error is thrown, so a second error is only logged. */
async function saveOrReport(work: TurnWork): Promise<void> {
  try {
    await work.save();
  } catch (error) {
    work.policy.logger.error("the state of a failed turn was not stored", { error });
  }
}
