/**
 * The command line of the engine.
 */
import { parseArgs } from "node:util";

/** The format of the input. */
export type InputFormat = "messages" | "dialogues";

/** The engine's settings. */
export interface EngineOptions {
  /** A file, `-` for standard input; absent: standard input if it has data, else the sample. */
  readonly input: string | undefined;
  readonly format: InputFormat;
  readonly inFlight: number;
  readonly dataDir: string;
  readonly fresh: boolean;
  /** Kills the process in the middle of the n-th message that it processes. */
  readonly crashAfter: number | undefined;
  /** Goes on without an end, and serves the inspector. */
  readonly serve: boolean;
  /** Of the inspector; absent: any that is free. */
  readonly port: number | undefined;
  readonly help: boolean;
}

/** An invalid command line or input; `message` gives the reason. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Most messages in flight. */
const IN_FLIGHT_MAX = 10_000;
const PORT_MAX = 65_535;

/** What `--help` prints. */
export const HELP = `Usage: npm start -- [options]

Answers messages with a four-step sequencer (understand, update, decide, reply) and keeps the state
of every request, session, user and organisation in one SQLite file. After an interruption at any
point, another run on the same input continues from there.

  --input FILE      JSON lines { user, session, org?, text, slots? }; "-" is standard input.
                    Default: standard input if something is written to it, else a sample.
  --format NAME     messages (default), or dialogues: lines { id, services, turns }
  --in-flight N     messages worked on at the same time, each of another session (default 64)
  --data-dir DIR    where engine.db is kept (default ./.holdfast)
  --fresh           delete what is stored there and start over
  --crash-after N   kill this process with SIGKILL in the middle of the N-th message it works on
  --serve           go on without an end, and serve the inspector, a page that shows all of it live;
                    the state is in live.db beside engine.db, made anew at each start
  --port N          the port of the inspector (default: any that is free)
  --help            print this

Exit code: 0 when every count in the store agrees with the input, 1 when not, 2 for wrong usage.
`;

/** Reads the command line. Throws `UsageError`. */
export function readOptions(args: readonly string[]): EngineOptions {
  const values = parse(args);
  refuseTogether(values);
  return {
    input: filled("--input", values.input),
    format: format(values.format),
    inFlight: count("--in-flight", values["in-flight"], IN_FLIGHT_MAX) ?? 64,
    dataDir: filled("--data-dir", values["data-dir"]) ?? "./.holdfast",
    fresh: values.fresh ?? false,
    crashAfter: count("--crash-after", values["crash-after"], Number.MAX_SAFE_INTEGER),
    serve: values.serve ?? false,
    port: count("--port", values.port, PORT_MAX),
    help: values.help ?? false,
  };
}

/** Throws for options that mean nothing together. */
function refuseTogether(values: Values): void {
  if (values.serve !== true && values.port !== undefined)
    throw new UsageError("--port is the port of --serve");
  const other = (["fresh", "crash-after", "in-flight"] as const).find((name) => name in values);
  if (values.serve === true && other !== undefined)
    throw new UsageError(`--serve goes on without an end, so --${other} means nothing with it`);
}

interface Values {
  readonly input?: string | undefined;
  readonly format?: string | undefined;
  readonly "in-flight"?: string | undefined;
  readonly "data-dir"?: string | undefined;
  readonly fresh?: boolean | undefined;
  readonly "crash-after"?: string | undefined;
  readonly serve?: boolean | undefined;
  readonly port?: string | undefined;
  readonly help?: boolean | undefined;
}

function parse(args: readonly string[]): Values {
  try {
    return parseArgs({
      args: [...args],
      options: {
        input: { type: "string" },
        format: { type: "string" },
        "in-flight": { type: "string" },
        "data-dir": { type: "string" },
        fresh: { type: "boolean" },
        "crash-after": { type: "string" },
        serve: { type: "boolean" },
        port: { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    }).values;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(`${reason} (--help lists the options)`, { cause });
  }
}

function filled(name: string, value: string | undefined): string | undefined {
  if (value === "") throw new UsageError(`${name} must not be empty`);
  return value;
}

function format(value: string | undefined): InputFormat {
  if (value === undefined || value === "messages") return "messages";
  if (value === "dialogues") return value;
  throw new UsageError(`--format must be messages or dialogues, received "${value}"`);
}

function count(name: string, value: string | undefined, max: number): number | undefined {
  if (value === undefined) return undefined;
  const number = /^\d+$/.test(value) ? Number(value) : 0;
  if (number >= 1 && number <= max) return number;
  throw new UsageError(`${name} must be a whole number from 1 to ${max}, received "${value}"`);
}
