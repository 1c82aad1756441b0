/**
 * The checkout of an order as a machine. It invokes the order's scope: every change of the scope,
 * no matter who makes it, is a snapshot to which the machine reacts.
 */
import { scopeLogic } from "holdfast/actors";
import { assign, fromPromise, setup } from "xstate";
import type { OrderScope } from "./shop.ts";

interface Checkout {
  order: OrderScope;
  seen: number;
}

/** Types for XState, which reads no value here. */
const types: { context?: Checkout; input?: { order: OrderScope } } = {};

export const checkout = setup({
  types,
  actors: {
    order: scopeLogic,
    pack: fromPromise(async ({ input }: { input: { order: OrderScope } }) => {
      const { order } = input;
      return order.transact((draft) => (draft.parcel = `parcel of ${draft.items.length} items`));
    }),
  },
  guards: {
    isPaid: ({ context }) => context.order.state.paid,
  },
  actions: {
    log: ({ context }, what: string) => console.log(what, "at version", context.seen),
  },
}).createMachine({
  context: ({ input }) => ({ order: input.order, seen: 0 }),
  invoke: {
    src: "order",
    input: ({ context }) => ({ scope: context.order }),
    onSnapshot: {
      actions: assign({ seen: ({ event }) => event.snapshot.context.version }),
    },
  },
  initial: "open",
  states: {
    open: {
      entry: { type: "log", params: "open" },
      always: { guard: "isPaid", target: "packing" },
    },
    packing: {
      entry: { type: "log", params: "packing" },
      invoke: {
        src: "pack",
        input: ({ context }) => ({ order: context.order }),
        onDone: "packed",
      },
    },
    packed: { type: "final", entry: { type: "log", params: "packed" } },
  },
});
