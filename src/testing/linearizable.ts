/**
 * Searches for an order of overlapping operations that a single object could have executed.
 *
 * The search of Wing and Gong: choose any operation that no other one ended before, run it on the
 * model, continue; step back where the output differs. Visited pairs of (operations done, state)
 * are remembered.
 */

/** One operation of a history. */
export interface TimedOperation<I, O> {
  readonly input: I;
  /** What the caller received; ignored when `end` is absent. */
  readonly output?: O;
  /** When it was called; on any scale that grows. */
  readonly start: number;
  /** When it returned; absent: the outcome is unknown, it may have happened later, or never. */
  readonly end?: number;
}

/** The object as a sequential program. `step` is pure. */
export interface SequentialModel<S, I, O> {
  readonly initial: S;
  step(state: S, input: I): { readonly state: S; readonly output: O };
  /** Default: equal JSON. */
  isSameOutput?(expected: O, actual: O): boolean;
  /** Text that is equal exactly for equal states; default: JSON. */
  identify?(state: S): string;
}

/** The result; `order` and `longest` contain positions in the history. */
export type LinearizableResult =
  | { readonly ok: true; readonly order: readonly number[] }
  | { readonly ok: false; readonly longest: readonly number[] };

interface Search<S, I, O> {
  readonly history: readonly TimedOperation<I, O>[];
  readonly model: SequentialModel<S, I, O>;
  readonly isDone: boolean[];
  /** Positions sorted by start. */
  readonly byStart: readonly number[];
  readonly order: number[];
  readonly seen: Set<string>;
  longest: readonly number[];
  /** How many operations with a known outcome are still to be ordered. */
  open: number;
}

/** The positions that may come next: called before every remaining operation returned. */
function candidates<S, I, O>(search: Search<S, I, O>): number[] {
  const { history, byStart, isDone } = search;
  let earliestEnd = Infinity;
  const found: number[] = [];
  for (const at of byStart) {
    const operation = history[at];
    if (operation === undefined || isDone[at] === true) continue;
    if (operation.start > earliestEnd) break;
    found.push(at);
    earliestEnd = Math.min(earliestEnd, operation.end ?? Infinity);
  }
  const possible = found.filter((at) => (history[at]?.start ?? Infinity) <= earliestEnd);
  // Those of unknown outcome fit everywhere, so they come last: an early guess is a long search.
  const isKnown = (at: number): boolean => history[at]?.end !== undefined;
  return [...possible.filter(isKnown), ...possible.filter((at) => !isKnown(at))];
}

function fingerprint<S, I, O>(search: Search<S, I, O>, state: S): string {
  // One bit per operation, four to a hex digit.
  let bits = "";
  for (let at = 0; at < search.isDone.length; at += 4) {
    let digit = 0;
    for (let bit = 0; bit < 4; bit += 1) digit = digit * 2 + (search.isDone[at + bit] ? 1 : 0);
    bits += digit.toString(16);
  }
  return `${bits} ${search.model.identify?.(state) ?? JSON.stringify(state)}`;
}

function isSame<S, I, O>(
  model: SequentialModel<S, I, O>,
  expected: O,
  operation: TimedOperation<I, O>,
): boolean {
  if (operation.end === undefined) return true;
  // An operation with an end has the output that its caller received.
  const actual = operation.output as O;
  if (model.isSameOutput !== undefined) return model.isSameOutput(expected, actual);
  return JSON.stringify(expected) === JSON.stringify(actual);
}

function extend<S, I, O>(search: Search<S, I, O>, state: S): boolean {
  if (search.open === 0) return true;
  const mark = fingerprint(search, state);
  if (search.seen.has(mark)) return false;
  search.seen.add(mark);
  for (const at of candidates(search)) {
    if (tryNext(search, state, at)) return true;
  }
  return false;
}

function tryNext<S, I, O>(search: Search<S, I, O>, state: S, at: number): boolean {
  const operation = search.history[at];
  if (operation === undefined) return false;
  const { state: after, output } = search.model.step(state, operation.input);
  if (!isSame(search.model, output, operation)) return false;
  const known = operation.end === undefined ? 0 : 1;
  search.isDone[at] = true;
  search.order.push(at);
  search.open -= known;
  if (search.order.length > search.longest.length) search.longest = [...search.order];
  if (extend(search, after)) return true;
  search.isDone[at] = false;
  search.order.pop();
  search.open += known;
  return false;
}

/** Searches for an order; operations of unknown outcome are used only where needed. */
export function checkLinearizable<S, I, O>(
  history: readonly TimedOperation<I, O>[],
  model: SequentialModel<S, I, O>,
): LinearizableResult {
  const startOf = (at: number): number => history[at]?.start ?? 0;
  const search: Search<S, I, O> = {
    history,
    model,
    isDone: history.map(() => false),
    byStart: history.map((_, at) => at).toSorted((left, right) => startOf(left) - startOf(right)),
    order: [],
    seen: new Set(),
    longest: [],
    open: history.filter((operation) => operation.end !== undefined).length,
  };
  return extend(search, model.initial)
    ? { ok: true, order: search.order }
    : { ok: false, longest: search.longest };
}
