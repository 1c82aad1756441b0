/** Small charts, drawn in the colours of the style. */
import { html } from "htm/preact";
import type { VNode } from "preact";
import type { Latency } from "../http/inspector/wire.ts";
import { count, counted } from "./format.ts";

const WIDTH = 120;
const HEIGHT = 28;
/** Points of a line. */
const POINTS = 60;

/** Numbers of the last minute as a line; what they are is said beside it. */
export function Spark({ values }: { readonly values: readonly number[] }): VNode {
  const most = Math.max(1, ...values);
  const first = POINTS - values.length;
  const points = values.map((value, at) => {
    const x = ((first + at) / (POINTS - 1)) * WIDTH;
    return `${x.toFixed(1)},${(HEIGHT - 1 - (value / most) * (HEIGHT - 3)).toFixed(1)}`;
  });
  return html`<svg
    class="spark"
    viewBox=${`0 0 ${WIDTH} ${HEIGHT}`}
    preserveAspectRatio="none"
    aria-hidden="true"
  >
    <polyline points=${points.join(" ")} />
  </svg>`;
}

/** How many calls took how long. */
export function Histogram({ latency }: { readonly latency: Latency }): VNode {
  const { limits, counts } = latency;
  const all = counts.reduce((sum, each) => sum + each, 0);
  const most = Math.max(1, ...counts);
  const nameOf = (at: number): string => {
    const limit = limits[at];
    return limit === undefined ? `over ${short(limits.at(-1) ?? 0)}` : `≤ ${short(limit)}`;
  };
  return html`<figure class="histogram">
    <figcaption>
      ${counted(all, "call")} in the last
      minute${all === 0 ? "" : ` · half ${quantile(latency, 0.5)}, 99 % ${quantile(latency, 0.99)}`}
    </figcaption>
    <ol>
      ${counts.map(
        (value, at) =>
          html`<li key=${at} title=${`${count(value)} calls ${nameOf(at)}`}>
            <span class="name">${nameOf(at)}</span>
            <span class="track"
              ><span class="fill" style=${{ width: `${(value / most) * 100}%` }}></span
            ></span>
            <span class="number">${value === 0 ? "" : count(value)}</span>
          </li>`,
      )}
    </ol>
  </figure>`;
}

function short(limit: number): string {
  return limit < 1_000 ? `${limit} ms` : `${limit / 1_000} s`;
}

/** The upper limit of the bucket that a share of the calls reaches. */
function quantile({ limits, counts }: Latency, share: number): string {
  const all = counts.reduce((sum, each) => sum + each, 0);
  let seen = 0;
  for (const [at, value] of counts.entries()) {
    seen += value;
    const limit = limits[at];
    if (seen >= all * share && limit !== undefined) return `≤ ${short(limit)}`;
  }
  return `over ${short(limits.at(-1) ?? 0)}`;
}
