/**
 * The wait graph: the calls that running code has made while it holds scopes, and that are pending.
 *
 * A scope waits for another while the code that holds it has a pending call there. Waits in a
 * circle would never end, so the call that would close a circle is refused.
 *
 *     A's mutator ── call ──▶ B, whose mutator ── call ──▶ C, whose mutator ── call ──▶ A
 *       holds A               holds B                      holds C               refused: A B C A
 *
 * Only calls made by code that holds a scope are kept: a call from outside holds nothing, so no
 * other call can wait for its caller. A search of the graph decides whether a kept call counts as
 * a wait, by the holdings active then. So nothing is corrected when a run ends, a call is
 * cancelled or a claim is released.
 *
 * Invariants
 *  V1  A call is kept from before it can start until it is settled, under each scope its caller
 *      held.
 *  V2  A call counts as a wait of the innermost active holding it was made in, and of the scopes
 *      that the same work holds with it; of none when all of them have ended. It counts whether
 *      or not its caller awaits it: other code may await the promise.
 *  V3  An applied call that waits for its save waits for the store alone, unless its commit batch
 *      is being run again.
 *  V4  A circle is closed by a call, never by a result: code that starts to run waits for nothing
 *      yet. So a search at each call is enough.
 */
import { DeadlockError } from "../errors.ts";
import type { Call } from "./mailbox.ts";
import {
  allHeldHere,
  heldHere,
  living,
  namesTo,
  refuseReentry,
  type Held,
  type Holding,
} from "./reentrancy.ts";

interface Wait {
  readonly call: Call;
  readonly target: Held;
  /** The innermost holding of the code that made the call. */
  readonly from: Holding;
  /** The scopes under which the call is kept. */
  readonly holders: readonly object[];
}

/** The pending calls, by each scope that the caller held. */
const waits = new Map<object, Set<Wait>>();

/** How many pending calls are kept for `holder`. */
export function waitsOf(holder: object): number {
  return waits.get(holder)?.size ?? 0;
}

/**
 * Enters a call of the running code on `target`, before it can start. Throws
 * `ReentrantMutationError` when the code holds the scope already and `DeadlockError` when the scope
 * waits for one that the code holds.
 */
export function enterWait(target: Held, call: Call): void {
  const from = heldHere();
  if (from === undefined) return;
  refuseReentry(target);
  const works = worksAround();
  refuseCircle(target, works);
  const holders = works.flat().map(({ holder }) => holder);
  const wait = { call, target, from, holders };
  for (const holder of holders) {
    const known = waits.get(holder);
    if (known === undefined) waits.set(holder, new Set([wait]));
    else known.add(wait);
  }
  call.onSettled(() => forget(wait));
}

function forget(wait: Wait): void {
  for (const holder of wait.holders) {
    const known = waits.get(holder);
    if (known?.delete(wait) === true && known.size === 0) waits.delete(holder);
  }
}

/** The holdings of each work around the running code, innermost first. */
function worksAround(): Holding[][] {
  const works: Holding[][] = [];
  let isNew = true;
  for (const each of allHeldHere()) {
    if (isNew) works.push([each]);
    else works.at(-1)?.push(each);
    isNew = !each.joint;
  }
  return works;
}

/** Throws when `target` waits, also through other scopes, for a scope that a work holds. */
function refuseCircle(target: Held, works: readonly Holding[][]): void {
  if (!waits.has(target)) return;
  const depths = new Map(works.flatMap((work, depth) => work.map(({ holder }) => [holder, depth])));
  const way = wayTo(depths, target);
  const last = way?.at(-1);
  if (way === undefined || last === undefined) return;
  // That work waits for those inside it, and the innermost calls the target.
  const inside = works
    .slice(0, depths.get(last))
    .toReversed()
    .flatMap((work) => work.slice(0, 1));
  const names = namesTo(target.identity, [...way, ...inside]);
  throw new DeadlockError(names, { scope: target.identity });
}

/** The shortest path along the waits from a scope to one of `goals`, both ends included. */
function wayTo(goals: ReadonlyMap<object, number>, start: Held): readonly Held[] | undefined {
  const before = new Map<Held, Held | undefined>([[start, undefined]]);
  for (const scope of before.keys())
    // Also scopes added during the loop.
    for (const next of awaitedBy(scope)) {
      if (before.has(next)) continue;
      before.set(next, scope);
      if (!goals.has(next)) continue;
      const way: Held[] = [];
      for (let each: Held | undefined = next; each !== undefined; each = before.get(each))
        way.push(each);
      return way.toReversed();
    }
  return undefined;
}

/** The scopes with a pending call of the code that holds `scope`. */
function* awaitedBy(scope: Held): Generator<Held> {
  for (const { call, target, from } of waits.get(scope) ?? [])
    if (isHeldBy(from, scope) && call.stage !== "joined") yield target;
}

/** True when the innermost active work around a call holds `scope` (V2). */
function isHeldBy(from: Holding, scope: Held): boolean {
  for (let each = living(from); each !== undefined; each = each.joint ? each.outer : undefined)
    if (each.holder === scope) return true;
  return false;
}
