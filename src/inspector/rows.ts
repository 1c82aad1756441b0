/**
 * A list of any length: only the rows in sight, and a few beside them, are in the document.
 */
import { html } from "htm/preact";
import type { VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

/** The height of a row in pixels, as in the style. */
const ROW_PX = 40;
/** Rows beside those in sight. */
const MARGIN = 8;

/** What a list shows. */
export interface RowsProps {
  readonly label: string;
  readonly count: number;
  /** The row at an index. */
  readonly row: (index: number) => VNode;
  /** Names the rows, so that the focus stays with its row. */
  readonly rowKey: (index: number) => string;
  /** The end of the list is near. */
  readonly atEnd: () => void;
}

/** See the head of this file. */
export function Rows({ label, count, row, rowKey, atEnd }: RowsProps): VNode {
  const list = useRef<HTMLUListElement>(null);
  const [[from, to], setRange] = useState<readonly [number, number]>([0, 40]);
  useEffect(() => {
    const look = (): void => {
      if (list.current === null) return;
      const top = -list.current.getBoundingClientRect().top;
      const first = Math.max(0, Math.floor(top / ROW_PX) - MARGIN);
      const last = Math.ceil((top + innerHeight) / ROW_PX) + MARGIN;
      setRange((before) => (before[0] === first && before[1] === last ? before : [first, last]));
    };
    look();
    addEventListener("scroll", look, { passive: true });
    addEventListener("resize", look);
    return () => {
      removeEventListener("scroll", look);
      removeEventListener("resize", look);
    };
  }, [count]);
  const end = Math.min(to, count);
  const start = Math.min(from, end);
  useEffect(() => {
    if (end >= count - MARGIN) atEnd();
  }, [end, count, atEnd]);
  const shown = Array.from({ length: end - start }, (_, at) => start + at);
  return html`<ul
    class="rows"
    aria-label=${label}
    ref=${list}
    style=${{ height: `${count * ROW_PX}px` }}
  >
    ${shown.map(
      (index) =>
        html`<li
          key=${rowKey(index)}
          aria-posinset=${index + 1}
          aria-setsize=${count}
          style=${{ transform: `translateY(${index * ROW_PX}px)` }}
        >
          ${row(index)}
        </li>`,
    )}
  </ul>`;
}
