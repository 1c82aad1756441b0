/** What the command line asks for. */
import { parseArgs } from "node:util";

/** A command line that cannot be followed; `message` says why, to its author. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** One command with its operands and settings. */
export interface Task {
  readonly command: CommandName;
  /** The stores and files named, in their order. */
  readonly operands: readonly string[];
  readonly prefix: string;
  readonly batch: number;
  readonly checkOnly: boolean;
}

const BATCH_DEFAULT = 100;
const BATCH_MAX = 10_000;

/** Operands (least and most) and options of each command. */
const COMMANDS = {
  copy: { operands: [2, 2], options: ["prefix", "batch", "check-only"] },
  export: { operands: [1, 2], options: ["prefix", "batch"] },
  import: { operands: [2, 2], options: ["batch"] },
  check: { operands: [2, 2], options: ["prefix", "batch"] },
} as const;

/** What the program can do. */
export type CommandName = keyof typeof COMMANDS;

/** What `--help` prints. */
export const HELP: string = `Usage:
  holdfast copy FROM TO [--prefix TEXT] [--check-only] [--batch N]
  holdfast export STORE [FILE] [--prefix TEXT] [--batch N]
  holdfast import FILE STORE [--batch N]
  holdfast check A B [--prefix TEXT] [--batch N]

Moves records between stores, with their versions and the time they have left, and reads every one
back. Nothing is overwritten: a key that is there with something else is a conflict. Run again, a
command does what is left to do. Stop everything that writes to the stores before.

A store is written as one of
  sqlite:PATH   file:DIRECTORY   redis://HOST…   rediss://HOST…   postgres://HOST…
A keyPrefix of Redis or a table of PostgreSQL other than the default follows a #, as in
redis://HOST/0#shop:

  --prefix TEXT   only keys that start with it. A namespace NAME is two prefixes: NAME/ and
                  %binding/NAME/
  --check-only    write nothing, only say what the second store lacks or has otherwise
  --batch N       records held in memory at once, 1 to ${BATCH_MAX} (default ${BATCH_DEFAULT})
  --help          print this

Exit code: 0 when both sides agree, 1 when not or when a store or file failed, 2 for wrong usage.
`;

/** Reads the command line; `undefined`: help is asked for. Throws `UsageError`. */
export function readTask(args: readonly string[]): Task | undefined {
  const { values, positionals } = parse(args);
  if (values.help === true) return undefined;
  const [name, ...operands] = positionals;
  const command = commandOf(name);
  const { operands: bounds, options } = COMMANDS[command];
  const [least, most] = bounds;
  if (operands.length < least || operands.length > most)
    throw wrong(`${command} takes ${least === most ? "" : `${least} or `}${most} operands`);
  const allowed: readonly string[] = options;
  const misplaced = Object.keys(values).find((option) => !allowed.includes(option));
  if (misplaced !== undefined) throw wrong(`--${misplaced} is no option of ${command}`);
  return {
    command,
    operands,
    prefix: values.prefix ?? "",
    batch: batchOf(values.batch),
    checkOnly: values["check-only"] ?? false,
  };
}

function wrong(reason: string, cause?: unknown): UsageError {
  return new UsageError(`${reason} (holdfast --help says how)`, { cause });
}

function commandOf(name: string | undefined): CommandName {
  if (name === undefined) throw wrong("no command");
  // The table's own keys are the names.
  if (Object.hasOwn(COMMANDS, name)) return name as CommandName;
  throw wrong(`unknown command; there are ${Object.keys(COMMANDS).join(", ")}`);
}

function batchOf(text: string | undefined): number {
  if (text === undefined) return BATCH_DEFAULT;
  const batch = /^\d+$/.test(text) ? Number(text) : 0;
  if (batch >= 1 && batch <= BATCH_MAX) return batch;
  throw wrong(`--batch must be a whole number from 1 to ${BATCH_MAX}`);
}

interface Parsed {
  readonly positionals: readonly string[];
  readonly values: {
    readonly prefix?: string | undefined;
    readonly batch?: string | undefined;
    readonly "check-only"?: boolean | undefined;
    readonly help?: boolean | undefined;
  };
}

function parse(args: readonly string[]): Parsed {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        prefix: { type: "string" },
        batch: { type: "string" },
        "check-only": { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (cause) {
    throw wrong(cause instanceof Error ? cause.message : String(cause), cause);
  }
}
