/** Two processes of the shop, and the clients and the payment service that call them. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { z } from "zod";
import { openShop } from "./shop.ts";

const REDIS_URL = process.env["REDIS_URL"] ?? "redis://127.0.0.1:6379";
const SHOP = `express-redis-${process.pid}`;

async function startServer(): Promise<{ url: string; child: ChildProcess }> {
  const child = fork("server.ts", { env: { ...process.env, REDIS_URL, SHOP } });
  const [port] = await once(child, "message");
  return { url: `http://127.0.0.1:${port}`, child };
}

async function post(url: string, body: object = {}): Promise<unknown> {
  const headers = { "content-type": "application/json" };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${url} replied ${response.status}`);
  return response.json();
}

const servers = await Promise.all([startServer(), startServer()]);
const [first, second] = servers;

// 100 visits at once, to both processes in turn.
const visits = Array.from({ length: 50 }, () => servers)
  .flat()
  .map(({ url }) => post(`${url}/pages/home/visits`));
const numbers = z.array(z.object({ number: z.int() })).parse(await Promise.all(visits));
const different = new Set(numbers.map(({ number }) => number));
console.log(different.size, "numbers:", Math.min(...different), "to", Math.max(...different));

// 50 payments of 1.00, each delivered to both processes at the same time.
const payment = (n: number) => ({ id: `payment-${n}`, account: "ann", cents: 100 });
const payments = Array.from({ length: 50 }, (_, n) => payment(n));
const deliveries = payments.flatMap((body) =>
  servers.map(({ url }) => post(`${url}/payments`, body)),
);
console.log("deliveries:", (await Promise.all(deliveries)).length);

// A process is killed, and another takes its place: the payment is still known.
first.child.kill("SIGKILL");
await once(first.child, "exit");
const third = await startServer();
await post(`${third.url}/payments`, payment(0));
console.log("account:", await (await fetch(`${third.url}/state/scopes/account/ann`)).json());

for (const { child } of [second, third]) {
  child.kill("SIGTERM");
  await once(child, "exit");
}
const shop = openShop(REDIS_URL, SHOP);
await shop.erase({ type: "page", id: "home" });
await shop.erase({ type: "account", id: "ann" });
await shop.close();
