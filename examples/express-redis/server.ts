/** One process of the shop. Any number of them may serve the same pages and accounts. */
import express from "express";
import { createHandler, toNodeListener } from "holdfast/http";
import { z } from "zod";
import { openShop } from "./shop.ts";

const settings = z.object({ REDIS_URL: z.string(), SHOP: z.string() }).parse(process.env);
const shop = openShop(settings.REDIS_URL, settings.SHOP);
const app = express();

/** Counts a visit; the reply has its number. */
app.post("/pages/:id/visits", async (request, response) => {
  const page = await shop.open("page", request.params.id);
  response.json({ number: await page.transact((draft) => (draft.visits += 1)) });
});

const payment = z.object({ id: z.string(), account: z.string(), cents: z.int() });

/** A payment service delivers each payment at least once, to any process. */
app.post("/payments", express.json(), async (request, response) => {
  const { id, account, cents } = payment.parse(request.body);
  const scope = await shop.open("account", account);
  const balance = await scope.transact((draft) => (draft.cents += cents), { once: id });
  response.json({ balance });
});

/** What the processes keep, and its changes, for reading; a real shop gives `authorize`. */
const states = createHandler(shop, { basePath: "/state", kinds: { page: {}, account: {} } });
app.use("/state", toNodeListener(states));

const server = app.listen(0, "127.0.0.1", () => {
  const address = server.address();
  if (typeof address === "object" && address !== null) process.send?.(address.port);
});

process.once("SIGTERM", () => {
  server.close(() => void shop.close());
  server.closeIdleConnections();
  process.disconnect();
});
