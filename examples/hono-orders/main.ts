/** A client, an approver and a bank; the server is killed while the bank works, and continues. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { startBank } from "./bank.ts";
import { events } from "./events.ts";

const dir = await mkdtemp(join(tmpdir(), "hono-orders-"));
const bank = await startBank();

async function startServer(): Promise<{ order: string; child: ChildProcess }> {
  const settings = { ORDERS: join(dir, "orders.db"), BANK: bank.url };
  const child = fork("server.ts", { env: { ...process.env, ...settings } });
  const [port] = await once(child, "message");
  return { order: `http://127.0.0.1:${port}/orders/order-1`, child };
}

async function send(method: string, url: string, body: object) {
  const response = await fetch(url, { method, body: JSON.stringify(body) });
  const reply = z.object({ question: z.string().optional(), status: z.string().optional() });
  return { code: response.status, ...reply.parse(await response.json()) };
}

const first = await startServer();
const { code, question } = await send("PUT", first.order, { item: "tea", cents: 450 });
console.log("placed:", code);
const wrong = await send("POST", `${first.order}/approval`, { question: "another", by: "Ann" });
console.log("approved another question:", wrong.code);

// The bank has charged, and the server is killed before it has the receipt.
const killed = once(first.child, "exit");
bank.onRequest = () => void first.child.kill("SIGKILL");
const approval = { question, by: "Ann" };
await send("POST", `${first.order}/approval`, approval).catch(() => console.log("connection lost"));
await killed;

// The next server continues the order by itself. The bank waits until a client reads the events.
let clientReads = (): void => undefined;
const reading = new Promise<void>((resolve) => (clientReads = resolve));
bank.onRequest = () => reading;
const second = await startServer();
for await (const { event, data } of events(`${second.order}/events`)) {
  console.log(event, data);
  clientReads();
  if (data.includes("shipped")) break;
}
const again = await send("POST", `${second.order}/approval`, approval);
console.log("approved again:", again.code, again.status);
console.log("asked the bank:", bank.requests, "times, charged:", bank.charged);

second.child.kill("SIGTERM");
await once(second.child, "exit");
bank.close();
await rm(dir, { recursive: true });
