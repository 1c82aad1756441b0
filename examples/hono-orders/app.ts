/** The HTTP interface of the orders. */
import { isHoldfastError, toJsonPatch } from "holdfast";
import { Hono } from "hono";
import { streamSSE } from "hono/streaming";
import { z } from "zod";
import type { openOrders } from "./orders.ts";

const approval = z.object({ question: z.string(), by: z.string() });

export function createApp({ runtime, process }: ReturnType<typeof openOrders>): Hono {
  const app = new Hono();

  // The client chooses the id, so that it may repeat a request whose reply was lost.
  app.put("/orders/:id", async (c) => {
    const runId = c.req.param("id");
    const outcome = await runtime.run(process, { runId, input: await c.req.json() }).result;
    if (outcome.status === "completed") return c.json({ status: "shipped" });
    const { id, reason } = outcome.suspension;
    return c.json({ question: id, reason }, 202);
  });

  app.post("/orders/:id/approval", async (c) => {
    const { question, by } = approval.parse(await c.req.json());
    await runtime.resume(process, c.req.param("id"), { by }, { suspension: question });
    return c.json({ status: "shipped" });
  });

  app.get("/orders/:id/events", (c) =>
    streamSSE(c, async (stream) => {
      const order = await runtime.open("order", c.req.param("id"));
      const ending = new AbortController();
      stream.onAbort(() => ending.abort());
      // A client that connects again gets the present state first, and misses nothing after it.
      for await (const item of order.changes({ snapshot: true, signal: ending.signal })) {
        const isSnapshot = item.type === "snapshot";
        await stream.writeSSE({
          id: String(item.version),
          event: isSnapshot ? "snapshot" : "patch",
          data: JSON.stringify(isSnapshot ? item.state : toJsonPatch(item.patches)),
        });
      }
    }),
  );

  app.onError((error, c) => {
    if (error instanceof z.ZodError) return c.json({ error: "wrong body" }, 400);
    if (isHoldfastError(error, "STATE_INVALID")) return c.json({ error: error.message }, 400);
    if (isHoldfastError(error, "SUSPENSION_MISMATCH")) return c.json({ error: error.message }, 409);
    console.error(error);
    return c.json({ error: "try again" }, 503);
  });

  return app;
}
