/** The steps of a run as bars on a time axis. */
import { html } from "htm/preact";
import type { VNode } from "preact";
import type { Bar, RunView } from "../http/inspector/wire.ts";
import { duration } from "./format.ts";

/** The least width of a bar, so that a short step is seen; percent. */
const LEAST = 0.6;
const TICKS = 4;

/** See the head of this file. */
export function Bars({ run }: { readonly run: RunView }): VNode {
  const begin = run.createdAt;
  const isOpen = run.status === "running";
  const lasts = run.bars.map(({ to }) => to ?? 0);
  const end = Math.max(isOpen ? Date.now() : run.updatedAt, ...lasts, begin + 1);
  const whole = end - begin;
  const marks = Array.from({ length: TICKS + 1 }, (_, at) => (whole * at) / TICKS);
  return html`<div class="gantt">
    <ol>
      ${run.bars.map((bar, at) => html`<${Row} key=${at} bar=${bar} begin=${begin} end=${end} />`)}
    </ol>
    <div class="axis" aria-hidden="true">
      ${marks.map((ms) => html`<span key=${ms}>${duration(ms)}</span>`)}
    </div>
  </div>`;
}

interface RowProps {
  readonly bar: Bar;
  readonly begin: number;
  readonly end: number;
}

function Row({ bar, begin, end }: RowProps): VNode {
  const { step, from, status, attempt } = bar;
  const to = bar.to ?? (status === "running" || from === null ? end : bar.from);
  const took = from === null || to === null ? undefined : Math.max(0, to - from);
  return html`<li>
    <span class="name" title=${step}>${step}</span>
    <span class="track">
      ${
        from === null || to === null
          ? null
          : html`<span
              class="fill ${status}"
              style=${placeOf(Math.max(from, begin) - begin, to - begin, end - begin)}
            ></span>`
      }
    </span>
    <span class="took">${attempt > 1 ? `try ${attempt} ` : ""}${tookText(status, took)}</span>
  </li>`;
}

function tookText(status: Bar["status"], took: number | undefined): string {
  if (status === "pending") return "to come";
  if (status === "suspended") return "suspended";
  const text = took === undefined ? "" : duration(took);
  return status === "done" ? text || "done" : `${status} ${text}`.trim();
}

function placeOf(from: number, to: number, whole: number): Readonly<Record<string, string>> {
  const width = Math.max(LEAST, ((to - from) / whole) * 100);
  const left = Math.min((from / whole) * 100, 100 - width);
  return { left: `${left}%`, width: `${width}%` };
}
