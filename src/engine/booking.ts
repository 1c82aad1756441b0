/**
 * Bookings of the served engine: a run that waits for a person, and that fails now and then; and
 * the desk of an organisation, which serves one guest after another.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { defineSequencer, type Runtime, type Scope, type Sequencer } from "../index.ts";

/** The state of a desk. */
export interface DeskState {
  readonly served: number;
  readonly last: string;
  /** Guests who came by another process. */
  readonly walkIns: number;
}

/** What a booking starts from. */
export interface BookingInput {
  readonly number: number;
  readonly desk: string;
  readonly guest: string;
}

/** What a person answers. */
interface Approval {
  readonly approved: boolean;
  readonly note: string;
}

/** How long a guest is at the desk; milliseconds. */
const DESK_MS = { least: 200, more: 1_000 } as const;
/** One in so many deposits is declined. */
const DECLINED_EACH = 5;

/** A schema as schema libraries make them; its JSON Schema gives the form in the inspector. */
const approval = {
  "~standard": {
    version: 1 as const,
    vendor: "engine",
    validate: (value: unknown): { value: Approval } | { issues: { message: string }[] } => {
      const { approved, note = "" }: { approved?: unknown; note?: unknown } = Object(value);
      if (typeof approved === "boolean" && typeof note === "string")
        return { value: { approved, note } };
      return { issues: [{ message: "approved must be true or false, note a text" }] };
    },
    jsonSchema: {
      input: () => ({
        type: "object",
        properties: {
          approved: { type: "boolean" },
          note: { type: "string", description: "for the guest" },
        },
        required: ["approved"],
      }),
    },
  },
};

/** The sequencer of bookings. */
export function createBooking(runtime: Runtime): Sequencer {
  // The input of these runs is always a booking: only the served engine starts them.
  return defineSequencer({ name: "booking" })
    .step("hold a table", async (context) => {
      const { desk, guest } = context.input as BookingInput;
      await atDesk(await runtime.open<DeskState>("desk", desk), guest, context.signal);
      return { held: true };
    })
    .step(
      "charge the deposit",
      async (context) => {
        const { number } = context.input as BookingInput;
        await sleep(200);
        if (number % DECLINED_EACH === 0) throw new Error("the card of the guest was declined");
        return { paid: true };
      },
      { retry: { attempts: 3, baseDelayMs: 300 } },
    )
    .step("ask the manager", (context) =>
      context.suspend({
        reason: "Is this table free?",
        schema: approval,
        data: context.input,
      }),
    )
    .step("confirm", (context) => {
      const { approved, note } = context.previous;
      return {
        text: approved ? `See you soon. ${note}`.trim() : `Sorry, no table. ${note}`.trim(),
      };
    });
}

/** Serves a guest: the others wait in the mailbox of the desk. */
export async function atDesk(
  desk: Scope<DeskState>,
  guest: string,
  signal: AbortSignal,
): Promise<void> {
  await desk.atomicState(
    async ({ served }) => {
      await sleep(DESK_MS.least + Math.random() * DESK_MS.more);
      return { served: served + 1, last: guest };
    },
    { meta: { by: guest }, signal },
  );
}
