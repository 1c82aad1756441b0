/** `holdfast inspect`: serves the inspector of a store until the process is interrupted. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { inspectorOf } from "../http/inspector/inspector.ts";
import { insideOf, type WithScope } from "../http/inspector/source.ts";
import { toNodeListener } from "../http/node-listener.ts";
import { notFound } from "../http/problem.ts";
import { ScopeHandle } from "../runtime/handle.ts";
import type { KindOptions, Kinds } from "../runtime/kinds.ts";
import { createRuntime, type Runtime } from "../runtime/runtime.ts";
import { encodeKey } from "../runtime/scope-key.ts";
import type { StateStore } from "../stores/contract.ts";
import { type Declared, kindsOn, loadModule } from "./load-module.ts";
import { behindToken } from "./one-time-token.ts";
import type { Task } from "./options.ts";
import { type Printer, printResult } from "./printer.ts";
import { sequencersOf } from "./run-verbs.ts";
import { kindOf } from "./scope-verbs.ts";

const HOST = "127.0.0.1";

/** Serves until SIGINT or SIGTERM. */
export async function inspectStore(
  store: StateStore,
  task: Task,
  printer: Printer,
): Promise<boolean> {
  const { kinds, exports } = await declared(task);
  const { namespace, write, port = 0 } = task; // 0: any that is free.
  const log = (message: string): void => printer.warn(message);
  const logger = { warn: log, error: log };
  const runtime = createRuntime({ store, kinds, namespace, logger });
  const inspected = {
    runtime,
    inside: insideOf(runtime),
    live: false,
    write,
    withScope: storedScopes(store, namespace, kinds),
    sequencers: sequencersOf(exports),
  };
  const server = createServer().listen(port, HOST);
  try {
    await once(server, "listening");
    const address = `http://${HOST}:${portOf(server)}`;
    const inspector = inspectorOf(inspected, { logger });
    const { handler, token } = behindToken(inspector, `holdfast-${portOf(server)}`);
    server.on("request", toNodeListener(handler));
    const url = `${address}/?token=${token}`;
    printResult(task, printer, { document: { url }, lines: [url] });
    printer.warn(`${write ? "with writes; " : ""}it can be opened once; interrupt it to end`);
    if (task.open) openBrowser(url, printer);
    await interrupted();
    return true;
  } finally {
    await ended(server, runtime);
  }
}

/** The kinds without their timers, which are for programs to run, and the exports of the module. */
async function declared(task: Task): Promise<Declared> {
  if (task.module === undefined) return { kinds: {}, exports: {} };
  const { kinds, exports } = await loadModule(task);
  const idle = Object.entries(kindsOn(kinds)).map(([type, kind]): [string, KindOptions] => [
    type,
    { ...kind, timers: undefined },
  ]);
  return { kinds: Object.fromEntries(idle), exports };
}

/** The scopes of stored records; one of a kind that is not declared has a kind that fits it. */
function storedScopes(store: StateStore, namespace: string, kinds: Kinds): WithScope {
  return async (type, id, work) => {
    if (type === "sequencer") throw notFound("runs of sequencers are no scopes");
    const key = encodeKey(namespace, type, id);
    const [record] = await store.load([key]);
    if (record?.state === undefined) throw notFound("the store has no such scope");
    const living = { ...record, state: record.state };
    const known = Object.hasOwn(kinds, type) ? kinds[type] : undefined;
    const kind = known ?? (await kindOf({ store, key }, living));
    const runtime = createRuntime({ store, namespace, kinds: { [type]: kind }, watch: false });
    try {
      const scope = await runtime.open(type, id);
      if (!(scope instanceof ScopeHandle)) throw notFound();
      return await work(scope);
    } finally {
      await runtime.close(); // The store is open for the other runtime.
    }
  };
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

async function interrupted(): Promise<void> {
  const over = new AbortController();
  const end = (): void => over.abort();
  process.once("SIGINT", end).once("SIGTERM", end);
  await once(over.signal, "abort");
  process.off("SIGINT", end).off("SIGTERM", end);
}

async function ended(server: Server, runtime: Runtime): Promise<void> {
  server.close();
  server.closeAllConnections();
  await runtime.close();
}

/** Opens the address by the program of the system; a system without one is none of an error. */
function openBrowser(url: string, { warn }: Printer): void {
  const [program, ...args]: readonly [string, ...string[]] =
    process.platform === "darwin"
      ? ["open", url]
      : process.platform === "win32"
        ? ["cmd", "/c", "start", "", url]
        : ["xdg-open", url];
  const child = spawn(program, args, { stdio: "ignore", detached: true });
  child.once("error", () => warn(`${program} is not there: open the address yourself`));
  child.unref();
}
