/**
 * The conversation: what is kept in each scope, and the four steps that answer a message.
 *
 * After a crash a step that was cut off runs again, and its change of a scope may be stored
 * already: the change and the step's completion are two records. So every change is one mutation
 * that also writes down for which message it was made, and does nothing when it finds that said
 * already.
 *
 *   - Messages of one session are answered in order, so a session keeps the number of the last
 *     message it counted and of the last one it answered.
 *   - A user or an organisation has many sessions at once, each with at most one message on its
 *     way. It keeps the last counted number of each open session, and forgets it when the session's
 *     last answer is stored. Its record is no longer than the number of messages in flight.
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

/** What is kept of a request. */
export interface RequestState {
  readonly message?: number;
  readonly intent?: string;
  readonly slotCount?: number;
  readonly decision?: string;
  readonly reply?: string;
}

/** One exchange, as a session remembers it. */
export interface Exchange {
  readonly text: string;
  readonly reply: string;
}

/** What is kept of a session. */
export interface SessionState {
  readonly messages: number;
  /** How many slots came with its messages, also those that came twice. */
  readonly slotCount: number;
  /** The latest value of each slot. */
  readonly slots: Slots;
  /** The latest exchanges. */
  readonly history: readonly Exchange[];
  /** The number of the last message that was counted, and of the last one that was answered. */
  readonly counted: number;
  readonly answered: number;
}

/** What is kept of a user or an organisation. */
export interface TotalState {
  readonly messages: number;
  readonly slotCount: number;
  /** The number of the last message that was counted, for each session on its way. */
  readonly open: Readonly<Record<string, number>>;
}

/** Exchanges a session remembers. */
export const HISTORY_MAX = 10;
/** Characters of a text that are kept in the history. */
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

/** The id under which a message's request and run are kept. */
export function requestId({ number }: Pick<Message, "number">): string {
  return `message-${number}`;
}

/** Is told how far each message is. */
export interface ConversationListener {
  readonly onStep: (message: Message, stepIndex: number) => void;
  /** The message counts in all its scopes, and the step that counted it is not finished yet. */
  readonly onCounted: (message: Message) => void;
}

/** The sequencer that answers a message. */
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

/** What the last two steps work with. */
interface Known extends Pick<Reading, "intent"> {
  /** Names of the slots that the session knows with this message. */
  readonly known: readonly string[];
}

async function updateTotals(context: StepContext, message: Message): Promise<Known> {
  // What the step before returned.
  const reading = context.previous as Reading;
  const slotCount = Object.keys(reading.slots).length;
  const scope = sessionOf(context);
  await Promise.all([
    scope.atomicState((session) => {
      if (session.counted >= message.number) return undefined;
      return {
        counted: message.number,
        messages: session.messages + 1,
        slotCount: session.slotCount + slotCount,
        slots: { ...session.slots, ...reading.slots },
      };
    }),
    countIn(context.user, message, slotCount),
    countIn(context.org, message, slotCount),
  ]);
  // Just after its own change the state is the store's; later, in a process that takes this run up,
  // it may be older. So what the next steps need is kept as this step's result.
  return { intent: reading.intent, known: Object.keys(scope.state.slots) };
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
  // What the step before returned.
  const { intent, known } = context.previous as Known;
  const decision = decide(intent, known);
  await context.request?.patchState({ decision: decision.slot ?? decision.kind });
  return { intent, known, decision };
}

async function answer(context: StepContext, { number, text }: Message): Promise<string> {
  // What the step before returned.
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

/** Forgets the open session of a user or an organisation, once its last answer is stored. */
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
