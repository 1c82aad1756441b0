/** A client, an approver and a bank; the server is killed while the bank works, and continues. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "holdfast/client";
import { z } from "zod";
import { startBank } from "./bank.ts";

const dir = await mkdtemp(join(tmpdir(), "hono-orders-"));
const bank = await startBank();

async function startServer(): Promise<{ url: string; order: string; child: ChildProcess }> {
  const settings = { ORDERS: join(dir, "orders.db"), BANK: bank.url };
  const child = fork("server.ts", { env: { ...process.env, ...settings } });
  const [port] = await once(child, "message");
  const url = `http://127.0.0.1:${port}`;
  return { url, order: `${url}/orders/order-1`, child };
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

// The next server continues the order by itself. The bank waits until a client sees the order.
let clientSees = (): void => undefined;
const seen = new Promise<void>((resolve) => (clientSees = resolve));
bank.onRequest = () => seen;
const second = await startServer();
const order = connect(`${second.url}/state`).scope<{ status: string; receipt?: string }>(
  "order",
  "order-1",
);
await new Promise<void>((resolve) => {
  const stop = order.subscribe(({ version, state }) => {
    if (state === undefined) return;
    console.log(`version ${version}:`, state.status, state.receipt ?? "without a receipt");
    clientSees();
    if (state.status !== "shipped") return;
    stop();
    resolve();
  });
});
const again = await send("POST", `${second.order}/approval`, approval);
console.log("approved again:", again.code, again.status);
console.log("asked the bank:", bank.requests, "times, charged:", bank.charged);

for (const path of ["/orders/order-1", "/holdfast/src/client.js"]) {
  const { status, headers } = await fetch(second.url + path);
  console.log(path, status, headers.get("content-type")?.split(";")[0]);
}

second.child.kill("SIGTERM");
await once(second.child, "exit");
bank.close();
await rm(dir, { recursive: true });
