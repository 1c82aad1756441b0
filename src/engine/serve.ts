/**
 * `npm start -- --serve`: the engine without an end, with the inspector of its runtime. The
 * messages of the input come again and again, at the pace of people; some lead to a booking. A
 * second runtime on the same file stands for another process.
 */
import { once, setMaxListeners } from "node:events";
import { createServer } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { inspector, toNodeListener } from "../http.ts";
import { createRuntime, defineKind, type Kind, type Runtime, type Sequencer } from "../index.ts";
import { sqliteStore } from "../sqlite.ts";
import { atDesk, createBooking, type BookingInput, type DeskState } from "./booking.ts";
import { createConversation, KINDS, requestId } from "./conversation.ts";
import { bySession } from "./engine.ts";
import { forget } from "./forget.ts";
import type { Message } from "./message.ts";
import type { EngineOptions } from "./options.ts";
import type { Printer } from "./report.ts";

/** Sessions that write at the same time. */
const GUESTS = 12;
/** Milliseconds between two messages of a session. */
const TYPING_MS = { least: 200, more: 1_200 } as const;
/** One in so many messages leads to a booking. */
const BOOKING_EACH = 12;
/** Bookings that wait for a person; of more, the oldest is answered. */
const WAITING_MAX = 5;
/** One in so many messages leads to the desk, where guests wait for each other. */
const DESK_EACH = 2;
/** The desks of an organisation. */
const DESKS = 2;
/** Milliseconds between two changes of the other runtime. */
const OTHER_MS = 800;
/** Old records expire, so that the file does not grow for ever. */
const MINUTE_MS = 60_000;
/** How long a call may take at the end. */
const DRAIN_MS = 3_000;

const SERVED_KINDS: Readonly<Record<string, Kind>> = {
  ...KINDS,
  request: defineKind({ ttlMs: 10 * MINUTE_MS }),
  session: { ...KINDS["session"], history: { versions: 50 }, ttlMs: 30 * MINUTE_MS } as Kind,
  user: { ...KINDS["user"], history: { versions: 50 } } as Kind,
  org: { ...KINDS["org"], history: { versions: 50 } } as Kind,
  sequencer: defineKind({ durability: "checkpoint", ttlMs: 10 * MINUTE_MS }),
  desk: defineKind<DeskState>({ initial: { served: 0, last: "", walkIns: 0 }, history: 100 }),
};

/** Serves until the process is interrupted. */
export async function serve(
  messages: readonly Message[],
  { dataDir, port = 0 }: EngineOptions,
  { out }: Printer,
): Promise<void> {
  const path = join(dataDir, "live.db");
  await forget(path);
  const over = new AbortController();
  setMaxListeners(4 * GUESTS, over.signal); // Each guest waits by it.
  const end = (): void => over.abort();
  process.once("SIGINT", end).once("SIGTERM", end);
  await using runtime = served(path);
  await using other = served(path);
  const server = createServer(toNodeListener(inspector(runtime, { write: true })));
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const place = `http://127.0.0.1:${typeof address === "object" ? address?.port : port}/`;
  out(`The inspector is at ${place}\nThe state is in ${path}. Ctrl-C ends it.\n`);
  const engine = new LiveEngine(runtime, over.signal);
  await Promise.all([engine.converse(messages), meddle(other, messages, over.signal)]);
  out("\nending\n");
  server.close();
  server.closeAllConnections();
  await runtime.close({ drainMs: DRAIN_MS });
}

function served(path: string): Runtime {
  const store = sqliteStore({ path });
  return createRuntime({ store, kinds: SERVED_KINDS, logger: QUIET });
}

/** Runs that fail are shown in the inspector. */
const QUIET = { warn: () => undefined, error: () => undefined };

/** Changes desks as another process would: while a guest is there, so that its save conflicts. */
async function meddle(
  runtime: Runtime,
  messages: readonly Message[],
  signal: AbortSignal,
): Promise<void> {
  const orgs = [...new Set(messages.flatMap(({ org }) => org ?? []))];
  for (let turn = 0; !signal.aborted && orgs.length > 0; turn += 1) {
    const desk = await runtime.open<DeskState>("desk", deskOf(orgs[turn % orgs.length], turn));
    await desk.incState({ walkIns: 1 }, { meta: { by: "another process" } });
    await pause(OTHER_MS, signal);
  }
}

function deskOf(org: string = "front", number: number = 0): string {
  return `${org} desk ${(number % DESKS) + 1}`;
}

function nothing(): void {
  // The served engine counts nothing itself.
}

class LiveEngine {
  readonly #runtime: Runtime;
  readonly #signal: AbortSignal;
  readonly #conversation: Sequencer;
  readonly #booking: Sequencer;
  readonly #waiting: string[] = [];
  #number = 0;

  constructor(runtime: Runtime, signal: AbortSignal) {
    this.#runtime = runtime;
    this.#signal = signal;
    this.#conversation = createConversation({ onStep: nothing, onCounted: nothing });
    this.#booking = createBooking(runtime);
  }

  /** Replies to the messages, again and again; resolves when the engine ends. */
  async converse(messages: readonly Message[]): Promise<void> {
    for (let round = 1; !this.#signal.aborted && messages.length > 0; round += 1) {
      const sessions = bySession(messages).values();
      const guest = async (): Promise<void> => {
        for (const session of sessions) await this.#session(session, round);
      };
      await Promise.all(Array.from({ length: GUESTS }, guest));
    }
  }

  async #session(messages: readonly Message[], round: number): Promise<void> {
    for (const message of messages) {
      if (this.#signal.aborted) return;
      this.#number += 1;
      const number = this.#number;
      await this.#answer({ ...message, number, session: `${message.session}.${round}` });
      if (number % BOOKING_EACH === 0) this.#book(number, message);
      await pause(TYPING_MS.least + Math.random() * TYPING_MS.more, this.#signal);
    }
  }

  async #answer(message: Message): Promise<void> {
    const { user, session, org } = message;
    const orgId = org === undefined ? {} : { orgId: org };
    const ids = { userId: user, sessionId: session, ...orgId, requestId: requestId(message) };
    await this.#runtime.execute(ids, async (scopes) => {
      const run = { runId: scopes.requestId, input: message, scopes };
      await this.#runtime.run(this.#conversation, run).result;
    });
    if (message.number % DESK_EACH !== 0) return;
    const id = deskOf(org, message.number / DESK_EACH);
    const desk = await this.#runtime.open<DeskState>("desk", id);
    await atDesk(desk, user, this.#signal).catch(this.#unlessOver);
  }

  /** At the end a guest who waits leaves. */
  readonly #unlessOver = (error: unknown): void => {
    if (!this.#signal.aborted) throw error;
  };

  #book(number: number, { org, user }: Message): void {
    const desk = deskOf(org, number);
    const input: BookingInput = { number: number / BOOKING_EACH, desk, guest: user };
    const runId = `booking-${input.number}`;
    void this.#runtime.run(this.#booking, { runId, input }).result.then(
      () => this.#suspended(runId),
      () => undefined, // The inspector shows why it failed.
    );
  }

  /** A booking waits; when too many do, the manager answers the oldest. */
  async #suspended(runId: string): Promise<void> {
    this.#waiting.push(runId);
    const oldest = this.#waiting.length > WAITING_MAX ? this.#waiting.shift() : undefined;
    if (oldest === undefined) return;
    const answer = { approved: true, note: "Ask for Noor." };
    // It may have been answered or cancelled in the inspector.
    await this.#runtime.resume(this.#booking, oldest, answer).catch(() => undefined);
  }
}

/** Waits, unless the engine ends before. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}
