/**
 * Two accounts that many callers use at once: random calls, timed, and the model of what these
 * would answer one after another. Most calls may end without a write: they must not rest on an
 * older copy either.
 */
import { isHoldfastError } from "../../actors/errors.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import type { Scope } from "../../src/runtime/scope.ts";
import type { SequentialModel, TimedOperation } from "../../src/testing/linearizable.ts";
import { seededRandom, type Random } from "../../src/testing/random.ts";

/** What an account holds; no owner and `null` both mean that it can be claimed. */
interface Account {
  gold?: number;
  mode?: string;
  owner?: number | null;
}
type Pair = readonly [Account, Account];
/** The stored accounts; `undefined`: there is no record. */
type Accounts = readonly [Account | undefined, Account | undefined];

/** What a mutator makes of what it sees, and what it saw. */
interface Step<Changes> {
  /** Absent: nothing is written. */
  readonly changes?: Changes;
  /** True: it throws. */
  readonly refuses?: boolean;
  readonly saw: string | number | undefined;
}

/** Mutators of one account. */
const ATOMIC = {
  add: ({ gold = 0 }: Account, { by }: Input): Step<Account> => ({
    changes: { gold: gold + by },
    saw: gold,
  }),
  spend: ({ gold = 0 }: Account, { by }: Input): Step<Account> =>
    gold < by ? { refuses: true, saw: gold } : { changes: { gold: gold - by }, saw: gold },
  claim: ({ owner }: Account, { who }: Input): Step<Account> =>
    typeof owner === "number" ? { saw: owner } : { changes: { owner: who }, saw: "free" },
  release: ({ owner }: Account, { who }: Input): Step<Account> =>
    owner === who ? { changes: { owner: null }, saw: owner } : { saw: owner ?? "free" },
} as const;

/** Recipes of both accounts; `[from, to]`. */
const JOINT = {
  move: ([from, to]: Pair, { by }: Input): Step<Pair> => {
    const [gold, other] = [from.gold ?? 0, to.gold ?? 0];
    const saw = `${gold} ${other}`;
    if (gold < by) return { refuses: true, saw };
    return { changes: [{ gold: gold - by }, { gold: other + by }], saw };
  },
  copy: ([from, to]: Pair): Step<Pair> => {
    const saw = `${from.mode} ${to.mode}`;
    if (from.mode === undefined || from.mode === to.mode) return { saw };
    return { changes: [{}, { mode: from.mode }], saw };
  },
  look: ([from, to]: Pair): Step<Pair> => ({ saw: `${textOf(from)} ${textOf(to)}` }),
} as const;

type AtomicName = keyof typeof ATOMIC;
type JointName = keyof typeof JOINT;
type Name = AtomicName | JointName | "patch" | "read" | "delete";

const SINGLE: readonly Name[] = [
  ...(["add", "add", "spend", "spend", "spend", "claim", "claim", "release", "release"] as const),
  ...(["patch", "patch", "patch", "read", "read"] as const),
];
const BOTH: readonly Name[] = [...SINGLE, ...SINGLE, "move", "move", "copy", "look"];
/** Calls that never write. */
const LOOKS: ReadonlySet<Name> = new Set<Name>(["read", "look"]);
const MODES = ["agent", "chat"];
const AMOUNT_MAX = 30;
/** One call in so many removes the account. */
const DELETE_EVERY = 40;

/** One call. */
export interface Input {
  readonly name: Name;
  /** Which account, or which one comes first. */
  readonly at: 0 | 1;
  readonly by: number;
  /** The number of the caller. */
  readonly who: number;
  readonly mode: string;
}

/** What it answered, and what its mutator saw. */
export type Output = readonly (boolean | string | number | null)[];
/** One call of a history. */
export type Operation = TimedOperation<Input, Output>;

function textOf(account: Account | undefined): string {
  return `${account?.gold ?? 0}/${account?.mode ?? ""}/${account?.owner ?? ""}`;
}

function outputOf({ changes, refuses = false, saw }: Step<unknown>): Output {
  return [refuses ? "refused" : changes !== undefined, saw ?? null];
}

function isAtomic(name: Name): name is AtomicName {
  return Object.hasOwn(ATOMIC, name);
}

function isJoint(name: Name): name is JointName {
  return Object.hasOwn(JOINT, name);
}

/** What one account becomes by a call, and the answer. */
function stepOne(account: Account | undefined, input: Input): [Account | undefined, Output] {
  const { name, mode } = input;
  if (name === "read") return [account, [textOf(account)]];
  if (name === "delete") return [undefined, [account !== undefined]];
  if (name === "patch") return [{ ...account, mode }, [account?.mode !== mode]];
  if (!isAtomic(name)) throw new Error(`${name} is no call on one account`);
  const step = ATOMIC[name](account ?? {}, input);
  const after = step.changes === undefined ? account : { ...account, ...step.changes };
  return [after, outputOf(step)];
}

function stepBoth(accounts: Accounts, name: JointName, input: Input): [Accounts, Output] {
  const [from, to] = input.at === 0 ? accounts : accounts.toReversed();
  const step = JOINT[name]([from ?? {}, to ?? {}], input);
  if (step.changes === undefined) return [accounts, outputOf(step)];
  const [ofFrom, ofTo] = step.changes;
  // What is not changed does not come into being either.
  const isSource = Object.keys(ofFrom).length > 0 || from !== undefined;
  const after: Accounts = [isSource ? { ...from, ...ofFrom } : undefined, { ...to, ...ofTo }];
  return [input.at === 0 ? after : [after[1], after[0]], outputOf(step)];
}

/** What the calls answer one after another. */
export const accounts: SequentialModel<Accounts, Input, Output> = {
  initial: [undefined, undefined],
  step(state, input) {
    if (isJoint(input.name)) {
      const [after, output] = stepBoth(state, input.name, input);
      return { state: after, output };
    }
    const [account, output] = stepOne(state[input.at], input);
    return { state: input.at === 0 ? [account, state[1]] : [state[0], account], output };
  },
  identify: (state) => state.map((each) => (each === undefined ? "none" : textOf(each))).join(" "),
};

const REFUSED = new Error("refused by the mutator");

/** The accounts as a runtime has them. */
export interface OpenedAccounts {
  readonly runtime: Runtime;
  readonly scopes: readonly [Scope<Account>, Scope<Account>];
}

async function callJoint(opened: OpenedAccounts, name: JointName, input: Input): Promise<Output> {
  const [first, second] = opened.scopes;
  let step: Step<Pair> = { saw: undefined };
  const done = opened.runtime.transaction(
    input.at === 0 ? [first, second] : [second, first],
    (from, to) => {
      step = JOINT[name]([from, to], input);
      if (step.refuses === true) throw REFUSED;
      Object.assign(from, step.changes?.[0]);
      Object.assign(to, step.changes?.[1]);
    },
  );
  return [await answerOf(done), step.saw ?? null];
}

function answerOf(done: Promise<boolean>): Promise<boolean | string> {
  return done.catch((error: unknown) => {
    if (error === REFUSED) return "refused";
    throw error;
  });
}

async function call(opened: OpenedAccounts, input: Input): Promise<Output> {
  const { name, mode } = input;
  if (isJoint(name)) return callJoint(opened, name, input);
  const scope = opened.scopes[input.at];
  if (name === "read") return [textOf(await scope.read())];
  if (name === "delete") return [await scope.delete()];
  if (name === "patch") return [await scope.patchState({ mode })];
  let step: Step<Account> = { saw: undefined };
  const done = scope.atomicState((state) => {
    step = ATOMIC[name](state, input);
    if (step.refuses === true) throw REFUSED;
    return step.changes;
  });
  return [await answerOf(done), step.saw ?? null];
}

function pick<T>(random: Random, choice: readonly T[], otherwise: T): T {
  return choice[Math.floor(random() * choice.length)] ?? otherwise;
}

function randomInput(random: Random, who: number, names: readonly Name[]): Input {
  const isDelete = random() < 1 / DELETE_EVERY;
  return {
    name: isDelete ? "delete" : pick(random, names, "read"),
    at: random() < 0.7 ? 0 : 1,
    by: 1 + Math.floor(random() * AMOUNT_MAX),
    who,
    mode: pick(random, MODES, "agent"),
  };
}

/** Nanoseconds on the clock that all processes of a machine share. */
function nanoseconds(): number {
  return Number(process.hrtime.bigint());
}

/** Who calls, and how often. */
export interface CallerSettings {
  readonly opened: OpenedAccounts;
  /** The number of the caller; `seed` and this decide what it calls. */
  readonly index: number;
  readonly seed: number;
  readonly times: number;
  /** False where the store has no transactions. */
  readonly joint: boolean;
}

/** Opens both accounts. */
export async function openAccounts(runtime: Runtime): Promise<OpenedAccounts> {
  const first = await runtime.open<Account>("user", "first");
  return { runtime, scopes: [first, await runtime.open<Account>("user", "second")] };
}

/** One caller, each call after the answer to the one before; gives what it called. */
export async function callAccounts(settings: CallerSettings): Promise<Operation[]> {
  const { opened, index, seed, times, joint } = settings;
  const random = seededRandom(seed * 1_000 + index);
  const operations: Operation[] = [];
  for (let done = 0; done < times; done += 1) {
    const input = randomInput(random, index, joint ? BOTH : SINGLE);
    const start = nanoseconds();
    try {
      const output = await call(opened, input);
      operations.push({ input, output, start, end: nanoseconds() });
    } catch (error) {
      if (!isHoldfastError(error)) throw error;
      // Every other error is a promise that nothing happened; what only looks has no effect.
      const isUnknown = isHoldfastError(error, "COMMIT_UNKNOWN");
      if (isUnknown && !LOOKS.has(input.name)) operations.push({ input, start });
    }
  }
  return operations;
}
