/** Changes by HTTP of a kind with timers. */
import { expect, it, onTestFinished } from "vitest";
import { extrasOf } from "../../../actors/state/extras.ts";
import { createHandler } from "../../../src/http.ts";
import { createRuntime, defineKind, memoryStore } from "../../../src/index.ts";
import { directly, reply } from "../../support/http.ts";

const headers = { "content-type": "application/merge-patch+json" };

function setUp() {
  const order = defineKind({ initial: { n: 0 }, timers: { remind: () => undefined } });
  const runtime = createRuntime({ store: memoryStore(), kinds: { order } });
  onTestFinished(() => runtime.close());
  const send = directly(createHandler(runtime, { kinds: { order: { write: true } } }));
  const patch = (body: object, more: Record<string, string> = {}) =>
    reply(send, "/scopes/order/o", {
      method: "PATCH",
      headers: { ...headers, ...more },
      body: JSON.stringify(body),
    });
  return { runtime, send, patch };
}

it("keeps the condition of a change, and the version and the state that it leads to", async () => {
  const { patch } = setUp();
  expect(await patch({ n: 1 }, { "if-match": '"0"' })).toMatchObject({
    status: 200,
    body: { n: 1 },
  });
  const late = await patch({ n: 2 }, { "if-match": '"0"' });
  expect(late).toMatchObject({ status: 412, body: { code: "PRECONDITION_FAILED" } });
  const fits = await patch({ n: 3 }, { "if-match": '"1"' });
  expect([fits.status, fits.headers.get("etag"), fits.body]).toEqual([200, '"2"', { n: 3 }]);
});

it("notes the tombstone on which it makes a scope anew, so that no earlier timer is its own", async () => {
  const { runtime, send, patch } = setUp();
  const order = await runtime.open("order", "o");
  await patch({ n: 1 });
  await order.schedule("remind", { at: new Date("2099-01-01") });
  await reply(send, "/scopes/order/o", { method: "DELETE" });
  const tombstone = order.version;
  await patch({ n: 2 });
  expect(extrasOf(order.state)?.timers).toMatchObject({ born: tombstone });
  expect(await order.timers()).toEqual([]);
});
