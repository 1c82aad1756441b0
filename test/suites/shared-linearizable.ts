/**
 * V1 over several runtimes and over several processes that share a store: what all callers see is
 * what one after another would have seen, whether a call writes or not.
 */
import { expect, it } from "vitest";
import { defineKind } from "../../src/runtime/kinds.ts";
import { createRuntime } from "../../src/runtime/runtime.ts";
import { checkLinearizable } from "../../src/testing/linearizable.ts";
import { openStore } from "../faults/open-store.ts";
import { accounts, callAccounts, openAccounts, type Operation } from "../support/accounts.ts";
import { startChild } from "../support/child.ts";
import type { MeetingPlace } from "./contention-suite.ts";

const isNightly = process.env["TEST_SCALE"] === "nightly";
/** Callers of one runtime. */
const CALLERS = 2;
/** Calls of one history, of all callers together. */
const CALLS = 150;
/** Histories with answers from memory until one has no order. */
const TRIES = 10;
const TIMEOUT = { timeout: (isNightly ? 60 : 3) * 60_000 };
const SEVERAL = [2, 3, 4];

/** Who calls. */
interface Crowd {
  /** How many runtimes or processes. */
  readonly owners: number;
  readonly watch: boolean;
  readonly seed: number;
  /** Default `verified`. */
  readonly answers?: "local";
}

type MakeHistory = (place: MeetingPlace, crowd: Crowd) => Promise<Operation[]>;

/** Where the callers are, and how many histories a case has. */
const WAYS: readonly (readonly [string, MakeHistory, number])[] = [
  ["runtimes", ofRuntimes, isNightly ? 200 : 2],
  ["processes", ofProcesses, isNightly ? 20 : 1],
];

function timesOf({ owners }: Crowd): number {
  return Math.ceil(CALLS / (owners * CALLERS));
}

function indexes(length: number): number[] {
  return Array.from({ length }, (_, at) => at);
}

/** A history of runtimes in this process, each with a store object of its own. */
async function ofRuntimes({ kind, fresh }: MeetingPlace, crowd: Crowd): Promise<Operation[]> {
  const { owners, watch, seed, answers = "verified" } = crowd;
  const place = fresh();
  const kinds = { user: defineKind({ answers }) };
  const stores = indexes(owners).map(() => openStore(kind, place));
  const runtimes = stores.map((store) => createRuntime({ store, watch, kinds }));
  const opened = await Promise.all(runtimes.map(openAccounts));
  const joint = stores.every(({ supports }) => supports.transactions);
  const callers = opened.flatMap((each) => indexes(CALLERS).map(() => each));
  const called = await Promise.all(
    callers.map((each, index) =>
      callAccounts({ opened: each, index, seed, times: timesOf(crowd), joint }),
    ),
  );
  await Promise.all(runtimes.map((runtime) => runtime.close()));
  return called.flat();
}

/** A history of real processes with a runtime each. */
async function ofProcesses({ kind, fresh }: MeetingPlace, crowd: Crowd): Promise<Operation[]> {
  const { owners, watch, seed, answers = "verified" } = crowd;
  const place = fresh();
  const children = indexes(owners).map((at) => {
    const numbers = [seed, at * CALLERS, CALLERS, timesOf(crowd)].map(String);
    return startChild("account-caller.ts", [kind, place, answers, String(watch), ...numbers]);
  });
  await Promise.all(children.map((child) => child.started));
  for (const child of children) child.begin();
  const codes = await Promise.all(children.map((child) => child.closed));
  expect(codes).toEqual(codes.map(() => 0));
  return children.flatMap((child) => {
    const last = child.output().trim().split("\n").at(-1) ?? "";
    return JSON.parse(last) as Operation[]; // The child prints it as its last line.
  });
}

/** How often a caller began while a call of another owner was under way. */
function overlapsOf(history: readonly Operation[]): number {
  const ownerOf = ({ input }: Operation): number => Math.floor(input.who / CALLERS);
  return history.filter((one) =>
    history.some(
      (other) =>
        ownerOf(other) !== ownerOf(one) &&
        other.start < one.start &&
        one.start < (other.end ?? Infinity),
    ),
  ).length;
}

/** True when one object, used by one caller after another, could have answered so. */
function isOneOrder(history: readonly Operation[]): boolean {
  expect(history.length).toBeGreaterThan(CALLS / 2);
  expect(overlapsOf(history)).toBeGreaterThan(0);
  return checkLinearizable(history, accounts).ok;
}

/** The seeds of a case; HISTORY_SEED takes the place of them all. */
function seedsOf(count: number): number[] {
  const only = process.env["HISTORY_SEED"];
  return only === undefined ? indexes(count).map((at) => at + 1) : [Number(only)];
}

/** Registers the cases for one kind of store. */
export function sharedLinearizable(place: MeetingPlace): void {
  for (const [what, historyOf, count] of WAYS) {
    const watched = what === "runtimes" ? [true, false] : undefined;
    for (const owners of SEVERAL)
      // Processes are dear: two and four of them watch, three do not.
      for (const watch of watched ?? [owners !== 3]) {
        const name = `${owners} ${what} on ${place.kind}, watch: ${watch}`;
        it(`V1 ${name}: their answers have one order`, TIMEOUT, async () => {
          for (const seed of seedsOf(count)) {
            const history = await historyOf(place, { owners, watch, seed });
            const repeat =
              `HISTORY_SEED=${seed} npx vitest run ` +
              `test/races/shared-linearizable-${place.kind}.test.ts -t "${name}"`;
            expect(isOneOrder(history), repeat).toBe(true);
          }
        });
      }

    it(`V1 3 ${what} on ${place.kind}: answers from memory have none`, TIMEOUT, async () => {
      // One history may have an order by chance, so there are some tries to find one without.
      let seed = 0;
      const isOrdered = async (): Promise<boolean> => {
        seed += 1;
        const options = { owners: 3, watch: false, seed, answers: "local" as const };
        return isOneOrder(await historyOf(place, options));
      };
      while (await isOrdered()) expect(seed).toBeLessThan(TRIES);
    });
  }
}
