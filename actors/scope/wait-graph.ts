/**
 * Who waits for whom: the calls that running code has made inside turns and that are not answered.
 *
 * A scope waits for another while the code that holds it has an unanswered call there. When such
 * waits form a circle none of them ever ends, so the call that would close it is refused.
 *
 *     A's mutator ── call ──▶ B, whose mutator ── call ──▶ C, whose mutator ── call ──▶ A
 *       holds A               holds B                      holds C               refused: A B C A
 *
 * Only calls made while something is held are kept here: a call from outside holds nothing, so no
 * call can wait for its caller. Whether a kept call stands for a wait is decided when the graph is
 * looked at, by what lives then; nothing has to be corrected when a turn ends, a caller leaves or
 * a hold is released.
 *
 * Invariants
 *  V1  A call is here from before it can start until it is settled, under each scope its caller
 *      held.
 *  V2  A call counts as a wait of the innermost living holding it was made in, and of the scopes
 *      that the same work holds with it; of nothing when all of them have ended. It counts whether
 *      or not its caller awaits it: the promise may have been handed to code that does.
 *  V3  A call that was applied and waits for its save waits for the store alone, unless its round
 *      is being run again.
 *  V4  A circle is closed by a call, never by an answer: what starts to run waits for nothing yet.
 *      So it is enough to look when a call is made.
 */
import { DeadlockError } from "../errors.ts";
import type { Call } from "./mailbox.ts";
import { heldHere, living, refuseReentry, type Held, type Holding } from "./reentrancy.ts";

interface Wait {
  readonly call: Call;
  readonly target: Held;
  /** The innermost holding of the code that made the call. */
  readonly from: Holding;
  /** The scopes under which it is kept. */
  readonly holders: readonly object[];
}

/** The unanswered calls, by each scope that the caller held. */
const waits = new Map<object, Set<Wait>>();

/** How many unanswered calls are kept for `holder`. */
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
  refuseReentry(target, target.identity);
  const works = worksAround(from);
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

/** What each work around the running code holds, innermost first. */
function worksAround(from: Holding): Holding[][] {
  const works: Holding[][] = [];
  let isNew = true;
  for (let each: Holding | undefined = from; each !== undefined; each = living(each.outer)) {
    if (isNew) works.push([each]);
    else works.at(-1)?.push(each);
    isNew = !each.joint;
  }
  return works;
}

/** Throws when `target` waits, perhaps by way of others, for what one of the works holds. */
function refuseCircle(target: Held, works: readonly Holding[][]): void {
  if (!waits.has(target)) return;
  const depths = new Map(works.flatMap((work, depth) => work.map(({ holder }) => [holder, depth])));
  const way = wayTo(depths, target);
  const last = way?.at(-1);
  if (way === undefined || last === undefined) return;
  // The work it ends at waits for those inside it, and the innermost asks for the target.
  const inside = works
    .slice(0, depths.get(last))
    .toReversed()
    .flatMap((work) => work.slice(0, 1));
  const names = [...way, ...inside, target].map(({ identity: { type, id } }) => `${type}/${id}`);
  throw new DeadlockError(names, { scope: target.identity });
}

/** The shortest way along the waits from a scope to one of `goals`, both ends included. */
function wayTo(goals: ReadonlyMap<object, number>, start: Held): Held[] | undefined {
  const before = new Map<Held, Held | undefined>([[start, undefined]]);
  for (const scope of before.keys())
    // Also those that are added on the way.
    for (const next of awaitedBy(scope)) {
      if (before.has(next)) continue;
      before.set(next, scope);
      if (goals.has(next)) return trail(before, next);
    }
  return undefined;
}

function trail(before: ReadonlyMap<Held, Held | undefined>, end: Held): Held[] {
  const way: Held[] = [];
  for (let each: Held | undefined = end; each !== undefined; each = before.get(each))
    way.push(each);
  return way.toReversed();
}

/** The scopes that the code which holds `scope` now has calls on. */
function* awaitedBy(scope: Held): Generator<Held> {
  for (const { call, target, from } of waits.get(scope) ?? [])
    if (isHeldBy(from, scope) && (call.batch === null || call.batch.replaying)) yield target;
}

/** True when the innermost work that lives of those around a call holds `scope` (V2). */
function isHeldBy(from: Holding, scope: Held): boolean {
  for (let each = living(from); each !== undefined; each = each.joint ? each.outer : undefined)
    if (each.holder === scope) return true;
  return false;
}
