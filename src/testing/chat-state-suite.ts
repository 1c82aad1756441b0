/** What the Chat SDK asks of its state adapters, as tests, for every adapter and test runner. */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { simulatedClock } from "./clock.ts";
import type { SuiteRunner } from "./store-suite.ts";
import type { SuiteContext } from "./suite-case.ts";
import type { ChatState, ChatStateCase } from "./suite-chat.ts";
import { chatThreadCases } from "./suite-chat-threads.ts";
import { chatValueCases } from "./suite-chat-values.ts";

/** How the suite reaches an adapter. */
export interface ChatStateSuiteOptions {
  readonly name: string;
  /** An adapter without data; the suite connects it. */
  create(context: SuiteContext): ChatState | Promise<ChatState>;
  /**
   * An adapter on the data of `create`, which was disconnected before. Absent: nothing outlives an
   * adapter, and the case of a restart does not apply.
   */
  reopen?(context: SuiteContext): ChatState | Promise<ChatState>;
  /** Lets `ms` pass for the adapter; default: waits so long. */
  advance?(context: SuiteContext, ms: number): void | Promise<void>;
  /** Removes the data, after the adapters were disconnected. */
  destroy?(context: SuiteContext): void | Promise<void>;
  /** Gets one line for each case that does not apply; default: the console. */
  onSkip?(line: string): void;
}

/** Any time works, if all adapters of a test share it: a whole number of seconds. */
const START_MS = 1_700_000_000_000;

/**
 * Registers the whole suite for one state adapter of the Chat SDK. It needs nothing of the SDK. The
 * case of a restart prints a line and passes where there is no `reopen`.
 */
export function describeChatState(runner: SuiteRunner, options: ChatStateSuiteOptions): void {
  runner.describe(`${options.name} keeps what the Chat SDK asks of its state`, () => {
    for (const claim of [...chatThreadCases, ...chatValueCases])
      runner.it(claim.name, () => runCase(options, claim));
  });
}

async function runCase(options: ChatStateSuiteOptions, claim: ChatStateCase): Promise<void> {
  const { name, needsReopen = false } = claim;
  if (needsReopen && options.reopen === undefined) {
    const say = options.onSkip?.bind(options) ?? console.log;
    say(`${options.name}: skipped "${name}", it needs reopen`);
    return;
  }
  const context: SuiteContext = { id: randomUUID(), clock: simulatedClock(START_MS) };
  const opened: ChatState[] = [];
  const keep = async (made: ChatState | Promise<ChatState>): Promise<ChatState> => {
    const state = await made;
    opened.push(state);
    await state.connect();
    return state;
  };
  try {
    await claim.run({
      state: await keep(options.create(context)),
      advance: async (ms) => options.advance?.(context, ms) ?? sleep(ms),
      reopen: async () => {
        await opened.pop()?.disconnect();
        const state = options.reopen?.(context);
        if (state === undefined) throw new TypeError("the suite needs the option `reopen`");
        return keep(state);
      },
    });
  } finally {
    for (const state of opened) await state.disconnect();
    await options.destroy?.(context);
  }
}
