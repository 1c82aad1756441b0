/** Reads the command line. */
import { parseArgs } from "node:util";
import { isError } from "../../actors/realm.ts";

/** An invalid command line; `message` gives the reason. */
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
  /** Changes the store; else a command only prints what it would do. */
  readonly write: boolean;
  readonly namespace: string;
}

const BATCH_DEFAULT = 100;
const BATCH_MAX = 10_000;
const NAMESPACE_DEFAULT = "holdfast";

/** Operands (minimum and maximum count, and their names) and options of each command. */
const COMMANDS = {
  copy: { bounds: [2, 2], operands: "FROM TO", options: ["prefix", "batch", "check-only"] },
  export: { bounds: [1, 2], operands: "STORE [FILE]", options: ["prefix", "batch"] },
  import: { bounds: [2, 2], operands: "FILE STORE", options: ["batch"] },
  check: { bounds: [2, 2], operands: "A B", options: ["prefix", "batch"] },
  get: { bounds: [3, 3], operands: "STORE TYPE ID", options: ["namespace"] },
  rm: { bounds: [3, 3], operands: "STORE TYPE ID", options: ["namespace", "write"] },
} as const;

/** The position of a file among the operands. */
const FILE_AT: Partial<Record<CommandName, number>> = { export: 1, import: 0 };
const STORE_ADDRESS = /^(?:sqlite|file|rediss?|postgres(?:ql)?):/;

/** The commands of the program. */
export type CommandName = keyof typeof COMMANDS;

/** What `--help` prints. */
export const HELP: string = `Usage:
  holdfast copy FROM TO [--prefix TEXT] [--check-only] [--batch N]
  holdfast export STORE [FILE] [--prefix TEXT] [--batch N]
  holdfast import FILE STORE [--batch N]
  holdfast check A B [--prefix TEXT] [--batch N]
  holdfast get STORE TYPE ID [--namespace NAME]
  holdfast rm STORE TYPE ID [--namespace NAME] [--write]

Moves records between stores, with their versions and their remaining time, and reads every one
back. Nothing is overwritten: a key that has another record there is a conflict. A command that is
run again does the rest of the work. First stop every program that writes to the stores. Tombstones
of deleted records do not move.

get prints one record as JSON: state, version, and the milliseconds until it expires. It does not
check the state with the schema of its kind. rm deletes the record and leaves a tombstone, as delete
does; programs that use the store may run meanwhile.

A store is written as one of
  sqlite:PATH   file:DIRECTORY   redis://HOST…   rediss://HOST…   postgres://HOST…
A keyPrefix of Redis or a table of PostgreSQL other than the default follows a #, as in
redis://HOST/0#shop:

  --prefix TEXT   only keys that start with it. A namespace NAME is two prefixes: NAME/ and
                  %binding/NAME/
  --check-only    write nothing, only print what the second store lacks or has different
  --namespace NAME  that of the runtime (default ${NAMESPACE_DEFAULT})
  --write         delete; without it rm only prints what it would delete
  --batch N       records in memory at once, 1 to ${BATCH_MAX} (default ${BATCH_DEFAULT})
  --help          print this
  --version       print the version

Exit code: 0 when both sides agree, or the record is there; 1 when not, or when a store or file
failed; 2 for wrong usage.
`;

/** Reads the command line: a task, or what to print. Throws `UsageError`. */
export function readTask(args: readonly string[]): Task | "help" | "version" {
  const { values, positionals } = parse(args);
  if (values.help === true) return "help";
  if (values.version === true) return "version";
  const [name, ...operands] = positionals;
  const command = commandOf(name);
  const { options } = COMMANDS[command];
  checkOperands(command, operands);
  const allowed: readonly string[] = options;
  const misplaced = Object.keys(values).find((option) => !allowed.includes(option));
  if (misplaced !== undefined) throw wrong(`--${misplaced} is no option of ${command}`);
  return {
    command,
    operands,
    prefix: values.prefix ?? "",
    batch: batchOf(values.batch),
    checkOnly: values["check-only"] ?? false,
    write: values.write ?? false,
    namespace: values.namespace ?? NAMESPACE_DEFAULT,
  };
}

function checkOperands(command: CommandName, given: readonly string[]): void {
  const { bounds, operands } = COMMANDS[command];
  const [least, most] = bounds;
  if (given.length < least || given.length > most) {
    const count = given.length < least ? "few" : "many";
    throw wrong(`too ${count} operands for holdfast ${command} ${operands}`);
  }
  const file = given[FILE_AT[command] ?? most];
  if (file !== undefined && STORE_ADDRESS.test(file))
    throw wrong(`holdfast ${command} ${operands}: a store stands where the file should`);
}

function wrong(reason: string, cause?: unknown): UsageError {
  return new UsageError(`${reason} (see holdfast --help)`, { cause });
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
    readonly namespace?: string | undefined;
    readonly write?: boolean | undefined;
    readonly help?: boolean | undefined;
    readonly version?: boolean | undefined;
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
        namespace: { type: "string" },
        write: { type: "boolean" },
        help: { type: "boolean", short: "h" },
        version: { type: "boolean" },
      },
    });
  } catch (cause) {
    const reason = isError(cause) ? cause.message : String(cause);
    // After the first sentence comes advice about operands that begin with a dash.
    throw wrong(reason.split(/\.\s/, 1)[0] ?? reason, cause);
  }
}
