/**
 * `@langchain/langgraph-checkpoint`, an optional peer.
 *
 * It is loaded when a class of this adapter is made, by `import`: its classes are then those of the
 * graph that uses them, and a missing one is an error that says what to install.
 */
import type * as Checkpoint from "@langchain/langgraph-checkpoint";
import { StoreUnavailableError } from "../../../actors/errors.ts";
import { isError } from "../../../actors/realm.ts";

/** The peer. */
export type Peer = typeof Checkpoint;

const NAME = "@langchain/langgraph-checkpoint";
/** The versions that work: 1.2.2 is the first that exports its serializer. */
const RANGE = "^1.2.2";
const ADVICE = `holdfast/langgraph needs ${NAME} ${RANGE} (npm install ${NAME}@${RANGE})`;

let loading: Promise<Peer> | undefined;

/**
 * The peer. Rejects with `StoreUnavailableError` when it is missing, too old, or does not load; the
 * next call tries again.
 */
export function loadPeer(): Promise<Peer> {
  if (loading === undefined) {
    loading = load();
    loading.catch(() => (loading = undefined)); // The calls that wait for it reject.
  }
  return loading;
}

async function load(): Promise<Peer> {
  let peer: Peer;
  try {
    peer = await import("@langchain/langgraph-checkpoint");
  } catch (cause) {
    const reason = isError(cause) ? cause.message : "unknown failure";
    throw new StoreUnavailableError(`${ADVICE}; it does not load: ${reason}`, { cause });
  }
  const needed: readonly unknown[] = [peer.compareWritesSortKeys, peer.JsonPlusSerializer];
  if (needed.every((each) => typeof each === "function")) return peer;
  throw new StoreUnavailableError(`${ADVICE}; the installed version is older`);
}

/** Lets a class that was defined before the peer was loaded inherit from a class of it. */
export function inherit(own: object, base: object): void {
  if (Object.getPrototypeOf(own) !== base) Object.setPrototypeOf(own, base);
}
