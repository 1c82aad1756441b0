/** One scope: its state, at the version that is chosen, and its timeline. */
import { html } from "htm/preact";
import type { VNode } from "preact";
import { useState } from "preact/hooks";
import type { ScopeView as Scope, TimerView } from "../http/inspector/wire.ts";
import { messageOf, post, usePolled } from "./api.ts";
import { counted, dateTime, distance } from "./format.ts";
import { Failure } from "./parts.ts";
import { addressOf, scopeAddress } from "./route.ts";
import { Timeline } from "./timeline.ts";
import { Tree } from "./tree.ts";
import type { ViewProps } from "./view-props.ts";

const FRESH_MS = 1_000;

/** See the head of this file. */
export function ScopeView({ place, about }: ViewProps): VNode {
  const [type = "", id = ""] = place.ids;
  const at = place.query.get("at") ?? undefined;
  const { data, error, reload } = usePolled<Scope>("scope", { type, id, at }, FRESH_MS);
  return html`
    <p class="back"><a href=${addressOf("Scopes", [], { kind: type })}>‹ ${type}</a></p>
    <div class="head"><h1 class="id">${id}</h1></div>
    <${Failure} text=${error} />
    ${
      data === undefined
        ? null
        : html`<${Facts} scope=${data} />
            <div class="columns">
              <${State} scope=${data} write=${about.write} reload=${reload} />
              <${Timeline}
                type=${type}
                id=${id}
                shown=${data.shown.version}
                present=${data.version}
                keepsHistory=${data.keepsHistory}
              />
            </div>`
    }
  `;
}

function Facts({ scope }: { readonly scope: Scope }): VNode {
  const { version, until, userId, orgId, waiting, busy } = scope;
  const facts: (readonly [string, string])[] = [
    ["kind", scope.type],
    ["expires", until === null ? "never" : `${distance(until)} · ${dateTime(until)}`],
    ["mailbox", waiting === 0 ? (busy ?? "idle") : `${counted(waiting, "call")} waiting`],
  ];
  if (userId !== undefined) facts.push(["user", userId]);
  if (orgId !== undefined) facts.push(["organisation", orgId]);
  return html`<div class="facts">
    <p class="version">version ${version}</p>
    <dl>
      ${facts.map(
        ([name, value]) =>
          html`<div key=${name}>
            <dt>${name}</dt>
            <dd>${value}</dd>
          </div>`,
      )}
    </dl>
  </div>`;
}

interface StateProps {
  readonly scope: Scope;
  readonly write: boolean;
  readonly reload: () => void;
}

function State({ scope, write, reload }: StateProps): VNode {
  const { type, id, version, shown, state, timers } = scope;
  const isPast = shown.version !== version;
  return html`<section class="state" aria-labelledby="state">
    <div class="title">
      <h2 id="state">State</h2>
      ${
        isPast
          ? html`<p class="past">
              as of version ${shown.version}, ${dateTime(shown.timestamp)}
              <a href=${scopeAddress(type, id)}>show the present state</a>
            </p>`
          : null
      }
      ${write ? html`<${Rewind} scope=${scope} reload=${reload} />` : null}
    </div>
    <${Tree} key=${isPast ? shown.version : "present"} value=${state} label="State" />
    ${timers === null ? null : html`<${Timers} timers=${timers} />`}
  </section>`;
}

function Timers({ timers }: { readonly timers: readonly TimerView[] }): VNode {
  return html`<h2>Timers</h2>
    ${
      timers.length === 0
        ? html`<p class="quiet">No timer is set.</p>`
        : html`<ul class="plain">
            ${timers.map(
              ({ key, name, at }) =>
                html`<li key=${key}>
                  <strong>${name}</strong> fires ${distance(at)} · ${dateTime(at)}
                  <span class="quiet"> (${key})</span>
                </li>`,
            )}
          </ul>`
    }`;
}

/** One button: back to the version that is shown. */
function Rewind({ scope, reload }: Omit<StateProps, "write">): VNode {
  const { type, id, shown, version } = scope;
  const [error, setError] = useState<string>();
  const isPresent = shown.version === version;
  const rewind = async (): Promise<void> => {
    try {
      await post("rewind", { type, id, version: shown.version });
      setError(undefined);
      location.hash = scopeAddress(type, id);
      reload();
    } catch (reason) {
      setError(messageOf(reason));
    }
  };
  return html`<button
      type="button"
      class="act"
      disabled=${isPresent}
      title=${isPresent ? "Choose an earlier version in the timeline first" : undefined}
      onClick=${() => void rewind()}
    >
      ${isPresent ? "Rewind" : `Rewind to version ${shown.version}`}
    </button>
    <${Failure} text=${error} />`;
}
