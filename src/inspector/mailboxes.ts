/** The mailboxes: what waits, what runs and for how long, and where processes met. */
import { html } from "htm/preact";
import type { VNode } from "preact";
import type { ContendedRow, MailboxRow, Mailboxes, Tick } from "../http/inspector/wire.ts";
import { usePolled } from "./api.ts";
import { count, counted, duration, distance } from "./format.ts";
import { rateOf, ratesOf } from "./live.ts";
import { Empty, Failure, Figure, type FigureProps, Head, When } from "./parts.ts";
import { scopeAddress } from "./route.ts";
import type { ViewProps } from "./view-props.ts";

const FRESH_MS = 500;

/** See the head of this file. */
export function MailboxesView({ live, about }: ViewProps): VNode {
  const { data, error } = usePolled<Mailboxes>("mailboxes", {}, FRESH_MS);
  return html`
    <${Head} title="Mailboxes">
      <p class="aside" role="status">${data === undefined ? "" : `${count(data.count)} busy`}</p>
    </${Head}>
    <${Failure} text=${error} />
    <${Figures} ticks=${live.ticks} />
    <h2>Busy now</h2>
    <${Busy} rows=${data?.busy} live=${about.live} />
    <h2>Conflicts by scope</h2>
    <${Contended} rows=${data?.contended} since=${data?.since ?? 0} />
  `;
}

function Figures({ ticks }: { readonly ticks: readonly Tick[] }): VNode | null {
  const stats = ticks.at(-1)?.stats;
  if (stats === undefined) return null;
  const figures: readonly FigureProps[] = [
    {
      name: "calls waiting",
      value: count(stats.waiting),
      note: "in all mailboxes",
      line: ticks.map((tick) => tick.stats.waiting),
    },
    {
      name: "changes a second",
      value: count(rateOf(ticks, "mutations")),
      note: `${count(stats.mutations)} in all`,
      line: ratesOf(ticks, "mutations"),
    },
    {
      name: "conflicts",
      value: count(stats.conflicts),
      note: "saves that met a newer record",
      line: ratesOf(ticks, "conflicts"),
    },
    {
      name: "escalations",
      value: count(stats.escalations),
      note: "conflicts that needed a lease",
      line: ratesOf(ticks, "escalations"),
    },
  ];
  return html`<dl class="figures">
    ${figures.map((figure) => html`<${Figure} key=${figure.name} ...${figure} />`)}
  </dl>`;
}

function Busy(props: {
  readonly rows: readonly MailboxRow[] | undefined;
  readonly live: boolean;
}): VNode | null {
  const { rows, live } = props;
  if (rows === undefined) return null;
  if (!live)
    return html`<${Empty} title="Mailboxes are in the memory of your programs.">
      <p>
        This inspector reads the store beside them. To see the mailboxes, mount
        <code>inspector(runtime)</code> of <code>holdfast/http</code> in the program.
      </p>
    </${Empty}>`;
  if (rows.length === 0)
    return html`<${Empty} title="Every mailbox is empty.">
      <p>A scope appears here while a call of it waits, runs or is being saved.</p>
    </${Empty}>`;
  return html`<div class="scroll">
    <table>
      <thead>
        <tr>
          <th scope="col">Scope</th>
          <th scope="col">Does</th>
          <th scope="col" class="right">For</th>
          <th scope="col" class="right">Waiting</th>
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          ({ type, id, waiting, busy, operation, runningMs }) =>
            html`<tr key=${`${type}/${id}`}>
              <td><${ScopeLink} type=${type} id=${id} /></td>
              <td>
                ${busy ?? "waits"}
                <span class="operation">${operation}</span>
              </td>
              <td class="right number">${runningMs === undefined ? "" : duration(runningMs)}</td>
              <td class="right number">${count(waiting)}</td>
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

function Contended(props: {
  readonly rows: readonly ContendedRow[] | undefined;
  readonly since: number;
}): VNode | null {
  const { rows, since } = props;
  if (rows === undefined) return null;
  if (rows.length === 0)
    return html`<${Empty} title="No conflict has been seen.">
      <p>
        Scopes are noted while a page of the inspector is
        open${since === 0 ? "" : `, this time since ${distance(since)}`}.
      </p>
    </${Empty}>`;
  return html`<div class="scroll">
      <table>
        <thead>
          <tr>
            <th scope="col">Scope</th>
            <th scope="col" class="right">Conflicts</th>
            <th scope="col" class="right">Last</th>
          </tr>
        </thead>
        <tbody>
          ${rows.map(
            ({ type, id, conflicts, last }) =>
              html`<tr key=${`${type}/${id}`}>
                <td><${ScopeLink} type=${type} id=${id} /></td>
                <td class="right number">${count(conflicts)}</td>
                <td class="right"><${When} at=${last} /></td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
    <p class="quiet">
      ${counted(rows.length, "scope")}, noted while a page of the inspector is open.
    </p>`;
}

/** The link to a scope, with its kind. */
export function ScopeLink({ type, id }: { readonly type: string; readonly id: string }): VNode {
  return html`<span class="kind">${type}</span>
    <a class="id" href=${scopeAddress(type, id)}>${id}</a>`;
}
