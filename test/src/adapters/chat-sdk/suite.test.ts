/** The suite for state adapters of the Chat SDK: on the adapter here, and on the SDK's own. */
import { createMemoryState } from "@chat-adapter/state-memory";
import { describe, it, vi } from "vitest";
import { createHoldfastState } from "../../../../src/chat-sdk.ts";
import type { Runtime } from "../../../../src/index.ts";
import { describeChatState, type ChatState } from "../../../../src/testing.ts";
import { onEachStore } from "../adapter-stores.ts";

await onEachStore("chat-sdk-suite", ({ name, isDurable, fresh, open }) => {
  const used = new Map<string, { readonly place: string; runtime: Runtime }>();
  type Context = Parameters<Parameters<typeof describeChatState>[1]["create"]>[0];
  const openAt = ({ id, clock }: Context, place: string): ChatState => {
    const runtime = open(place, clock);
    used.set(id, { place, runtime });
    return createHoldfastState({ runtime });
  };
  describeChatState(
    { describe, it },
    {
      name,
      create: (context) => openAt(context, fresh()),
      advance: ({ clock }, ms) => clock.advance(ms),
      ...(isDurable && {
        async reopen(context: Context) {
          await used.get(context.id)?.runtime.close();
          return openAt(context, used.get(context.id)?.place ?? "");
        },
      }),
      destroy: ({ id }) => used.get(id)?.runtime.close(),
    },
  );
});

/** The page says of these that the adapter of the SDK does not keep them. */
const MISSED: ReadonlySet<string> = new Set([
  "a message in the queue does not change with the object of the caller",
  "a message that comes after the last dequeue is not left in the queue",
  "the last dequeue finds the message of a caller that was refused before it",
  "what was got may be changed without changing what is kept",
]);

describe("of the SDK", () => {
  const known = (name: string, body: () => Promise<void>): void =>
    (MISSED.has(name) ? it.fails : it)(name, body);
  describeChatState(
    { describe, it: known },
    {
      name: "its memory adapter",
      create() {
        vi.useFakeTimers({ toFake: ["Date"] });
        return createMemoryState();
      },
      advance: (_, ms) => void vi.setSystemTime(Date.now() + ms),
      destroy: () => void vi.useRealTimers(),
    },
  );
});
