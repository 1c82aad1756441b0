/**
 * The conversation: the state of each scope, and the four steps that reply to a message.
 *
 * After a crash an interrupted step runs again, and its change of a scope may be stored already:
 * the change and the step's completion are two records. So every change is one mutation that also
 * stores for which message it was made, and does nothing when it finds that already stored.
 *
 *   - Messages of one session are processed in order, so a session stores the number of the last
 *     message it counted and of the last one it replied to.
 *   - A user or an organisation has many sessions at once, each with at most one message in flight.
 *     It stores the last counted number of each open session, and deletes it when the session's
 *     last reply is stored. Its record is no longer than the number of messages in flight.
 *   - Writing the same values to a request again changes nothing.
 */
import {
  defineKind,
  defineSequencer,
  step,
  type Kind,
  type Scope,
  type Sequencer,
  type Step,
  type StepContext,
} from "../index.ts";
import type { Slots } from "./field.ts";
import type { Message } from "./message.ts";
import { decide, phrase, understand, type Decision, type Reading } from "./talk.ts";

/** The state of a request. */
export interface RequestState {
  readonly message?: number;
  readonly intent?: string;
  readonly slotCount?: number;
  readonly decision?: string;
  readonly reply?: string;
}

/** One exchange in the history of a session. */
export interface Exchange {
  readonly text: string;
  readonly reply: string;
}

/** The state of a session. */
export interface SessionState {
  readonly messages: number;
  /** How many slots came with its messages, also those that came twice. */
  readonly slotCount: number;
  /** The latest value of each slot. */
  readonly slots: Slots;
  /** The latest exchanges. */
  readonly history: readonly Exchange[];
  /** The number of the last message that was counted, and of the last one with a reply. */
  readonly counted: number;
  readonly answered: number;
}

/** The state of a user or an organisation. */
export interface TotalState {
  readonly messages: number;
  readonly slotCount: number;
  /** The number of the last message that was counted, for each session in flight. */
  readonly open: Readonly<Record<string, number>>;
}

/** The most exchanges in a session's history. */
export const HISTORY_MAX = 10;
/** The most characters of a text in the history. */
const TEXT_KEPT_MAX = 280;

const NO_TOTAL: TotalState = { messages: 0, slotCount: 0, open: {} };

/** The kinds of scopes the engine works on. */
export const KINDS: Readonly<Record<string, Kind>> = {
  session: defineKind<SessionState>({
    initial: { messages: 0, slotCount: 0, slots: {}, history: [], counted: 0, answered: 0 },
  }),
  user: defineKind<TotalState>({ initial: NO_TOTAL }),
  org: defineKind<TotalState>({ initial: NO_TOTAL }),
};

/** The id of a message's request and run. */
export function requestId({ number }: Pick<Message, "number">): string {
  return `message-${number}`;
}

/** Gets the progress of each message. */
export interface ConversationListener {
  readonly onStep: (message: Message, stepIndex: number) => void;
  /** The message counts in all its scopes, and the step that counted it is not finished yet. */
  readonly onCounted: (message: Message) => void;
}

/** The sequencer that replies to a message. */
export function createConversation({ onStep, onCounted }: ConversationListener): Sequencer {
  const named = (
    name: string,
    run: (context: StepContext, message: Message) => Promise<unknown>,
  ): Step =>
    step(name, (context) => {
      // The input of these runs is always a message: only this engine starts them.
      const message = context.input as Message;
      onStep(message, context.stepIndex);
      return run(context, message);
    });
  return defineSequencer({
    name: "conversation",
    steps: [
      named("understand", readMessage),
      named("update", async (context, message) => {
        const reading = await updateTotals(context, message);
        onCounted(message);
        return reading;
      }),
      named("decide", chooseNext),
      named("reply", answer),
    ],
  });
}

async function readMessage(
  context: StepContext,
  { number, text, slots }: Message,
): Promise<Reading> {
  const reading = understand(text, slots);
  const slotCount = Object.keys(reading.slots).length;
  await context.request?.patchState({ message: number, intent: reading.intent, slotCount });
  return reading;
}

/** The data of the last two steps. */
interface Known extends Pick<Reading, "intent"> {
  /** Names of the slots that the session has with this message. */
  readonly known: readonly string[];
}

async function updateTotals(context: StepContext, message: Message): Promise<Known> {
  // The result of the previous step.
  const reading = context.previous as Reading;
  const slotCount = Object.keys(reading.slots).length;
  const scope = sessionOf(context);
  const [known] = await Promise.all([
    scope.transact((session) => {
      if (session.counted < message.number) {
        session.counted = message.number;
        session.messages += 1;
        session.slotCount += slotCount;
        session.slots = { ...session.slots, ...reading.slots };
      }
      return Object.keys(session.slots);
    }),
    countIn(context.user, message, slotCount),
    countIn(context.org, message, slotCount),
  ]);
  // Another message may change the session before the next step: its data is this step's result.
  return { intent: reading.intent, known };
}

async function countIn(
  scope: Scope<Record<string, unknown>> | undefined,
  { session, number }: Message,
  slotCount: number,
): Promise<void> {
  await asTotal(scope)?.atomicState((total) => {
    // An own field only: a session may have any name.
    const counted = Object.hasOwn(total.open, session) ? (total.open[session] ?? 0) : 0;
    if (counted >= number) return undefined;
    return {
      messages: total.messages + 1,
      slotCount: total.slotCount + slotCount,
      open: { ...total.open, [session]: number },
    };
  });
}

async function chooseNext(context: StepContext): Promise<Known & { decision: Decision }> {
  // The result of the previous step.
  const { intent, known } = context.previous as Known;
  const decision = decide(intent, known);
  await context.request?.patchState({ decision: decision.slot ?? decision.kind });
  return { intent, known, decision };
}

async function answer(context: StepContext, { number, text }: Message): Promise<string> {
  // The result of the previous step.
  const { decision, intent, known } = context.previous as Awaited<ReturnType<typeof chooseNext>>;
  const reply = phrase(decision, intent, known);
  await Promise.all([
    context.request?.patchState({ reply }),
    sessionOf(context).atomicState(({ answered, history }) => {
      if (answered >= number) return undefined;
      const exchange = { text: text.slice(0, TEXT_KEPT_MAX), reply };
      return { answered: number, history: [...history, exchange].slice(-HISTORY_MAX) };
    }),
  ]);
  return reply;
}

/** Deletes the open session of a user or an organisation, once its last reply is stored. */
export async function endSession(
  scope: Scope<Record<string, unknown>> | undefined,
  session: string,
): Promise<void> {
  await asTotal(scope)?.deleteStateRecord("open", session);
}

function sessionOf({ session }: StepContext): Scope<SessionState> {
  if (session === undefined) throw new TypeError("a conversation needs a session");
  // The kind `session` starts with such a state, and only this file changes it.
  return session as unknown as Scope<SessionState>;
}

function asTotal(scope: Scope<Record<string, unknown>> | undefined): Scope<TotalState> | undefined {
  // The kinds `user` and `org` start with such a state, and only this file changes it.
  return scope as unknown as Scope<TotalState> | undefined;
}
