/** The list of scopes. */
import { html } from "htm/preact";
import type { VNode } from "preact";
import type { Counts, ScopeRow } from "../http/inspector/wire.ts";
import { count, counted } from "./format.ts";
import { Empty, Failure, Head } from "./parts.ts";
import { replaceQuery, scopeAddress } from "./route.ts";
import { Rows } from "./rows.ts";
import { type Loaded, type Selection, useScopes } from "./scope-pages.ts";
import type { ViewProps } from "./view-props.ts";

/** See the head of this file. */
export function ScopesView({ place, live }: ViewProps): VNode {
  const selection: Selection = {
    type: place.query.get("kind") ?? "",
    filter: place.query.get("filter") ?? "",
  };
  const { loaded, more } = useScopes(selection);
  const counts = live.ticks.at(-1)?.counts;
  const choose = (change: Partial<Selection>): void => {
    const next = { ...selection, ...change };
    replaceQuery(place, { kind: next.type, filter: next.filter });
  };
  const { scopes } = loaded;
  return html`
    <${Head} title="Scopes">
      <p class="aside" role="status">${countText(counts, selection.type)}</p>
    </${Head}>
    <${Selecting} selection=${selection} counts=${counts} choose=${choose} />
    <${Failure} text=${loaded.error} />
    ${
      scopes.length === 0
        ? html`<${NoScopes} loaded=${loaded} selection=${selection} />`
        : html`<${Rows}
              label="Scopes"
              count=${scopes.length}
              atEnd=${more}
              rowKey=${(index: number) => keyOf(scopes[index])}
              row=${(index: number) => html`<${Row} scope=${scopes[index]} />`}
            />
            <p class="end" role="status">${endText(loaded)}</p>`
    }
  `;
}

function Selecting(props: {
  readonly selection: Selection;
  readonly counts: Counts | undefined;
  readonly choose: (change: Partial<Selection>) => void;
}): VNode {
  const { selection, counts, choose } = props;
  const kinds = (counts?.kinds ?? []).map(({ type }) => type);
  const all =
    kinds.includes(selection.type) || selection.type === "" ? kinds : [selection.type, ...kinds];
  const of = (type: string): string => {
    const found = counts?.kinds.find((kind) => kind.type === type);
    return found === undefined ? type : `${type} (${count(found.count)})`;
  };
  return html`<form
    class="tools"
    role="search"
    onSubmit=${(event: Event) => event.preventDefault()}
  >
    <label class="field grow">
      <span>Filter by id</span>
      <input
        type="text"
        inputmode="search"
        autocomplete="off"
        spellcheck=${false}
        placeholder="a part of the id"
        value=${selection.filter}
        onInput=${({ currentTarget }: { currentTarget: HTMLInputElement }) =>
          choose({ filter: currentTarget.value })}
      />
    </label>
    <label class="field">
      <span>Kind</span>
      <select
        value=${selection.type}
        onChange=${({ currentTarget }: { currentTarget: HTMLSelectElement }) =>
          choose({ type: currentTarget.value })}
      >
        <option value="">all kinds</option>
        ${all.map((type) => html`<option key=${type} value=${type}>${of(type)}</option>`)}
      </select>
    </label>
  </form>`;
}

function Row({ scope }: { readonly scope: ScopeRow }): VNode {
  const { type, id, version } = scope;
  return html`<span class="kind">${type}</span>
    <a class="id whole" href=${scopeAddress(type, id)} title=${id}>${id}</a>
    <span class="aside number">${version === undefined ? "" : `v${count(version)}`}</span>`;
}

function NoScopes(props: { readonly loaded: Loaded; readonly selection: Selection }): VNode | null {
  const { loaded, selection } = props;
  if (loaded.isLoading) return html`<p class="end">Reading …</p>`;
  if (loaded.error !== undefined) return null;
  if (selection.filter !== "" || selection.type !== "")
    return html`<${Empty} title="No scope fits."
      ><p>Try another kind, or a shorter part of the id.</p></${Empty}
    >`;
  return html`<${Empty} title="There are no scopes yet.">
    <p>A scope appears here when the program has changed it for the first time.</p>
  </${Empty}>`;
}

function countText(counts: Counts | undefined, type: string): string {
  if (counts === undefined) return "";
  const kinds = counts.kinds.filter((kind) => type === "" || kind.type === type);
  const sum = kinds.reduce((total, kind) => total + kind.count, 0);
  return counts.complete ? counted(sum, "scope") : `${counted(sum, "scope")} so far`;
}

function endText({ cursor, isLoading, scopes }: Loaded): string {
  if (cursor === undefined) return scopes.length > 20 ? "That is all." : "";
  return isLoading ? "Reading more …" : "";
}

function keyOf(scope: ScopeRow | undefined): string {
  return scope === undefined ? "" : `${scope.type}/${scope.id}`;
}
