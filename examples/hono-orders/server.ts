/** A process that serves the orders in the file of `ORDERS`; the bank is at `BANK`. */
import { serve } from "@hono/node-server";
import { z } from "zod";
import { createApp } from "./app.ts";
import { openOrders } from "./orders.ts";

const settings = z.object({ ORDERS: z.string(), BANK: z.url() }).parse(process.env);

const orders = openOrders(settings.ORDERS, async (key, cents) => {
  const headers = { "idempotency-key": key };
  const response = await fetch(settings.BANK, { method: "POST", headers, body: String(cents) });
  if (!response.ok) throw new Error(`the bank replied ${response.status}`);
  return response.text();
});

const server = serve({ fetch: createApp(orders).fetch, hostname: "127.0.0.1", port: 0 }, (info) =>
  process.send?.(info.port),
);

process.once("SIGTERM", () => {
  server.close();
  if ("closeIdleConnections" in server) server.closeIdleConnections();
  process.disconnect();
  void orders.runtime.close(); // also ends the streams of events
});
