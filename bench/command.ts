/** What the command line of the benches says: read, checked, and explained by `--help`. */
import { parseArgs } from "node:util";
import type { StoreName } from "./contention/site.ts";

/** What was asked for makes no sense, and the message says why. */
export class Misuse extends Error {}

/** A bench as the command line knows it; the file of its name exports `bench`. */
interface Known {
  readonly about: string;
  /** What `--store` may name; none: the bench has no choice of stores. */
  readonly stores: readonly StoreName[];
}

const KNOWN: Readonly<Record<string, Known>> = {
  compare: { about: "holdfast beside bare code and the usual ways, in a few minutes", stores: [] },
  micro: { about: "one turn, one write, one recipe", stores: [] },
  contention: {
    about: "many callers on few records, and peers",
    stores: ["memory", "sqlite", "file", "redis", "postgres"],
  },
  answers: {
    about: "calls that write nothing, verified at the store",
    stores: ["memory", "sqlite", "redis", "postgres"],
  },
  durable: {
    about: "large states, and several processes",
    stores: ["sqlite", "redis", "postgres"],
  },
  time: {
    about: "a history: keeping it, reading it, undo",
    stores: ["memory", "sqlite", "file", "redis", "postgres"],
  },
  sequencer: {
    about: "runs of 100 steps, and peers",
    stores: ["memory", "sqlite", "redis", "postgres"],
  },
  sse: { about: "changes over HTTP to 1, 100 and 1,000 readers", stores: [] },
  import: { about: "what each entry point adds to the start of a process", stores: [] },
  dialects: { about: "each dialect beside its original", stores: [] },
  langgraph: {
    about: "checkpoints, beside LangGraph's own",
    stores: ["memory", "sqlite", "redis", "postgres"],
  },
  adapters: { about: "turns lost by frameworks' own stores, and by the adapters", stores: [] },
  calls: {
    about: "function calls and files of one idle patchState",
    stores: ["sqlite", "redis"],
  },
  allocation: { about: "bytes allocated per mutation, and kept per scope and call", stores: [] },
};

/** The bench that runs when none is named; `all` is the others, of which it is a part. */
const DEFAULT = "compare";
const ALL = "all";

/** What to do. */
export interface Command {
  /** Benches in the order in which they run; none with `--chart` alone. */
  readonly benches: readonly string[];
  /** At least 1; default: as each bench needs. */
  readonly rounds: number | undefined;
  readonly store: StoreName | undefined;
  /** The file to draw into. */
  readonly chart: string | undefined;
  /** Write the figures into `bench/results/`. */
  readonly keep: boolean;
  /** Print each target beside what was reached. */
  readonly targets: boolean;
}

/** What the arguments ask for, or `help`; throws `Misuse` with the reason when they are wrong. */
export function parseCommand(args: readonly string[]): Command | "help" {
  const { values, positionals } = parsed(args);
  if (values.help === true) return "help";
  const { chart, keep = false, targets = false } = values;
  const rounds = roundsOf(values.rounds);
  const named = positionals.length > 0 || chart !== undefined ? positionals : [DEFAULT];
  const benches = benchesOf(named, values.store);
  // `benchesOf` has compared it with the stores of each bench.
  const store = values.store as StoreName | undefined;
  const command = { benches, rounds, store, chart, keep, targets };
  const reason = contradiction(command);
  if (reason !== undefined) throw new Misuse(reason);
  return command;
}

/** Why options that are right alone make no sense together. */
function contradiction({ benches, rounds, chart, keep }: Command): string | undefined {
  if (keep && rounds !== undefined)
    return "--keep keeps full measurements only: leave --rounds out";
  if (keep && benches.length === 0) return "--keep needs a bench whose figures it keeps";
  if (chart !== undefined && benches.length > 0 && !keep)
    return "--chart draws the results that are kept: add --keep, or name no bench";
  return undefined;
}

const OPTIONS = {
  store: { type: "string" },
  rounds: { type: "string" },
  keep: { type: "boolean" },
  targets: { type: "boolean" },
  chart: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

/** The arguments by name, each as it was given. */
interface Parsed {
  readonly values: {
    readonly [name in "store" | "rounds" | "chart"]?: string | undefined;
  } & { readonly [name in "keep" | "targets" | "help"]?: boolean | undefined };
  readonly positionals: readonly string[];
}

function parsed(args: readonly string[]): Parsed {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options: OPTIONS });
  } catch (error) {
    // What `parseArgs` throws for an option that is unknown, lacks its value or has one too many.
    const [reason] = String(Object(error).message).split(". ");
    throw new Misuse(`${reason}; see --help`);
  }
}

function roundsOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,5}$/.test(text))
    throw new Misuse(`--rounds must be a whole number from 1 to 999999, received ${text}`);
  return Number(text);
}

function benchesOf(named: readonly string[], store: string | undefined): string[] {
  const unknown = named.filter((name) => name !== ALL && !Object.hasOwn(KNOWN, name));
  if (unknown.length > 0) {
    const known = [...Object.keys(KNOWN), ALL].join(", ");
    throw new Misuse(`no bench is called ${unknown.join(", ")}; there are: ${known}`);
  }
  const names = named.includes(ALL)
    ? Object.keys(KNOWN).filter((name) => name !== DEFAULT && can(name, store))
    : [...new Set(named)];
  const without = names.find((name) => !can(name, store));
  if (without !== undefined) {
    const stores = KNOWN[without]?.stores.join(", ");
    const reason = stores === "" ? "takes no --store" : `takes --store ${stores}`;
    throw new Misuse(`${without} ${reason}; received ${store}`);
  }
  if (store !== undefined && names.length === 0)
    throw new Misuse(`no bench uses --store ${store}; see --help`);
  return names;
}

function can(name: string, store: string | undefined): boolean {
  return store === undefined || KNOWN[name]?.stores.some((known) => known === store) === true;
}

/** The text of `--help`. */
export function helpText(): string {
  const benches = Object.entries(KNOWN).map(([name, { about, stores }]) => {
    const choice = stores.length === 0 ? "" : ` [--store ${stores.join("|")}]`;
    return `  ${name.padEnd(12)}${about}${choice}`;
  });
  return [
    "npm run bench -- [BENCH…] [OPTION…]",
    "",
    "Measures the library of this checkout, compiled into a temporary folder, and prints tables.",
    "Each result is checked before its time counts. Read ratios, and the noise below each table.",
    "",
    `Benches; without a name ${DEFAULT} runs:`,
    ...benches,
    `  ${ALL.padEnd(12)}all of them but ${DEFAULT}, which is a part of them; takes long`,
    "",
    "Options:",
    "  --store NAME  measure on this store alone. redis: the server of REDIS_URL, else a",
    "                redis-server of its own; postgres: that of POSTGRES_URL, else 127.0.0.1:5432",
    "  --rounds N    count N rounds of each race instead of as many as it needs",
    "  --targets     print the project's targets beside what was reached, met or MISSED",
    "  --keep        write the figures into bench/results/; nothing is written otherwise",
    "  --chart FILE  draw the kept results of contention as SVG into FILE; measures nothing alone",
    "  -h, --help    print this",
  ].join("\n");
}
