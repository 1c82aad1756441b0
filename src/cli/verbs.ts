/**
 * The verbs of the command and their options, in one table: the command line is checked by it, and
 * the help is printed from it.
 */

/** The name of an option, without its dashes. */
export type OptionName =
  | "prefix"
  | "limit"
  | "keep"
  | "before"
  | "after"
  | "states"
  | "status"
  | "sequencer"
  | "suspension"
  | "batch"
  | "check-only"
  | "dry-run"
  | "check"
  | "module"
  | "namespace"
  | "port"
  | "open"
  | "write"
  | "json"
  | "help"
  | "version";

/** The name of a verb. */
export type VerbName =
  | "ls"
  | "get"
  | "set"
  | "rm"
  | "watch"
  | "history"
  | "at"
  | "rewind"
  | "runs"
  | "resume"
  | "cancel"
  | "timers"
  | "migrate"
  | "prune"
  | "doctor"
  | "inspect"
  | "copy"
  | "export"
  | "import"
  | "check";

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
  keep: { value: "N", text: "how many changes of each scope stay; 0: none" },
  before: { value: "VERSION", text: "only versions below it" },
  after: { value: "VERSION", text: "only versions above it" },
  states: { text: "print the states, too" },
  status: { value: "STATUS", text: "running, suspended, completed, failed or cancelled" },
  sequencer: { value: "NAME", text: "only runs of this sequencer" },
  suspension: { value: "ID", text: "the suspension that is answered, as runs --json prints it" },
  batch: { value: "N", text: "records in memory at once, 1 to 10000 (default 100)" },
  "check-only": { text: "write nothing, only print what the second store lacks or has different" },
  "dry-run": { text: "write nothing, only print what a run would do" },
  check: { text: "write nothing, and end with 1 when a record is left to lift" },
  module: { value: "FILE", text: "the module that exports `kinds`, or `sequencers`" },
  namespace: { value: "NAME", text: "that of the runtime (default holdfast)" },
  port: { value: "N", text: "the port of 127.0.0.1 (default 0: a free one)" },
  open: { text: "open it in the browser of this machine" },
  write: { text: "allows the command to change the store" },
  json: { text: "print one JSON document" },
  help: { text: "print this" },
  version: { text: "print the version" },
};

const MOVES =
  "Nothing is overwritten: a key that has another record there is a conflict. A command that is " +
  "run again does the rest of the work. First stop every program that writes to the stores. " +
  "Tombstones of deleted records do not move. A namespace NAME is " +
  "four prefixes: NAME/, %binding/NAME/, %timers/NAME/ and %due/NAME/.";

const AS_STORED =
  "The kind need not be declared: the record keeps its time to live, its keys of once, the " +
  "version of its kind and its history. With --module the kind of the module decides, and checks.";
const HISTORY =
  "Without --module, states of an older version of the kind cannot be lifted, and the initial " +
  "state (version 0) is not known.";

/** All verbs by name. */
export const VERBS: Readonly<Record<VerbName, VerbRule>> = {
  ls: {
    form: "STORE [TYPE]",
    options: ["prefix", "limit", "namespace", "json"],
    does: "lists scopes by type and id, runs of sequencers included",
  },
  get: {
    form: "STORE TYPE ID",
    options: ["namespace", "json"],
    does: "prints one record as JSON: type, id, version and state",
    text:
      "The state is not checked with the schema of its kind. A value that JSON lacks is printed " +
      "as it is stored, under the key $holdfast. A record that expires also has leftMs, the " +
      "milliseconds that are left.",
  },
  set: {
    form: "STORE TYPE ID JSON",
    options: ["write", "module", "namespace", "json"],
    does: "replaces the state of a scope, or makes the scope",
    text: `${AS_STORED} JSON is in the form that get prints; - reads it from standard input.`,
  },
  rm: {
    form: "STORE TYPE ID",
    options: ["namespace", "write", "json"],
    does: "deletes one record and leaves a tombstone, as delete does",
    text: "Programs that use the store may run meanwhile.",
  },
  watch: {
    form: "STORE [TYPE [ID]]",
    options: ["prefix", "states", "limit", "namespace", "json"],
    does: "prints each change that programs make, until it is interrupted",
    text:
      "With an ID the state is printed, too, as with --states. Of several changes of a scope at " +
      "once the last one is printed. After a broken connection a line says that some may be " +
      "missing.",
  },
  history: {
    form: "STORE TYPE ID",
    options: ["before", "after", "limit", "module", "namespace", "json"],
    does: "prints the changes of a scope that its history keeps, newest first",
    text: `The patches of the changes are printed with --json only. ${HISTORY}`,
  },
  at: {
    form: "STORE TYPE ID VERSION",
    options: ["module", "namespace", "json"],
    does: "prints the state that a scope had at a version, or at a date",
    text: HISTORY,
  },
  rewind: {
    form: "STORE TYPE ID VERSION",
    options: ["write", "module", "namespace", "json"],
    does: "makes a new version with the state of an earlier version or date",
    text: `${AS_STORED} ${HISTORY}`,
  },
  runs: {
    form: "STORE",
    options: ["status", "sequencer", "limit", "namespace", "json"],
    does: "lists the runs of sequencers",
    text: "What a run waits for, and why it failed, is printed with --json only.",
  },
  resume: {
    form: "STORE RUN [JSON]",
    options: ["module", "suspension", "namespace", "json"],
    does: "goes on with a run that is suspended, failed or was interrupted, here",
    text:
      "The module exports the sequencer, and `kinds` if its steps open scopes. JSON is the " +
      "answer to the suspension. The steps run in this process, until the run ends or waits again.",
  },
  cancel: {
    form: "STORE RUN",
    options: ["module", "namespace", "json"],
    does: "cancels a run, wherever it executes",
  },
  timers: {
    form: "STORE [TYPE [ID]]",
    options: ["limit", "namespace", "json"],
    does: "lists the pending timers by type and time: when, whose, which handler",
    text:
      "The kind need not be declared. The payload, and how often the handler has failed, are " +
      "printed with --json only. A timer that is due waits for a program with its handler.",
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
  prune: {
    form: "STORE [TYPE [ID]]",
    options: ["keep", "prefix", "write", "namespace", "json"],
    does: "removes the oldest changes of histories, all but the newest --keep",
    text:
      "States and versions stay as they are, and programs may run meanwhile. What is removed can " +
      "no longer be read, undone or rewound to: it is HISTORY_GONE.",
  },
  doctor: {
    form: "STORE",
    options: ["batch", "json"],
    does: "looks at a store, its file or server and settings, and reads each record",
    text: "Ends with 1 when something is damaged or cannot be reached; a warning is no damage.",
  },
  inspect: {
    form: "STORE",
    options: ["port", "open", "write", "module", "namespace", "json"],
    does: "serves a page that shows a store, on this machine, until it is interrupted",
    text:
      "Prints an address that can be opened once; the browser that opened it keeps a cookie. " +
      "With --write the page can rewind scopes and cancel runs. Runs are resumed and retried " +
      "here when --module exports their sequencer. Programs may run meanwhile.",
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
