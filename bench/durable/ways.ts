/** The two ways of counting that are compared across processes. */
import { isHoldfastError } from "../../actors/errors.ts";
import type { Scope } from "../../src/runtime/scope.ts";
import { incrementNaively } from "../contention/by-hand.ts";
import { GaveUp } from "../contention/competitor.ts";
import { recordsAt } from "../contention/records.ts";
import { storeAt, type Site } from "../contention/site.ts";
import { createRuntime } from "../subject.ts";
import type { Way } from "./job.ts";

interface Count extends Record<string, unknown> {
  readonly n: number;
}

/** Counters under some keys, open in this process. */
export interface Counting {
  /** Makes all counters, at 0. */
  readonly create: () => Promise<void>;
  /** Adds one; false when that was given up. */
  readonly increment: (key: string) => Promise<boolean>;
  /** The sum of what is stored. */
  readonly total: () => Promise<number>;
  readonly close: () => Promise<void>;
}

/** Opens the counters of `keys`. */
export function openCounting(way: Way, site: Site, keys: readonly string[]): Promise<Counting> {
  const distinct = [...new Set(keys)];
  return way === "holdfast" ? openScopes(site, distinct) : openRecords(site, distinct);
}

async function openScopes(site: Site, keys: readonly string[]): Promise<Counting> {
  const runtime = createRuntime({ store: storeAt(site) });
  const opened = keys.map(async (key) => [key, await runtime.open<Count>("session", key)] as const);
  const scopes = new Map<string, Scope<Count>>(await Promise.all(opened));
  return {
    create: async () => {
      await Promise.all([...scopes.values()].map((scope) => scope.setState({ n: 0 })));
    },
    increment: async (key) => {
      try {
        await scopes.get(key)?.incState({ n: 1 });
        return true;
      } catch (error) {
        if (isHoldfastError(error, "CONCURRENT_MODIFICATION")) return false;
        throw error;
      }
    },
    total: async () => [...scopes.values()].reduce((sum, { state }) => sum + state.n, 0),
    close: () => runtime.close(),
  };
}

async function openRecords(site: Site, keys: readonly string[]): Promise<Counting> {
  const records = await recordsAt(site);
  return {
    create: () => records.create(keys, '{"n":0}'),
    increment: async (key) => {
      try {
        await incrementNaively(records, key);
        return true;
      } catch (error) {
        if (error instanceof GaveUp) return false;
        throw error;
      }
    },
    total: async () => {
      const rows = await Promise.all(keys.map((key) => records.read(key)));
      // Counters, written above and by `incrementNaively`.
      return rows.reduce((sum, { text }) => sum + (JSON.parse(text) as Count).n, 0);
    },
    close: () => records.close(),
  };
}
