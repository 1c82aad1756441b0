/** The HTTP interface of the orders. */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { serveStatic } from "@hono/node-server/serve-static";
import { isHoldfastError } from "holdfast";
import { createHandler } from "holdfast/http";
import { Hono } from "hono";
import { z } from "zod";
import type { openOrders } from "./orders.ts";

const approval = z.object({ question: z.string(), by: z.string() });

/** The folder with the modules of the package. */
const library = fileURLToPath(new URL("../", import.meta.resolve("holdfast/client")));

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

  // The page of an order follows it by the library's client, which the browser loads from here.
  app.get("/orders/:id", async (c) => c.html(await readFile("order.html", "utf8")));
  app.use(
    "/holdfast/*",
    serveStatic({ root: library, rewriteRequestPath: (path) => path.slice(9) }),
  );

  // The states of orders and their changes, for reading. Give `authorize` in a service for others.
  const states = createHandler(runtime, { basePath: "/state", kinds: { order: {} } });
  app.all("/state/*", (c) => states(c.req.raw));

  app.onError((error, c) => {
    if (error instanceof z.ZodError) return c.json({ error: "wrong body" }, 400);
    if (isHoldfastError(error, "STATE_INVALID")) return c.json({ error: error.message }, 400);
    if (isHoldfastError(error, "SUSPENSION_MISMATCH")) return c.json({ error: error.message }, 409);
    console.error(error);
    return c.json({ error: "try again" }, 503);
  });

  return app;
}
