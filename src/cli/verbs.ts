/**
 * The verbs of the command and their options, in one table: the command line is checked by it, and
 * the help is printed from it.
 */

/** The name of an option, without its dashes. */
export type OptionName =
  | "prefix"
  | "limit"
  | "batch"
  | "check-only"
  | "dry-run"
  | "check"
  | "module"
  | "namespace"
  | "write"
  | "json"
  | "help"
  | "version";

/** The name of a verb. */
export type VerbName = "get" | "rm" | "migrate" | "copy" | "export" | "import" | "check";

/** One option. */
interface OptionRule {
  /** What stands for its value in the help; absent: it has none. */
  readonly value?: string;
  readonly text: string;
}

/** One verb. */
interface VerbRule {
  /** Its operands in order; those in brackets may be left out. */
  readonly form: string;
  readonly options: readonly OptionName[];
  /** What it does, in one line. */
  readonly does: string;
  /** What else there is to know. */
  readonly text?: string;
}

/** All options by name. */
export const OPTIONS: Readonly<Record<OptionName, OptionRule>> = {
  prefix: {
    value: "TEXT",
    text: "only what starts with it: keys, and for ls and watch ids of the type",
  },
  limit: { value: "N", text: "at most so many" },
  batch: { value: "N", text: "records in memory at once, 1 to 10000 (default 100)" },
  "check-only": { text: "write nothing, only print what the second store lacks or has different" },
  "dry-run": { text: "write nothing, only print what a run would do" },
  check: { text: "write nothing, and end with 1 when a record is left to lift" },
  module: { value: "FILE", text: "the module that exports `kinds`, or `sequencers`" },
  namespace: { value: "NAME", text: "that of the runtime (default holdfast)" },
  write: { text: "allows the command to change the store" },
  json: { text: "print one JSON document" },
  help: { text: "print this" },
  version: { text: "print the version" },
};

const MOVES =
  "Nothing is overwritten: a key that has another record there is a conflict. A command that is " +
  "run again does the rest of the work. First stop every program that writes to the stores. " +
  "Tombstones of deleted records, and the histories of records, do not move. A namespace NAME is " +
  "two prefixes: NAME/ and %binding/NAME/.";

/** All verbs by name. */
export const VERBS: Readonly<Record<VerbName, VerbRule>> = {
  get: {
    form: "STORE TYPE ID",
    options: ["namespace", "json"],
    does: "prints one record as JSON: type, id, version and state",
    text:
      "The state is not checked with the schema of its kind. A value that JSON lacks is printed " +
      "as it is stored, under the key $holdfast. A record that expires also has leftMs, the " +
      "milliseconds that are left.",
  },
  rm: {
    form: "STORE TYPE ID",
    options: ["namespace", "write", "json"],
    does: "deletes one record and leaves a tombstone, as delete does",
    text: "Programs that use the store may run meanwhile.",
  },
  migrate: {
    form: "STORE",
    options: ["module", "dry-run", "check", "batch", "namespace", "json"],
    does: "lifts the records of all kinds of a module to the versions of the kinds",
    text:
      "The module exports `kinds` as createRuntime takes them. A record that cannot be lifted is " +
      "left as it is and named. Programs may run meanwhile, if they know the new versions. A " +
      "command that is run again does the rest of the work. Runs of sequencers are not lifted.",
  },
  copy: {
    form: "FROM TO",
    options: ["prefix", "check-only", "batch", "json"],
    does: "copies records to another store and reads each one back",
    text: MOVES,
  },
  export: {
    form: "STORE [FILE]",
    options: ["prefix", "batch", "json"],
    does: "writes records to a file, or to standard output, as lines of JSON",
    text: MOVES,
  },
  import: {
    form: "FILE STORE",
    options: ["batch", "json"],
    does: "writes the records of an exported file and reads each one back",
    text: MOVES,
  },
  check: {
    form: "A B",
    options: ["prefix", "batch", "json"],
    does: "compares the records of two stores, both ways",
  },
};

/** All verbs, in the order of the help. */
export const VERB_NAMES: readonly VerbName[] = Object.keys(VERBS) as VerbName[]; // Its own keys.

/** The options of a verb; `help` is one of each. */
export function optionsOf(verb: VerbName): readonly OptionName[] {
  return [...VERBS[verb].options, "help"];
}
