/** Measures live memory and prints it as JSON; run by `process.ts` with `--expose-gc`. */
import { AsyncResource } from "node:async_hooks";
import type { StateStore } from "../../src/stores/contract.ts";
import { createRuntime, createScope, memoryStore } from "../subject.ts";

/** Bytes per thing. */
export interface MemoryReport {
  readonly waitingCall: number;
  readonly storedCall: number;
  /** The least that a waiting call can take on this Node, and one with its async context. */
  readonly leastCall: number;
  readonly leastAsyncCall: number;
  readonly freshScope: number;
  readonly usedScope: number;
  readonly residentScope: number;
}

const WAITING = 100_000;
const SCOPES = 20_000;

interface Session {
  readonly name: string;
  readonly n: number;
}

function liveBytes(): number {
  if (globalThis.gc === undefined) throw new Error("run with --expose-gc");
  for (let times = 0; times < 4; times++) globalThis.gc();
  return process.memoryUsage().heapUsed;
}

/** What the things made by `make` keep alive, each; `kept` holds them meanwhile. */
async function bytesEach(count: number, make: (index: number) => unknown): Promise<number> {
  const kept: unknown[] = Array.from({ length: count });
  const before = liveBytes();
  for (let index = 0; index < count; index++) kept[index] = make(index);
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
  const bytes = (liveBytes() - before) / count;
  if (kept.length !== count) throw new Error("the things were let go");
  return bytes;
}

let resolver: unknown;
const keepResolver = (resolve: unknown): void => {
  resolver = resolve;
};

/** A promise, what resolves it, and where, until when and for what it waits. */
class LeastCall {
  readonly next = null;
  readonly deadline: number;
  readonly work = frozenState;
  readonly promise = new Promise(keepResolver);
  readonly resolver = resolver;

  constructor(deadline: number) {
    this.deadline = deadline;
  }
}

class LeastAsyncCall extends LeastCall {
  readonly context = new AsyncResource("bench", { requireManualDestroy: true });
}

async function waitingCall(): Promise<number> {
  const scope = createScope<Session>({
    initial: { name: "", n: 0 },
    mailboxLimit: WAITING + 1,
    mutationTimeoutMs: 3_600_000,
  });
  let release: (() => void) | undefined;
  const first = scope.atomicState(
    () =>
      new Promise<void>((resolve) => {
        release = resolve;
      }),
  );
  const mutator = async (state: Session): Promise<Partial<Session>> => ({ n: state.n + 1 });
  let last: Promise<boolean> | undefined;
  const bytes = await bytesEach(WAITING, () => {
    last = scope.atomicState(mutator);
    return undefined;
  });
  release?.();
  await Promise.all([first, last]);
  if (scope.state.n !== WAITING) throw new Error("a call was lost");
  return bytes;
}

/** A store whose commits wait until it is released. */
function heldStore(): { readonly store: StateStore; readonly release: () => void } {
  const below = memoryStore();
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const store: StateStore = {
    name: below.name,
    supports: { ...below.supports, exclusive: false },
    load: (keys) => below.load(keys),
    commit: async (writes, options) => {
      await held;
      return below.commit(writes, options);
    },
    list: (query) => below.list(query),
    close: () => below.close(),
  };
  return { store, release };
}

/** Calls of a scope of a `commit` kind, behind a commit that does not end. */
async function storedCall(): Promise<number> {
  const { store, release } = heldStore();
  const runtime = createRuntime({ store, mailboxLimit: WAITING + 1 });
  const scope = await runtime.open<Session>("session", "one");
  const first = scope.incState({ n: 1 });
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
  let last: Promise<boolean> | undefined;
  const bytes = await bytesEach(WAITING, () => {
    last = scope.incState({ n: 1 });
    return undefined;
  });
  release();
  await Promise.all([first, last]);
  if (scope.state.n !== WAITING + 1) throw new Error("a call was lost");
  await runtime.close();
  return bytes;
}

const frozenState = (index: number): Session => Object.freeze({ name: `user ${index}`, n: 0 });
const scopeOf = (index: number): ReturnType<typeof createScope<Session>> =>
  createScope<Session>({
    identity: { type: "user", id: "u" },
    initial: { name: `user ${index}`, n: 0 },
  });

async function usedScope(index: number): Promise<unknown> {
  const scope = scopeOf(index);
  await scope.incState({ n: 1 });
  if (scope.state.n !== 1) throw new Error("an increment was lost");
  return scope;
}

/** Scopes of a volatile kind, resident in a runtime, with the runtime's own books and their ids. */
async function residentScope(): Promise<number> {
  const runtime = createRuntime();
  await runtime.open("temp", "first");
  const ids = Array.from({ length: SCOPES }, (_, index) => `id ${index}`);
  let opened: Promise<unknown> | undefined;
  const before = liveBytes();
  for (const id of ids) opened = runtime.open("temp", id);
  await opened;
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
  const bytes = (liveBytes() - before) / SCOPES;
  if (runtime.residentScopes !== SCOPES + 1) throw new Error("a scope was let go");
  return bytes;
}

/** The promises of `usedScope` are part of what is kept, so the base keeps a promise too. */
const promisedState = async (index: number): Promise<unknown> => frozenState(index);

await bytesEach(1_000, scopeOf); // The first ones pay for compiled code.
await bytesEach(1_000, usedScope);
// First, as it starts Node's tracking of contexts: from then on each promise takes more.
const waiting = await waitingCall();
const state = await bytesEach(SCOPES, frozenState);
const promised = await bytesEach(SCOPES, promisedState);
const report: MemoryReport = {
  waitingCall: waiting,
  storedCall: await storedCall(),
  freshScope: (await bytesEach(SCOPES, scopeOf)) - state,
  usedScope: (await bytesEach(SCOPES, usedScope)) - promised,
  residentScope: await residentScope(),
  leastCall: await bytesEach(WAITING, (index) => new LeastCall(index)),
  leastAsyncCall: await bytesEach(WAITING, (index) => new LeastAsyncCall(index)),
};
process.stdout.write(JSON.stringify(report));
