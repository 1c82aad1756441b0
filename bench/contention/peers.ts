/** Who counts on which store beside this library; the first is the base of all ratios. */
import { unlocked, xstatePersisted } from "./bare.ts";
import {
  mutexByHand,
  naiveByHand,
  stubbornByHand,
  unlockedByHand,
  xstateByHand,
} from "./by-hand.ts";
import type { Competitor } from "./competitor.ts";
import {
  asyncMutex,
  flowStateApart,
  flowStateLock,
  flowStateShared,
  naiveCas,
  pQueue,
} from "./competitors.ts";
import type { StoreName } from "./site.ts";

const ON_STORE = [naiveCas, flowStateShared, flowStateApart, asyncMutex, pQueue];

/** All peers on a store, in the order of the table and of the picture. */
export async function peersOf(store: StoreName): Promise<readonly Competitor[]> {
  switch (store) {
    case "memory":
      return [...ON_STORE, flowStateLock];
    case "file":
      return ON_STORE;
    case "sqlite":
      return [...ON_STORE, xstatePersisted, unlocked];
    case "redis": {
      // Loaded when asked for: the others need no driver.
      const redis = await import("./redis-competitors.ts");
      const locks = [redis.redlock, redis.watchMulti, redis.mutexKeyv];
      return [naiveByHand, stubbornByHand, ...locks, xstateByHand, redis.keyvAlone, redis.hincrby];
    }
    case "postgres": {
      const { forUpdate, serverSide } = await import("./postgres-competitors.ts");
      // Without the stubborn one: there it needs most of a minute for each round.
      return [naiveByHand, forUpdate, mutexByHand, xstateByHand, unlockedByHand, serverSide];
    }
    default:
      throw new Error(`there is no counter on ${String(store satisfies never)}`);
  }
}

/** Those on many counters: without whom that would show nothing new. */
export async function peersOnMany(store: StoreName): Promise<readonly Competitor[]> {
  const peers = await peersOf(store);
  return peers.filter((peer) => ![unlocked, pQueue, flowStateApart].includes(peer));
}
