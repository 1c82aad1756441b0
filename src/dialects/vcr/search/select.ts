/**
 * Returns a number below 0 when the first precedes the second. Never 0 for two different numbers.
 */
export type Precedes = (a: number, b: number) => number;

/**
 * Returns positions `start` to `end` of the numbers 0 to `size - 1` in the order of `precedes`.
 * Sorts only as many as are returned.
 */
export function select(
  size: number,
  start: number,
  end: number,
  precedes: Precedes,
): readonly number[] {
  const wanted = Math.min(end, size);
  if (start >= wanted) return [];
  // The root of the heap is the last of the kept numbers, which the next better one replaces.
  const heap: number[] = [];
  for (let number = 0; number < size; number++) {
    if (heap.length < wanted) {
      heap.push(number);
      rise(heap, precedes);
    } else if (precedes(number, heap[0] ?? number) < 0) {
      heap[0] = number;
      sink(heap, precedes);
    }
  }
  return heap.sort(precedes).slice(start);
}

function rise(heap: number[], precedes: Precedes): void {
  let at = heap.length - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!swapIfAfter(heap, at, parent, precedes)) return;
    at = parent;
  }
}

function sink(heap: number[], precedes: Precedes): void {
  let at = 0;
  for (;;) {
    const left = 2 * at + 1;
    if (left >= heap.length) return;
    const right = left + 1;
    const isRight = right < heap.length && precedes(heap[left] ?? 0, heap[right] ?? 0) < 0;
    const child = isRight ? right : left;
    if (!swapIfAfter(heap, child, at, precedes)) return;
    at = child;
  }
}

/** Swaps a child with a parent that precedes it; returns whether it did. */
function swapIfAfter(heap: number[], child: number, parent: number, precedes: Precedes): boolean {
  const low = heap[child] ?? 0;
  const high = heap[parent] ?? 0;
  if (precedes(high, low) >= 0) return false;
  heap[child] = high;
  heap[parent] = low;
  return true;
}
