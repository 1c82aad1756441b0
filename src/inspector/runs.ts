/** The list of runs. */
import { html } from "htm/preact";
import type { VNode } from "preact";
import type { RunPage, RunRow } from "../http/inspector/wire.ts";
import { usePolled } from "./api.ts";
import { counted, duration } from "./format.ts";
import { Empty, Failure, Head, Status, When } from "./parts.ts";
import { addressOf, replaceQuery } from "./route.ts";
import type { ViewProps } from "./view-props.ts";

const FRESH_MS = 2_000;
const STATUSES = ["running", "suspended", "failed", "completed", "cancelled"] as const;

/** See the head of this file. */
export function RunsView({ place }: ViewProps): VNode {
  const status = place.query.get("status") ?? "";
  const filter = place.query.get("filter") ?? "";
  const query = { status: status === "" ? undefined : status, filter };
  const { data, error } = usePolled<RunPage>("runs", query, FRESH_MS);
  const choose = (next: { status: string; filter: string }): void => replaceQuery(place, next);
  return html`
    <${Head} title="Runs">
      <p class="aside" role="status">${data === undefined ? "" : shownText(data)}</p>
    </${Head}>
    <form class="tools" role="search" onSubmit=${(event: Event) => event.preventDefault()}>
      <label class="field grow">
        <span>Filter by id or sequencer</span>
        <input
          type="text"
          inputmode="search"
          autocomplete="off"
          spellcheck=${false}
          value=${filter}
          onInput=${({ currentTarget }: { currentTarget: HTMLInputElement }) =>
            choose({ status, filter: currentTarget.value })}
        />
      </label>
      <label class="field">
        <span>Status</span>
        <select
          value=${status}
          onChange=${({ currentTarget }: { currentTarget: HTMLSelectElement }) =>
            choose({ status: currentTarget.value, filter })}
        >
          <option value="">all</option>
          ${STATUSES.map((each) => html`<option key=${each} value=${each}>${each}</option>`)}
        </select>
      </label>
    </form>
    <${Failure} text=${error} />
    <${Table} page=${data} isFiltered=${status !== "" || filter !== ""} />
  `;
}

function shownText({ runs, more }: RunPage): string {
  return more ? `the last ${counted(runs.length, "run")}` : counted(runs.length, "run");
}

function Table(props: {
  readonly page: RunPage | undefined;
  readonly isFiltered: boolean;
}): VNode | null {
  const { page, isFiltered } = props;
  if (page === undefined) return null;
  if (page.runs.length === 0)
    return html`<${Empty} title=${isFiltered ? "No run fits." : "There are no runs yet."}>
      <p>A run appears here when a program starts a sequencer.</p>
    </${Empty}>`;
  return html`<div class="scroll">
    <table class="runs">
      <thead>
        <tr>
          <th scope="col">Status</th>
          <th scope="col">Run</th>
          <th scope="col">Sequencer</th>
          <th scope="col">Step</th>
          <th scope="col" class="right">Took</th>
          <th scope="col" class="right">Last change</th>
        </tr>
      </thead>
      <tbody>
        ${page.runs.map((run) => html`<${Row} key=${run.runId} run=${run} />`)}
      </tbody>
    </table>
  </div>`;
}

function Row({ run }: { readonly run: RunRow }): VNode {
  const { runId, sequencer, status, step = "", createdAt, updatedAt } = run;
  return html`<tr>
    <td><${Status} status=${status} /></td>
    <td><a class="id" href=${addressOf("Runs", [runId])}>${runId}</a></td>
    <td>${sequencer}</td>
    <td>${step}</td>
    <td class="right number">${duration(updatedAt - createdAt)}</td>
    <td class="right"><${When} at=${updatedAt} /></td>
  </tr>`;
}
