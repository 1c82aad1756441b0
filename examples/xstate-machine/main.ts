/** Runs the checkout of an order that two customers fill and one pays. */
import { createActor, waitFor } from "xstate";
import { checkout } from "./checkout.ts";
import { openOrder, runtime } from "./shop.ts";

const order = await openOrder("order-1");
const machine = createActor(checkout, { input: { order } }).start();

await order.pushState("items", "tea");
await order.pushState("items", "milk");
await order.patchState({ paid: true });
await waitFor(machine, ({ status }) => status === "done");

console.log(order.state, order.version);
await runtime.close();
