/** Small parts of all views. */
import { html } from "htm/preact";
import type { ComponentChildren, VNode } from "preact";
import { Spark } from "./chart.ts";
import { time } from "./format.ts";

/** The head of a view: its title, and what stands beside it. */
export function Head(props: {
  readonly title: string;
  readonly children?: ComponentChildren;
}): VNode {
  return html`<div class="head">
    <h1>${props.title}</h1>
    ${props.children}
  </div>`;
}

/** What is shown in place of a list without entries. */
export function Empty(props: {
  readonly title: string;
  readonly children?: ComponentChildren;
}): VNode {
  return html`<div class="empty">
    <p class="title">${props.title}</p>
    ${props.children}
  </div>`;
}

/** A failure, as the inspector explains it. */
export function Failure({ text }: { readonly text: string | undefined }): VNode | null {
  return text === undefined ? null : html`<p class="failure" role="alert">${text}</p>`;
}

/** A status as a word with a colour. */
export function Status({ status }: { readonly status: string }): VNode {
  return html`<span class="status ${status}">${status}</span>`;
}

/** A point in time. */
export function When({ at }: { readonly at: number }): VNode {
  return html`<time datetime=${new Date(at).toISOString()} title=${new Date(at).toISOString()}>
    ${time(at)}
  </time>`;
}

/** A number with a name, and the numbers of the last minute as a line. */
export interface FigureProps {
  readonly name: string;
  readonly value: string;
  readonly note: string;
  readonly line?: readonly number[];
}

/** See `FigureProps`. */
export function Figure({ name, value, note, line }: FigureProps): VNode {
  return html`<div class="figure">
    <dt>${name}</dt>
    <dd>${value}</dd>
    <dd class="note">${note}</dd>
    ${line === undefined ? null : html`<${Spark} values=${line} />`}
  </div>`;
}
