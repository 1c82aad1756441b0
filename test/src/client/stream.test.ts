/** Streams of the client: what they carry, how they break, and when they end. */
import { expect, it, onTestFinished } from "vitest";
import { connect, type RemoteScope } from "../../../src/client.ts";
import { createHandler } from "../../../src/http.ts";
import { createRuntime, defineKind, type Runtime } from "../../../src/index.ts";
import { gate, settled, until } from "../../support/waiting.ts";

interface Note {
  text: string;
}

type Fetch = (url: string, init: RequestInit) => Promise<Response>;

const kinds = { note: defineKind<Note>({ initial: { text: "" } }) };

/** A runtime, and what sends requests to its handler. */
function made(): { runtime: Runtime<typeof kinds>; serve: Fetch } {
  const runtime = createRuntime({ kinds });
  onTestFinished(() => runtime.close());
  const handler = createHandler(runtime, { kinds: { note: { write: true } } });
  return { runtime, serve: (url, init) => handler(new Request(url, init)) };
}

/** A scope whose requests are sent by `fetch`; closed at the end of the test. */
function remote(fetch: Fetch): RemoteScope<Note> {
  const scope = connect("http://localhost", { fetch }).scope<Note>("note", "n");
  onTestFinished(() => scope.close());
  return scope;
}

it("carries texts with every character that JSON leaves as it is", async () => {
  const { runtime, serve } = made();
  const text = "one\u2028two\u2029three\u0085four";
  await (await runtime.open("note", "n")).patchState({ text });
  const note = remote(serve);
  note.subscribe(() => undefined);
  await settled(20);
  expect(note.state).toEqual({ text });
});

it("forgets why an attempt failed when the next one is accepted", async () => {
  const { serve } = made();
  let tries = 0;
  const note = remote((url, init) => {
    tries += 1;
    return tries === 1 ? Promise.reject(new Error("no network")) : serve(url, init);
  });
  const errors: unknown[] = [];
  note.subscribe(({ status, error }) => errors.push([status, error]));
  await until(() => note.status === "live");
  expect(errors).toEqual([
    ["loading", expect.objectContaining({ code: "NETWORK" })],
    ["live", undefined],
  ]);
});

it("shows nothing more after close, also where the response comes later", async () => {
  const { serve } = made();
  const answer = gate();
  let streams = 0;
  const note = remote(async (url, init) => {
    streams += 1;
    if (streams === 2) await answer.promise;
    return serve(url, { ...init, signal: null });
  });
  const stop = note.subscribe(() => undefined);
  await until(() => note.status === "live");
  stop();
  await until(() => note.status === "loading");
  note.subscribe(() => undefined);
  await until(() => streams === 2);
  note.close();
  answer.open();
  await settled();
  expect(note.status).toBe("closed");
});

it("waits as long as a timer can where the server asks for longer", async () => {
  let tries = 0;
  const note = remote(() => {
    tries += 1;
    const headers = { "retry-after": "9999999" };
    return Promise.resolve(new Response("{}", { status: 503, headers }));
  });
  note.subscribe(() => undefined);
  await until(() => note.error !== undefined);
  for (let turn = 0; turn < 20; turn += 1) await new Promise((go) => void setTimeout(go, 1));
  expect(tries).toBe(1);
});

it("does not take back the result of a patch by a snapshot that was on its way", async () => {
  const { serve } = made();
  const late = gate();
  const note = remote(async (url, init) => {
    const response = await serve(url, init);
    if (init.method === "PATCH") return response;
    const reader = response.body?.getReader();
    const pull = async (stream: ReadableStreamDefaultController): Promise<void> => {
      const read = await reader?.read();
      await late.promise;
      if (read?.done === false) stream.enqueue(read.value);
    };
    return new Response(new ReadableStream({ pull }), { headers: response.headers });
  });
  note.subscribe(() => undefined);
  await settled();
  await note.patch({ text: "mine" }, { optimistic: true });
  const seen: unknown[] = [];
  note.subscribe(({ status, version, state }) => seen.push([status, version, state?.text]));
  late.open();
  await until(() => note.status === "live");
  await note.patch({ text: "more" });
  await settled(20);
  expect(seen[0]).toEqual(["live", 1, "mine"]);
  expect(new Set(seen.slice(1).map(String))).toEqual(new Set(["live,2,more"]));
});
