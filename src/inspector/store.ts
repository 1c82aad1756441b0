/** The store: counters, commits a second, and how long calls take. */
import { html } from "htm/preact";
import type { VNode } from "preact";
import type { KindCount, Tick } from "../http/inspector/wire.ts";
import { Histogram } from "./chart.ts";
import { count, counted } from "./format.ts";
import { rateOf, ratesOf } from "./live.ts";
import { Figure, type FigureProps, Head } from "./parts.ts";
import { addressOf } from "./route.ts";
import type { ViewProps } from "./view-props.ts";

/** See the head of this file. */
export function StoreView({ live, about }: ViewProps): VNode {
  const tick = live.ticks.at(-1);
  if (tick === undefined) return html`<${Head} title="Store" />`;
  return html`
    <${Head} title="Store"><p class="aside">${about.stores.join(", ")}</p></${Head}>
    <${Figures} ticks=${live.ticks} tick=${tick} />
    ${
      about.live
        ? null
        : html`<p class="quiet">
            These are the counters of this inspector, which reads the store beside your programs.
          </p>`
    }
    <div class="columns">
      <section>
        <h2>How long calls take</h2>
        <${Histogram} latency=${tick.latency} />
      </section>
      <section>
        <h2>Scopes by kind</h2>
        <${Kinds} kinds=${tick.counts.kinds} />
      </section>
    </div>
  `;
}

function Figures(props: { readonly ticks: readonly Tick[]; readonly tick: Tick }): VNode {
  const { ticks, tick } = props;
  const { stats, counts } = tick;
  const share = stats.mutations === 0 ? 0 : (stats.folded / stats.mutations) * 100;
  const stored = counts.kinds.reduce((sum, kind) => sum + kind.count, 0);
  const figures: readonly FigureProps[] = [
    {
      name: "commits a second",
      value: count(rateOf(ticks, "commits")),
      note: `${count(stats.commits)} in all`,
      line: ratesOf(ticks, "commits"),
    },
    {
      name: "changes a second",
      value: count(rateOf(ticks, "mutations")),
      note: `${count(stats.mutations)} in all`,
      line: ratesOf(ticks, "mutations"),
    },
    {
      name: "folded",
      value: `${share.toFixed(0)} %`,
      note: `${counted(stats.folded, "change")} shared a save`,
      line: ratesOf(ticks, "folded"),
    },
    {
      name: "scopes in memory",
      value: count(stats.residentScopes),
      note: `of ${count(stored)} in all`,
      line: ticks.map((each) => each.stats.residentScopes),
    },
    {
      name: "errors of the store",
      value: count(stats.storeErrors + stats.checkpointErrors),
      note: `${count(stats.checkpointErrors)} of these in the background`,
    },
  ];
  return html`<dl class="figures">
    ${figures.map((figure) => html`<${Figure} key=${figure.name} ...${figure} />`)}
  </dl>`;
}

function Kinds({ kinds }: { readonly kinds: readonly KindCount[] }): VNode {
  return html`<table>
    <thead>
      <tr>
        <th scope="col">Kind</th>
        <th scope="col" class="right">Scopes</th>
      </tr>
    </thead>
    <tbody>
      ${kinds.map(
        (kind) =>
          html`<tr key=${kind.type}>
            <td><a href=${addressOf("Scopes", [], { kind: kind.type })}>${kind.type}</a></td>
            <td class="right number">${count(kind.count)}</td>
          </tr>`,
      )}
    </tbody>
  </table>`;
}
