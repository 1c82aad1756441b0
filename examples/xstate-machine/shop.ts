/** The orders of a shop: what they are, and where they are kept. */
import { createRuntime, defineKind } from "holdfast";

interface Order {
  items: string[];
  paid: boolean;
  parcel: string;
}

export const runtime = createRuntime({
  kinds: { order: defineKind<Order>({ initial: { items: [], paid: false, parcel: "" } }) },
});

/** Opens an order; all that open the same one share it. */
export const openOrder = (id: string) => runtime.open("order", id);

export type OrderScope = Awaited<ReturnType<typeof openOrder>>;
