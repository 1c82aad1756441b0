/** Orders, and the sequencer that leads one from the approval to the shipment. */
import { createRuntime, defineKind, defineSequencer } from "holdfast";
import { sqliteStore } from "holdfast/sqlite";
import { z } from "zod";

const orderState = z.object({
  item: z.string().default(""),
  cents: z.int().default(0),
  status: z.enum(["new", "asked", "approved", "paid", "shipped"]).default("new"),
  approvedBy: z.string().optional(),
  receipt: z.string().optional(),
});

/** Charges `cents` once per key, and resolves to a receipt. */
export type Charge = (key: string, cents: number) => Promise<string>;

/** The orders in the file `path`; interrupted runs continue at once. */
export function openOrders(path: string, charge: Charge) {
  const runtime = createRuntime({
    store: sqliteStore({ path }),
    kinds: { order: defineKind({ schema: orderState }) },
  });

  const process = defineSequencer({
    name: "process-order",
    input: z.object({ item: z.string().min(1), cents: z.int().min(1) }),
  })
    .step("approve", async (ctx) => {
      const order = await runtime.open("order", ctx.runId);
      await order.patchState({ ...ctx.input, status: "asked" }, { once: "asked" });
      const { by } = await ctx.suspend({
        reason: `ship ${ctx.input.item} for ${ctx.input.cents}?`,
        schema: z.object({ by: z.string().min(1) }),
      });
      await order.patchState({ status: "approved", approvedBy: by }, { once: "approved" });
    })
    .step("pay", async (ctx) => {
      // The key lets the bank refuse to charge twice, when this process ends before it has stored
      // the receipt.
      const receipt = await ctx.runOnce("charge", () => charge(ctx.runId, ctx.input.cents));
      const order = await runtime.open("order", ctx.runId);
      await order.patchState({ status: "paid", receipt }, { once: "paid" });
    })
    .step("ship", async (ctx) => {
      const order = await runtime.open("order", ctx.runId);
      await order.patchState({ status: "shipped" }, { once: "shipped" });
    });

  runtime.recover([process]);
  return { runtime, process };
}
