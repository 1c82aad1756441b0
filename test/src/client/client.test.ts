/** Scopes of a real server, followed by the client: states, patches, restarts. */
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { connect, RequestError, type RemoteScope } from "../../../src/client.ts";
import { createHandler, type Handler } from "../../../src/http.ts";
import {
  createRuntime,
  defineKind,
  memoryStore,
  type Runtime,
  type StateStore,
} from "../../../src/index.ts";
import { fileStore } from "../../../src/file.ts";
import { testDirectory } from "../../support/directory.ts";
import { isDeepFrozen } from "../../support/frozen.ts";
import { restartingServer, type RestartingServer } from "../../support/restarting-server.ts";
import { gate, rejection, until } from "../../support/waiting.ts";

interface Cart {
  items: string[];
  note: { text: string };
  total: number;
}

const initial: Cart = { items: [], note: { text: "" }, total: 0 };
const kinds = { cart: defineKind<Cart>({ initial, history: 100 }) };
const dir = testDirectory("client");
const exposed = { cart: { write: true } };

function made(store: StateStore = memoryStore()): Runtime<typeof kinds> {
  const runtime = createRuntime({ kinds, store });
  onTestFinished(() => runtime.close());
  return runtime;
}

function handlerOf(runtime: Runtime): Handler {
  return createHandler(runtime, { kinds: exposed });
}

/** A followed scope, closed at the end of the test. */
function followed(url: string, options: Parameters<typeof connect>[1] = {}): RemoteScope<Cart> {
  const scope = connect(url, options).scope<Cart>("cart", "ann");
  scope.subscribe(() => undefined);
  onTestFinished(() => scope.close());
  return scope;
}

async function live(url: string): Promise<RemoteScope<Cart>> {
  const scope = followed(url);
  await until(() => scope.status === "live");
  return scope;
}

/** The streams that were opened. */
function streamsOf({ requests }: RestartingServer): string[] {
  return requests.filter((line) => line.startsWith("GET"));
}

describe("a scope of the client", () => {
  it("sends no request before subscribe, then has the state and each change", async () => {
    const runtime = made();
    const server = await restartingServer(handlerOf(runtime));
    const scope = connect(`${server.url}/`).scope<Cart>("cart", "ann");
    expect(scope.view).toEqual({ status: "loading" });
    expect(server.requests).toEqual([]);
    const seen: unknown[] = [];
    const stop = scope.subscribe(({ state, version }) => seen.push([version, state?.total]));
    await until(() => scope.status === "live");
    const first = scope.state;
    const cart = await runtime.open("cart", "ann");
    await cart.patchState({ total: 1 });
    await cart.patchState({ total: 2 });
    await until(() => scope.version === 2);
    expect(seen).toEqual([
      [0, 0],
      [1, 1],
      [2, 2],
    ]);
    expect(isDeepFrozen(scope.state)).toBe(true);
    expect(scope.state?.items).toBe(first?.items);
    stop();
    await until(() => scope.status === "loading");
    expect(scope.state?.total).toBe(2);
    expect(streamsOf(server)).toEqual(["GET /scopes/cart/ann/changes"]);
  });

  it("is one object with one stream for all that hold it", async () => {
    const server = await restartingServer(handlerOf(made()));
    const client = connect(server.url);
    const scope = client.scope("cart", "a/ü");
    expect(client.scope("cart", "a/ü")).toBe(scope);
    const first = scope.subscribe(() => undefined);
    const second = scope.subscribe(() => undefined);
    first();
    const third = scope.subscribe(() => undefined);
    second();
    third();
    const last = scope.subscribe(() => undefined);
    await until(() => scope.status === "live");
    expect(server.requests).toEqual(["GET /scopes/cart/a%2F%C3%BC/changes"]);
    last();
    scope.close();
    expect(scope.status).toBe("closed");
    expect(client.scope("cart", "a/ü")).not.toBe(scope);
  });

  it.each([Number.NaN, 0, -1, "5"])("refuses the silence of %s ms", (silenceMs) => {
    const message = `silenceMs must be a number above 0, received ${String(silenceMs)}`;
    expect(() => connect("http://localhost", { silenceMs: silenceMs as number })).toThrow(
      new RangeError(message),
    );
  });

  it("calls the other subscribers after one that throws", async () => {
    const server = await restartingServer(handlerOf(made()));
    const scope = connect(server.url).scope("cart", "ann");
    const logged: unknown[] = [];
    const { error } = console;
    console.error = (line: unknown) => void logged.push(line);
    onTestFinished(() => {
      scope.close();
      console.error = error;
    });
    const failure = new Error("a listener failed");
    scope.subscribe(() => {
      throw failure;
    });
    let calls = 0;
    scope.subscribe(() => (calls += 1));
    await until(() => calls > 0);
    expect(logged).toContain(failure);
    expect(scope.status).toBe("live");
  });

  it("is closed by a refusal, which it keeps", async () => {
    let tries = 0;
    const runtime = made();
    const handler = createHandler(runtime, {
      kinds: exposed,
      authorize: ({ headers }) =>
        headers.get("authorization") === "Bearer t" || { status: 401, detail: "log in first" },
    });
    const server = await restartingServer(handler);
    const scope = followed(server.url, { headers: { authorization: "Bearer x" } });
    await until(() => scope.status === "closed");
    expect(scope.error).toMatchObject({ name: "RequestError", status: 401, code: "FORBIDDEN" });
    const headers = async (): Promise<Record<string, string>> => {
      tries += 1;
      return { authorization: "Bearer t" };
    };
    const other = followed(server.url, { headers });
    await until(() => other.status === "live");
    await other.patch({ total: 1 });
    expect(tries).toBe(2);
    const unknown = connect(server.url, { headers }).scope("other", "ann");
    unknown.subscribe(() => undefined);
    await until(() => unknown.status === "closed");
    expect(unknown.error).toMatchObject({ status: 404, code: "NOT_FOUND" });
  });
});

describe("a patch", () => {
  it("resolves to the state that it made, which is shown by then", async () => {
    const server = await restartingServer(handlerOf(made()));
    const scope = await live(server.url);
    const other = await live(server.url);
    const result = await scope.patch({ total: 3, note: { text: "soon" } });
    expect(result).toEqual({ version: 1, state: { items: [], note: { text: "soon" }, total: 3 } });
    expect(scope.state).toBe(result.state);
    await until(() => other.version === 1);
    expect(other.state).toEqual(result.state);
  });

  it("rejects with the status and the code of the refusal", async () => {
    const server = await restartingServer(handlerOf(made()));
    const scope = await live(server.url);
    await scope.patch({ total: 1 }, { ifVersion: 0 });
    const late = await rejection(scope.patch({ total: 2 }, { ifVersion: 0 }));
    expect(late).toBeInstanceOf(RequestError);
    expect(late).toMatchObject({ status: 412, code: "PRECONDITION_FAILED" });
    expect(await scope.patch({ total: 3 }, { once: "k" })).toMatchObject({ version: 2 });
    expect(await scope.patch({ total: 4 }, { once: "k" })).toMatchObject({ version: 2 });
    scope.close();
    await server.stop();
    const cut = await rejection(scope.patch({ total: 5 }));
    expect(cut).toMatchObject({ status: 0, code: "NETWORK", cause: expect.anything() as unknown });
  });

  it("is sent after those that were called before it", async () => {
    const runtime = made();
    const server = await restartingServer(handlerOf(runtime));
    const scope = await live(server.url);
    const all = Array.from({ length: 30 }, (_, n) => scope.patch({ total: n }));
    await rejection(scope.patch({ total: 99 }, { ifVersion: 1_000 }));
    await scope.patch({ note: { text: "last" } });
    expect((await Promise.all(all)).map(({ state }) => state.total)).toEqual(
      Array.from({ length: 30 }, (_, n) => n),
    );
    expect(scope.state).toMatchObject({ total: 29, note: { text: "last" } });
  });

  it("works without a stream", async () => {
    const server = await restartingServer(handlerOf(made()));
    const scope = connect(server.url).scope<Cart>("cart", "ann");
    await scope.patch({ total: 1 });
    expect(scope.state?.total).toBe(1);
    scope.subscribe(() => undefined);
    onTestFinished(() => scope.close());
    await until(() => scope.status === "live");
    expect(streamsOf(server)).toEqual(["GET /scopes/cart/ann/changes since 1"]);
  });
});

describe("a patch without a response", () => {
  it.each([
    ["", () => new Promise<never>(() => undefined)],
    [
      ", with headers only,",
      () => Promise.resolve(new Response(new ReadableStream(), { headers: { etag: '"1"' } })),
    ],
  ])("%s rejects after the time limit, and the next one is sent", async (_, silent) => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    onTestFinished(() => void vi.useRealTimers());
    const handler = handlerOf(made());
    const signals: unknown[] = [];
    const fetch = (url: string, init: RequestInit): Promise<Response> =>
      signals.push(init.signal) === 1 ? silent() : handler(new Request(url, init));
    const scope = connect("http://localhost", { fetch }).scope<Cart>("cart", "ann");
    const lost = rejection(scope.patch({ total: 1 }));
    const kept = scope.patch({ total: 2 }, { ifVersion: 0 });
    await vi.advanceTimersByTimeAsync(45_000);
    expect(await lost).toMatchObject({ status: 0, code: "NETWORK" });
    expect(await kept).toMatchObject({ version: 1, state: { total: 2 } });
    expect(signals).toMatchObject([{ aborted: true }, { aborted: false }]);
  });

  it("may wait for ever, and a stream too", async () => {
    const server = await restartingServer(handlerOf(made()));
    const scope = followed(server.url, { silenceMs: Infinity });
    expect(await scope.patch({ total: 1 })).toMatchObject({ version: 1 });
    await until(() => scope.status === "live");
    expect(streamsOf(server)).toHaveLength(1);
  });
});

describe("an optimistic patch", () => {
  /** A server whose patches wait for `go`. */
  async function slow(): Promise<{
    readonly server: RestartingServer;
    readonly runtime: Runtime<typeof kinds>;
    readonly go: () => void;
  }> {
    const runtime = made();
    const handler = handlerOf(runtime);
    const { promise, open } = gate();
    const server = await restartingServer(async (request) => {
      if (request.method === "PATCH") await promise;
      return handler(request);
    });
    return { server, runtime, go: () => open() };
  }

  it("is shown at once, on what arrives meanwhile, and stays", async () => {
    const { server, runtime, go } = await slow();
    const scope = await live(server.url);
    const totals: unknown[] = [];
    scope.subscribe(({ state }) => totals.push(state?.total));
    const { note } = scope.state ?? initial;
    const done = scope.patch({ total: 5 }, { optimistic: true });
    expect(scope).toMatchObject({ version: 0, state: { total: 5 } });
    expect(scope.state?.note).toBe(note);
    const cart = await runtime.open("cart", "ann");
    await cart.patchState({ items: ["tea"], total: 1 });
    await until(() => scope.version === 1);
    expect(scope.state).toEqual({ items: ["tea"], note: { text: "" }, total: 5 });
    go();
    await done;
    expect(scope).toMatchObject({ version: 2, state: { items: ["tea"], total: 5 } });
    expect(new Set(totals)).toEqual(new Set([5]));
  });

  it("that is refused is taken back, and the others stay", async () => {
    const { server, runtime, go } = await slow();
    const scope = await live(server.url);
    const refused = scope.patch({ total: 5 }, { optimistic: true, ifVersion: 7 });
    const kept = scope.patch({ items: ["tea"] }, { optimistic: true });
    expect(scope.state).toMatchObject({ total: 5, items: ["tea"] });
    go();
    await rejection(refused, "PRECONDITION_FAILED");
    expect(scope.state).toMatchObject({ total: 0, items: ["tea"] });
    await kept;
    expect(scope.state).toMatchObject({ total: 0, items: ["tea"] });
    expect((await runtime.open("cart", "ann")).state).toMatchObject({ total: 0, items: ["tea"] });
  });
});

describe("a stream", () => {
  it("comes back after a restart of the server, from where it was", async () => {
    const first = made(fileStore({ dir, fsync: false }));
    const server = await restartingServer(handlerOf(first));
    const scope = await live(server.url);
    await scope.patch({ total: 1 });
    const { state } = scope;
    await server.stop();
    await until(() => scope.status === "reconnecting");
    expect(scope.state).toBe(state);
    await first.close();
    const second = made(fileStore({ dir, fsync: false }));
    const cart = await second.open("cart", "ann");
    await cart.patchState({ total: 2 });
    await server.start(handlerOf(second));
    await until(() => scope.version === 2);
    expect(scope.status).toBe("live");
    expect(scope.state?.note).toBe(state?.note);
    expect(streamsOf(server).at(-1)).toBe("GET /scopes/cart/ann/changes since 1");
  });

  it("takes a snapshot after a gap, and the state of another server", async () => {
    const first = made();
    const server = await restartingServer(handlerOf(first));
    const scope = await live(server.url);
    for (let total = 1; total <= 5; total += 1) await scope.patch({ total });
    const { note } = scope.state ?? initial;
    await server.stop();
    const second = made(); // With an empty store.
    await (await second.open("cart", "ann")).patchState({ total: 50 });
    await server.start(handlerOf(second));
    await until(() => scope.version === 1);
    expect(scope.state).toEqual({ items: [], note: { text: "" }, total: 50 });
    expect(scope.state?.note).toBe(note);
  });

  it.each([
    ["a patch that does not fit", [{ op: "replace", path: "/none", value: 1 }], 6],
    ["a missing version", [], 9],
  ])("with %s is opened again without a position", async (_, patch, version) => {
    const events = [
      { event: "snapshot", data: { version: 5, state: { total: 1 } } },
      { event: "change", data: { version, operation: "patch", patch } },
      { event: "change", data: { version: version + 1, operation: "patch", patch: [] } },
    ].map(({ event, data }) => `event: ${event}\r\ndata: ${JSON.stringify(data)}\r\n\r\n`);
    const headers = { "content-type": "text/event-stream" };
    const runtime = made();
    let isFirst = true;
    const server = await restartingServer(async (request) => {
      if (!isFirst) return handlerOf(runtime)(request);
      isFirst = false;
      return new Response(events.join(""), { headers });
    });
    const scope = followed(server.url);
    await until(() => scope.version === 0);
    expect(scope.state).toEqual(initial);
    expect(streamsOf(server)).toEqual(Array(2).fill("GET /scopes/cart/ann/changes"));
  });

  it("that is silent, is no stream, or fails for now is opened again", async () => {
    const runtime = made();
    const responses = [
      () =>
        new Response(new ReadableStream(), { headers: { "content-type": "text/event-stream" } }),
      () => new Response("<p>hello", { headers: { "content-type": "text/html" } }),
      () => new Response("busy", { status: 503 }),
    ];
    const handler = handlerOf(runtime);
    const server = await restartingServer(async (request) => {
      const next = responses.shift();
      return next === undefined ? handler(request) : next();
    });
    const scope = followed(server.url, { silenceMs: 50 });
    const errors: unknown[] = [];
    scope.subscribe(({ error }) => errors.push(error));
    await until(() => scope.version === 0);
    // Each response was the end of one stream; on a busy machine a good one is silent as long.
    expect(responses).toEqual([]);
    expect(errors).toContainEqual(expect.objectContaining({ status: 503, code: "UNKNOWN" }));
  });
});
