/**
 * The conflict machine: what happens after a save met a newer version.
 *
 *     conflicted ──budget left──▶ backingOff ──10/20/40 ms──▶ saving ──ok──▶ saved
 *         ▲  │                                                  │
 *         │  └──budget spent──▶ escalating ──ok──▶ saved        ├──threw──▶ failed
 *         │                       (or givenUp)                  │
 *         └─────────────────────────conflict────────────────────┘
 *
 * The first save of a round is sent without this machine; it is started when that save conflicts,
 * so the usual path pays nothing for it. It owns the budget and the waiting. What a save is, and
 * how the round is worked out again on the winner's state, it asks of its port.
 *
 * Invariants
 *  P1  At most `maxRetries + 1` saves per round, the first one included, plus one exclusive turn
 *      when the bridge has one and escalation is on.
 *  P2  A save that throws is never repeated: its outcome may be unknown.
 *  P3  Stopping it while it waits ends it at once; a save in flight is waited for.
 */
import { assign, createActor, fromPromise, setup, toPromise } from "xstate";
import type { CasBudget } from "./options.ts";
import type { Clock } from "../protocol.ts";

/** How one save of a round ended. `empty`: nothing was left to save. */
export type SaveStep = "saved" | "conflict" | "empty";

/** What the machine asks of the round it works for. */
export interface ConflictPort {
  readonly cas: CasBudget;
  readonly clock: Clock;
  readonly random: () => number;
  /** Works the round out again on the winner's state and saves it. */
  attempt(attempt: number): Promise<SaveStep>;
  /** The same under an exclusive turn of the store; absent when the store has none. */
  readonly exclusive?: ((attempt: number) => Promise<SaveStep>) | undefined;
}

/** How the conflict ended; `failed` carries what the save threw. */
export type ConflictEnd =
  | { readonly kind: "saved" }
  | { readonly kind: "givenUp"; readonly attempts: number }
  | { readonly kind: "failed"; readonly error: unknown }
  | { readonly kind: "stopped" };

/** Above it a power of two is infinite, and an infinite part of nothing is no number. */
const EXPONENT_MAX = 1_023;

/** Milliseconds to wait before retry `retry` (1, 2, …). */
export function backoffMs(cas: CasBudget, retry: number, random: () => number): number {
  const wait = Math.min(cas.maxDelayMs, cas.baseDelayMs * 2 ** Math.min(retry - 1, EXPONENT_MAX));
  return cas.jitter === "full" ? Math.floor(random() * wait) : wait;
}

interface ConflictContext {
  readonly port: ConflictPort;
  readonly retry: number;
  readonly end: ConflictEnd;
}

type StepInput = { readonly port: ConflictPort; readonly retry: number };

const conflictMachine = setup({
  types: {
    context: {} as ConflictContext,
    input: {} as ConflictPort,
    events: {} as { type: "stop" },
    output: {} as ConflictEnd,
  },
  delays: {
    backoff: ({ context: { port, retry } }) => backoffMs(port.cas, retry, port.random),
  },
  actors: {
    attempt: fromPromise<SaveStep, StepInput>(({ input }) => input.port.attempt(input.retry + 1)),
    escalate: fromPromise<SaveStep, StepInput>(({ input }) => {
      const { exclusive } = input.port;
      return exclusive === undefined ? Promise.resolve("conflict") : exclusive(input.retry + 1);
    }),
  },
  guards: {
    budgetLeft: ({ context: { port, retry } }) => retry < port.cas.maxRetries,
    canEscalate: ({ context: { port } }) => port.cas.escalate && port.exclusive !== undefined,
  },
  actions: {
    nextRetry: assign({ retry: ({ context }) => context.retry + 1 }),
    saved: assign({ end: { kind: "saved" } }),
    stopped: assign({ end: { kind: "stopped" } }),
  },
}).createMachine({
  id: "conflict",
  context: ({ input }) => ({
    port: input,
    retry: 0,
    end: { kind: "givenUp", attempts: input.cas.maxRetries + 1 },
  }),
  initial: "conflicted",
  states: {
    conflicted: {
      always: [
        { guard: "budgetLeft", target: "backingOff", actions: "nextRetry" },
        { guard: "canEscalate", target: "escalating" },
        { target: "ended" },
      ],
    },
    backingOff: {
      after: { backoff: "saving" },
      on: { stop: { target: "ended", actions: "stopped" } },
    },
    saving: {
      invoke: {
        src: "attempt",
        input: ({ context }) => context,
        onDone: [
          { guard: ({ event }) => event.output !== "conflict", target: "ended", actions: "saved" },
          { target: "conflicted" },
        ],
        onError: {
          target: "ended",
          actions: assign({ end: ({ event }) => ({ kind: "failed", error: event.error }) }),
        },
      },
    },
    escalating: {
      invoke: {
        src: "escalate",
        input: ({ context }) => context,
        onDone: [
          { guard: ({ event }) => event.output !== "conflict", target: "ended", actions: "saved" },
          { target: "ended" },
        ],
        onError: {
          target: "ended",
          actions: assign({ end: ({ event }) => ({ kind: "failed", error: event.error }) }),
        },
      },
    },
    ended: { type: "final" },
  },
  output: ({ context }) => context.end,
});

/** A conflict being worked on. */
export interface ConflictWork {
  readonly end: Promise<ConflictEnd>;
  /** Ends the waiting between attempts at once (P3). */
  stop(): void;
}

/** Starts the machine after a first save that conflicted. */
export function resolveConflict(port: ConflictPort): ConflictWork {
  const { clock } = port;
  const actor = createActor(conflictMachine, {
    input: port,
    clock: {
      setTimeout: (callback: () => void, delayMs: number) => clock.setTimeout(callback, delayMs),
      clearTimeout: (handle: unknown) => clock.clearTimeout(handle),
    },
  });
  const end = toPromise(actor);
  actor.start();
  return { end, stop: () => actor.send({ type: "stop" }) };
}
