/** A value as a tree that opens: what is closed is not in the document. */
import { html } from "htm/preact";
import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { count, counted } from "./format.ts";

/** Entries of one node that are shown at first, and added at each request for more. */
const ENTRIES = 100;
/** Levels that are open at first, and how many entries an open one has at most. */
const OPEN_LEVELS = 2;
const OPEN_ENTRIES = 30;
/** Characters of a text that are shown before it is opened. */
const TEXT_MAX = 300;

interface TreeProps {
  readonly value: unknown;
  readonly label: string;
}

/** A value with all that it contains. */
export function Tree({ value, label }: TreeProps): VNode {
  const isEmpty = isNode(value) && Object.keys(value).length === 0;
  if (isEmpty)
    return html`<p class="quiet">${Array.isArray(value) ? "an empty list" : "empty"}</p>`;
  return html`<div class="tree" role="group" aria-label=${label}>
    ${
      isNode(value)
        ? html`<${Entries} value=${value} level=${0} />`
        : html`<${Leaf} value=${value} />`
    }
  </div>`;
}

function Entries(props: { readonly value: object; readonly level: number }): VNode {
  const { value, level } = props;
  const [shown, setShown] = useState(ENTRIES);
  const entries = Object.entries(value);
  const rest = entries.length - shown;
  return html`<ul>
    ${entries
      .slice(0, shown)
      .map(
        ([key, child]) => html`<${Entry} key=${key} name=${key} value=${child} level=${level} />`,
      )}
    ${
      rest > 0
        ? html`<li>
            <button type="button" class="link" onClick=${() => setShown(shown + ENTRIES)}>
              ${counted(rest, "more entry", "more entries")}
            </button>
          </li>`
        : null
    }
  </ul>`;
}

interface EntryProps {
  readonly name: string;
  readonly value: unknown;
  readonly level: number;
}

function Entry({ name, value, level }: EntryProps): VNode {
  const size = isNode(value) ? Object.keys(value).length : 0;
  const [isOpen, setOpen] = useState(level + 1 < OPEN_LEVELS && size <= OPEN_ENTRIES);
  if (!isNode(value) || size === 0)
    return html`<li class="leaf"><span class="key">${name}</span> <${Leaf} value=${value} /></li>`;
  const noun = Array.isArray(value) ? counted(size, "item") : counted(size, "field");
  return html`<li>
    <button type="button" class="opener" aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}>
      <span class="key">${name}</span> <span class="quiet">${noun}</span>
    </button>
    ${isOpen ? html`<${Entries} value=${value} level=${level + 1} />` : null}
  </li>`;
}

function Leaf({ value }: { readonly value: unknown }): VNode {
  const [isWhole, setWhole] = useState(false);
  if (typeof value !== "string") {
    const isNumber = typeof value === "number";
    const text = isNode(value) ? (Array.isArray(value) ? "[ ]" : "{ }") : String(value);
    return html`<span class="value ${isNumber ? "number" : "word"}">${text}</span>`;
  }
  const isLong = value.length > TEXT_MAX;
  const text = isLong && !isWhole ? `${value.slice(0, TEXT_MAX)}…` : value;
  return html`<span class="value text">${JSON.stringify(text)}</span> ${
      isLong
        ? html`<button type="button" class="link" onClick=${() => setWhole(!isWhole)}>
            ${isWhole ? "less" : `all ${count(value.length)} characters`}
          </button>`
        : null
    }`;
}

function isNode(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
