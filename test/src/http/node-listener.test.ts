/** Requests of node:http whose body something in front of the listener has read. */
import { createServer, type IncomingMessage } from "node:http";
import { expect, it, onTestFinished } from "vitest";
import { createHandler, toNodeListener } from "../../../src/http.ts";
import { createRuntime, defineKind } from "../../../src/index.ts";
import { reply, served } from "../../support/http.ts";

it.each<[name: string, parse: (body: Buffer) => unknown]>([
  ["bytes", (body) => body],
  ["a text", (body) => body.toString()],
  ["JSON", (body) => JSON.parse(body.toString())],
])("are served by a body that was read as %s", async (_, parse) => {
  const runtime = createRuntime({ kinds: { cart: defineKind({ initial: { n: 0 } }) } });
  onTestFinished(() => runtime.close());
  const listener = toNodeListener(createHandler(runtime, { kinds: { cart: { write: true } } }));
  const bodyOf = async (incoming: IncomingMessage): Promise<unknown> => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk);
    return parse(Buffer.concat(chunks));
  };
  const server = createServer((incoming, outgoing) => {
    void bodyOf(incoming).then((body) => listener(Object.assign(incoming, { body }), outgoing));
  });
  const parts = { body: { n: 5 }, type: "application/merge-patch+json" };
  const { status, body } = await reply(await served(server), "/scopes/cart/a", parts);
  expect([status, body]).toEqual([200, { n: 5 }]);
});
