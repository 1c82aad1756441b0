/** A bank that charges once per idempotency key. */
import { once } from "node:events";
import { serve } from "@hono/node-server";
import { Hono } from "hono";

export interface Bank {
  readonly url: string;
  /** Called at each request; the bank replies when it has resolved. */
  onRequest: () => void | Promise<void>;
  readonly requests: number;
  readonly charged: number;
  close(): void;
}

export async function startBank(): Promise<Bank> {
  const receipts = new Map<string, string>();
  let requests = 0;
  const app = new Hono().post("/", async (c) => {
    const key = c.req.header("idempotency-key") ?? "";
    const receipt = receipts.get(key) ?? `receipt-${receipts.size + 1}`;
    receipts.set(key, receipt);
    requests += 1;
    await bank.onRequest();
    return c.text(receipt);
  });
  const server = serve({ fetch: app.fetch, hostname: "127.0.0.1", port: 0 });
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" ? address?.port : "";
  const bank: Bank = {
    url: `http://127.0.0.1:${port}/`,
    onRequest: () => undefined,
    get requests() {
      return requests;
    },
    get charged() {
      return receipts.size;
    },
    close: () => void server.close(),
  };
  return bank;
}
