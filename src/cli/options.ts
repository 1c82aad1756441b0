/** Reads the command line by the table of verbs. */
import { parseArgs } from "node:util";
import { type OptionName, OPTIONS, optionsOf, type VerbName, VERBS, VERB_NAMES } from "./verbs.ts";

/** An invalid command line; `message` gives the reason. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** One verb with its operands and settings. */
export interface Task {
  readonly verb: VerbName;
  /** The stores, files, names and values given, in their order. */
  readonly operands: readonly string[];
  readonly prefix: string;
  readonly batch: number;
  /** `Infinity`: no limit. */
  readonly limit: number;
  readonly keep: number | undefined;
  /** Versions; `Infinity` and 0: no limit. */
  readonly before: number;
  readonly after: number;
  readonly states: boolean;
  readonly status: string | undefined;
  readonly sequencer: string | undefined;
  readonly suspension: string | undefined;
  readonly checkOnly: boolean;
  readonly dryRun: boolean;
  readonly check: boolean;
  readonly module: string | undefined;
  /** Changes the store; verbs that could surprise need it. */
  readonly write: boolean;
  readonly json: boolean;
  readonly port: number | undefined;
  readonly open: boolean;
  readonly namespace: string;
}

/** What else a command line may ask for. */
export type Asked = { readonly help: VerbName | null } | { readonly version: true };

const BATCH_DEFAULT = 100;
const BATCH_MAX = 10_000;
const PORT_MAX = 65_535;
const NAMESPACE_DEFAULT = "holdfast";
const STORE_ADDRESS = /^(?:sqlite|file|rediss?|postgres(?:ql)?):/;

/** The options that were given: texts, and `true` for those without a value. */
type Given = ReadonlyMap<OptionName, string | true>;

/** Reads the command line: a task, or what to print. Throws `UsageError`. */
export function readTask(args: readonly string[]): Task | Asked {
  const { given, positionals, unknown } = parse(args);
  const [name, ...operands] = positionals;
  if (given.has("help")) return { help: VERB_NAMES.find((verb) => verb === name) ?? null };
  if (given.has("version")) return { version: true };
  const verb = verbOf(name);
  const known = optionsOf(verb);
  const misplaced = unknown ?? [...given.keys()].find((option) => !known.includes(option));
  if (misplaced !== undefined)
    throw wrong(`--${misplaced} is no option of ${verb}; it has ${dashed(known)}`, verb);
  checkOperands(verb, operands);
  const text = (option: OptionName): string | undefined => {
    const value = given.get(option);
    return typeof value === "string" ? value : undefined;
  };
  return {
    verb,
    operands,
    prefix: text("prefix") ?? "",
    batch: wholeNumber("batch", text("batch"), { from: 1, to: BATCH_MAX }) ?? BATCH_DEFAULT,
    limit: wholeNumber("limit", text("limit"), { from: 1 }) ?? Infinity,
    keep: wholeNumber("keep", text("keep"), { from: 0 }),
    before: wholeNumber("before", text("before"), { from: 0 }) ?? Infinity,
    after: wholeNumber("after", text("after"), { from: 0 }) ?? 0,
    states: given.has("states"),
    status: text("status"),
    sequencer: text("sequencer"),
    suspension: text("suspension"),
    checkOnly: given.has("check-only"),
    dryRun: given.has("dry-run"),
    check: given.has("check"),
    module: text("module"),
    write: given.has("write"),
    json: given.has("json"),
    port: wholeNumber("port", text("port"), { from: 0, to: PORT_MAX }),
    open: given.has("open"),
    namespace: namespaceOf(text("namespace")),
  };
}

function namespaceOf(given: string = NAMESPACE_DEFAULT): string {
  if (given !== "") return given;
  throw new UsageError("--namespace must not be empty");
}

function checkOperands(verb: VerbName, given: readonly string[]): void {
  const { form } = VERBS[verb];
  const words = form.split(" ");
  const least = words.filter((word) => !word.startsWith("[")).length;
  if (given.length < least || given.length > words.length) {
    const count = given.length < least ? "few" : "many";
    throw wrong(`too ${count} operands for holdfast ${verb} ${form}`, verb);
  }
  const file = given[words.findIndex((word) => word.includes("FILE"))];
  if (file !== undefined && STORE_ADDRESS.test(file))
    throw wrong(`holdfast ${verb} ${form}: a store stands where the file should`, verb);
}

/** The error of a wrong command line, which says where the help is. */
export function wrong(reason: string, verb?: VerbName): UsageError {
  return new UsageError(`${reason} (see holdfast ${verb === undefined ? "" : `${verb} `}--help)`);
}

/** Throws `UsageError` for a task without `--write`; `does` says what it would do. */
export function needWrite({ write, verb }: Task, does: string): void {
  if (!write) throw wrong(`${verb} ${does} only with --write`, verb);
}

function dashed(names: readonly OptionName[]): string {
  return names.map((name) => `--${name}`).join(", ");
}

function verbOf(name: string | undefined): VerbName {
  if (name === undefined) throw wrong("no verb");
  const verb = VERB_NAMES.find((each) => each === name);
  if (verb !== undefined) return verb;
  throw wrong(`unknown verb ${JSON.stringify(name)}; there are ${VERB_NAMES.join(", ")}`);
}

interface Range {
  readonly from: number;
  readonly to?: number;
}

/** A whole number within a range; throws `UsageError` for another text. */
function wholeNumber(
  option: OptionName,
  text: string | undefined,
  { from, to = Number.MAX_SAFE_INTEGER }: Range,
): number | undefined {
  if (text === undefined) return undefined;
  const value = /^\d+$/.test(text) ? Number(text) : -1;
  if (value >= from && value <= to) return value;
  const end = to === Number.MAX_SAFE_INTEGER ? " or more" : ` to ${to}`;
  throw wrong(`--${option} must be a whole number from ${from}${end}`);
}

interface Parsed {
  readonly positionals: readonly string[];
  readonly given: Given;
  /** The first option that no verb has. */
  readonly unknown: string | undefined;
}

const NAMES = Object.keys(OPTIONS) as OptionName[]; // Its own keys.

function parse(args: readonly string[]): Parsed {
  const rules = NAMES.map((name) => {
    const type: "string" | "boolean" = OPTIONS[name].value === undefined ? "boolean" : "string";
    return [name, { type, ...(name === "help" && { short: "h" }) }];
  });
  // Not strict: the message of an unknown option names those of the verb.
  const { tokens, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    strict: false,
    tokens: true,
    options: Object.fromEntries(rules),
  });
  const given = new Map<OptionName, string | true>();
  let unknown: string | undefined;
  for (const token of tokens) {
    if (token.kind !== "option") continue;
    const name = NAMES.find((each) => each === token.name);
    if (name === undefined) unknown ??= token.name;
    else given.set(name, valueOfToken(name, token.value, token.inlineValue));
  }
  return { positionals, given, unknown };
}

/** The value of an option; throws `UsageError` for a missing one, and for one too many. */
function valueOfToken(
  name: OptionName,
  value: string | undefined,
  isInline: boolean | undefined,
): string | true {
  const wanted = OPTIONS[name].value;
  if (wanted === undefined) {
    if (value === undefined) return true;
    throw wrong(`--${name} has no value`);
  }
  if (value === undefined) throw wrong(`--${name} needs a value: --${name} ${wanted}`);
  if (isInline !== true && value.startsWith("-"))
    throw wrong(`--${name} needs a value; one that begins with a dash is --${name}=${wanted}`);
  return value;
}
