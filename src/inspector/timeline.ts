/** The changes of a scope, newest first. */
import { html } from "htm/preact";
import type { VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { ChangeView, Difference, HistoryPage } from "../http/inspector/wire.ts";
import { get, messageOf, usePolled } from "./api.ts";
import { counted } from "./format.ts";
import { Empty, Failure, When } from "./parts.ts";
import { scopeAddress } from "./route.ts";

/** Changes in one request. */
const PAGE = 30;
const FRESH_MS = 1_000;
/** Differences of a change that are shown before it is opened. */
const SHOWN = 6;

interface TimelineProps {
  readonly type: string;
  readonly id: string;
  /** The version that is shown beside it. */
  readonly shown: number;
  readonly present: number;
  readonly keepsHistory: boolean;
}

/** See the head of this file. */
export function Timeline(props: TimelineProps): VNode {
  const { type, id, keepsHistory } = props;
  const { data, error } = usePolled<HistoryPage>("history", { type, id, limit: PAGE }, FRESH_MS);
  const older = useOlder(type, id);
  const first = data?.changes ?? [];
  const last = first.at(-1)?.version ?? Infinity;
  const changes = [...first, ...older.changes.filter(({ version }) => version < last)];
  const hasMore = older.changes.length > 0 ? older.more : data?.more === true;
  return html`<section class="timeline" aria-labelledby="timeline">
    <h2 id="timeline">Timeline</h2>
    <${Failure} text=${error ?? older.error} />
    ${
      changes.length === 0 && data !== undefined
        ? html`<${NoChanges} keepsHistory=${keepsHistory} />`
        : html`<ol>
            ${changes.map(
              (change) => html`<${Change} key=${change.version} change=${change} ...${props} />`,
            )}
          </ol>`
    }
    ${
      hasMore
        ? html`<button type="button" onClick=${() => older.read(changes.at(-1)?.version ?? 0)}>
            Show older changes
          </button>`
        : null
    }
  </section>`;
}

function NoChanges({ keepsHistory }: { readonly keepsHistory: boolean }): VNode {
  if (keepsHistory) return html`<${Empty} title="Nothing has changed yet." />`;
  return html`<${Empty} title="This kind keeps no history.">
    <p>With <code>defineKind({ history: 100 })</code> the last 100 changes are kept.</p>
  </${Empty}>`;
}

function Change(props: TimelineProps & { readonly change: ChangeView }): VNode {
  const { change, type, id, shown, present } = props;
  const { version, timestamp, operation, differences, more, meta } = change;
  const [isOpen, setOpen] = useState(false);
  const seen = isOpen ? differences : differences.slice(0, SHOWN);
  const rest = differences.length - seen.length;
  const at = version === present ? undefined : version;
  return html`<li class="change">
    <div class="what">
      <a href=${scopeAddress(type, id, at)} aria-current=${version === shown ? "true" : undefined}
        >version ${version}</a
      >
      <span class="operation">${operation}</span>
      <${When} at=${timestamp} />
    </div>
    ${meta === undefined ? null : html`<${Meta} meta=${meta} />`}
    <ul class="differences">
      ${seen.map((difference, index) => html`<${Place} key=${index} difference=${difference} />`)}
    </ul>
    ${
      rest > 0
        ? html`<button type="button" class="link" onClick=${() => setOpen(true)}>
            ${counted(rest, "more difference")}
          </button>`
        : null
    }
    ${isOpen && more > 0 ? html`<p class="quiet">${counted(more, "further difference")}</p>` : null}
  </li>`;
}

/** Who and why: what the call gave as `meta`. */
function Meta({ meta }: { readonly meta: unknown }): VNode {
  const entries = Object.entries(Object(meta));
  return html`<dl class="meta">
    ${entries.map(([name, value]) => {
      const text = typeof value === "string" ? value : JSON.stringify(value);
      return html`<div key=${name}>
        <dt>${name}</dt>
        <dd>${text}</dd>
      </div>`;
    })}
  </dl>`;
}

function Place({ difference }: { readonly difference: Difference }): VNode {
  const { path, before, after } = difference;
  return html`<li>
    <span class="path">${path.length === 0 ? "the whole state" : path.join(" › ")}</span>
    ${before === undefined ? null : html`<del>${before}</del>`}
    ${after === undefined ? null : html`<ins>${after}</ins>`}
  </li>`;
}

interface Older {
  readonly changes: readonly ChangeView[];
  readonly more: boolean;
  readonly error?: string;
  readonly read: (before: number) => void;
}

/** The changes before those that are read again all the time. */
function useOlder(type: string, id: string): Older {
  const [older, setOlder] = useState<Omit<Older, "read">>({ changes: [], more: false });
  useEffect(() => setOlder({ changes: [], more: false }), [type, id]);
  const read = (before: number): void => {
    get<HistoryPage>("history", { type, id, before, limit: PAGE }).then(
      ({ changes, more }) =>
        setOlder((known) => ({ changes: [...known.changes, ...changes], more })),
      (error: unknown) => setOlder((known) => ({ ...known, error: messageOf(error) })),
    );
  };
  return { ...older, read };
}
