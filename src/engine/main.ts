/**
 * A small conversation engine that embeds holdfast as a user would: it imports only the entry
 * points. See `npm start -- --help`.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { createRuntime, type Runtime, type StateStore } from "../index.ts";
import { sqliteStore } from "../sqlite.ts";
import { check } from "./check.ts";
import { KINDS } from "./conversation.ts";
import { countingStore } from "./counting-store.ts";
import { answerAll, type Progress } from "./engine.ts";
import { forget } from "./forget.ts";
import { readMessages, type Input, type Message } from "./message.ts";
import { HELP, readOptions, UsageError, type EngineOptions } from "./options.ts";
import { printSummary, PRINTER, progressReporter, type Printer } from "./report.ts";
import { serve } from "./serve.ts";
import { readSource, type Source } from "./source.ts";

/** The most failed messages that are reported one by one; the table counts them all. */
const FAILURES_SHOWN_MAX = 20;

const EXIT = { ok: 0, differs: 1, usage: 2 } as const;

async function main(args: readonly string[], printer: Printer): Promise<number> {
  const options = readOptions(args);
  if (options.help) {
    printer.out(HELP);
    return EXIT.ok;
  }
  const source = await readSource(options.input, printer.warn);
  const input = readMessages(source.bytes.toString("utf8"), options.format);
  for (const { line, reason } of input.badLines) printer.warn(`line ${line}: ${reason}`);
  if (options.serve) {
    await serve(input.messages, options, printer);
    return EXIT.ok;
  }
  const path = join(options.dataDir, "engine.db");
  if (options.fresh) await forget(path);
  printer.out(`${input.messages.length} messages from ${source.name}, state in ${path}\n`);
  const work = { options, path, namespace: namespaceOf(source, options), printer };
  if (options.crashAfter !== undefined && (await isAnswered(input, work))) {
    printer.out(
      "every message has its reply already: starting over, so that there is something to kill\n",
    );
    await forget(path);
  }
  return run(input, work);
}

/** True when every message has its reply in the store. */
async function isAnswered(input: Input, { path, namespace }: Work): Promise<boolean> {
  await using runtime = createRuntime({ store: sqliteStore({ path }), namespace, kinds: KINDS });
  const rows = await check(runtime, input.messages);
  return input.messages.length > 0 && rows.every(({ differing }) => differing.length === 0);
}

interface Work {
  readonly options: EngineOptions;
  readonly path: string;
  readonly namespace: string;
  readonly printer: Printer;
}

async function run(input: Input, { options, path, namespace, printer }: Work): Promise<number> {
  const openRuntime = (store: StateStore): Runtime =>
    createRuntime({ store, namespace, kinds: KINDS });
  const { store, tallies, batches } = countingStore(sqliteStore({ path }), namespace);
  const startedAt = performance.now();
  let progress: Progress;
  {
    await using runtime = openRuntime(store);
    await runtime.list({ limit: 1 }); // A file that cannot be used is reported once.
    progress = await answerAll(input.messages, {
      runtime,
      inFlight: options.inFlight,
      onCounted: crasher(options, printer),
      onProgress: progressReporter(input.messages.length, printer),
      onFailure: failureReporter(printer),
    });
  }
  const answerMs = performance.now() - startedAt;
  await using reader = openRuntime(sqliteStore({ path }));
  const rows = await check(reader, input.messages);
  const checkMs = performance.now() - startedAt - answerMs;
  const summary = { input, progress, tallies, batches: batches(), answerMs, checkMs, rows };
  const isGreen = printSummary(summary, printer);
  return isGreen && progress.failed === 0 ? EXIT.ok : EXIT.differs;
}

/**
 * Kills this process at the worst time: the N-th message counts in its scopes already, and the step
 * that counted it is not stored as finished.
 */
function crasher({ crashAfter = Infinity }: EngineOptions, { out }: Printer): () => void {
  let counted = 0;
  return () => {
    counted += 1;
    if (counted < crashAfter) return;
    out(`\nkilling this process in the middle of its message ${counted}\n`);
    process.kill(process.pid, "SIGKILL");
  };
}

/**
 * Each input has its own namespace, also in one file: the same bytes find their state again, and
 * the counts of other inputs are separate.
 */
function namespaceOf({ bytes }: Source, { format }: EngineOptions): string {
  return `${format}-${createHash("sha256").update(bytes).digest("hex").slice(0, 16)}`;
}

function failureReporter({ warn }: Printer): (message: Message, error: unknown) => void {
  let reported = 0;
  return ({ line, number }, error) => {
    reported += 1;
    if (reported > FAILURES_SHOWN_MAX) return;
    const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    warn(`line ${line}: message ${number} failed: ${reason}`);
  };
}

try {
  process.exitCode = await main(process.argv.slice(2), PRINTER);
} catch (error) {
  PRINTER.warn(error instanceof Error ? error.message : String(error));
  process.exitCode = error instanceof UsageError ? EXIT.usage : EXIT.differs;
}
