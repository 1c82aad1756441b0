/** One run: its steps on a time axis, why it waits or failed, and what can be done. */
import { html } from "htm/preact";
import type { VNode } from "preact";
import { useState } from "preact/hooks";
import type { RunView as Run } from "../http/inspector/wire.ts";
import { AnswerForm } from "./answer.ts";
import { messageOf, post, usePolled } from "./api.ts";
import { Bars } from "./bars.ts";
import { dateTime, distance } from "./format.ts";
import { ScopeLink } from "./mailboxes.ts";
import { Failure, Status } from "./parts.ts";
import { addressOf } from "./route.ts";
import { Tree } from "./tree.ts";
import type { ViewProps } from "./view-props.ts";

const FRESH_MS = 1_000;

/** See the head of this file. */
export function RunView({ place, about }: ViewProps): VNode {
  const [runId = ""] = place.ids;
  const { data: run, error, reload } = usePolled<Run>("run", { id: runId }, FRESH_MS);
  return html`
    <p class="back"><a href=${addressOf("Runs")}>‹ runs</a></p>
    <div class="head">
      <h1 class="id">${runId}</h1>
      ${run === undefined ? null : html`<${Status} status=${run.status} />`}
    </div>
    <${Failure} text=${error} />
    ${
      run === undefined
        ? null
        : html`<${Facts} run=${run} />
            ${run.status === "failed" ? html`<${Why} run=${run} />` : null}
            ${
              run.suspension === undefined
                ? null
                : html`<${Waiting} run=${run} write=${about.write} reload=${reload} />`
            }
            ${about.write ? html`<${Actions} run=${run} reload=${reload} />` : null}
            <section aria-labelledby="steps">
              <h2 id="steps">Steps</h2>
              <${Bars} run=${run} />
            </section>
            <div class="columns">
              <${Part} title="Input" value=${run.input} />
              <${Part} title="State" value=${run.state} />
              <${Part} title="Outputs of the steps" value=${run.outputs} />
            </div>`
    }
  `;
}

function Facts({ run }: { readonly run: Run }): VNode {
  const facts: (readonly [string, string])[] = [
    ["sequencer", run.sequencer],
    ["started", dateTime(run.createdAt)],
    ["last change", `${distance(run.updatedAt)} · ${dateTime(run.updatedAt)}`],
  ];
  if (run.step !== undefined) facts.push(["step", run.step]);
  return html`<div class="facts">
    <dl>
      ${facts.map(
        ([name, value]) =>
          html`<div key=${name}>
            <dt>${name}</dt>
            <dd>${value}</dd>
          </div>`,
      )}
      ${
        run.scopes.length === 0
          ? null
          : html`<div>
              <dt>scopes</dt>
              <dd class="list">
                ${run.scopes.map((scope) => html`<span><${ScopeLink} ...${scope} /></span>`)}
              </dd>
            </div>`
      }
    </dl>
  </div>`;
}

function Why({ run }: { readonly run: Run }): VNode | null {
  const { error } = run;
  if (error === undefined) return null;
  const { name, message, code, step, attempt } = error;
  return html`<section class="panel bad" aria-label="Failure">
    <h2>${name}${code === undefined ? "" : ` (${code})`}</h2>
    <p class="message">${message}</p>
    <p class="quiet">in step ${step}, try ${attempt}</p>
  </section>`;
}

interface ActingProps {
  readonly run: Run;
  readonly reload: () => void;
}

function Waiting({ run, write, reload }: ActingProps & { readonly write: boolean }): VNode | null {
  const { suspension, runId } = run;
  if (suspension === undefined) return null;
  const { reason, data, timeoutAt } = suspension;
  const text = typeof reason === "string" ? reason : JSON.stringify(reason);
  return html`<section class="panel wait" aria-label="Suspension">
    <h2>Waits: ${text}</h2>
    ${
      timeoutAt === undefined
        ? null
        : html`<p class="quiet">until ${dateTime(timeoutAt)}, ${distance(timeoutAt)}</p>`
    }
    ${data === undefined ? null : html`<${Tree} value=${data} label="Data of the suspension" />`}
    ${
      write && run.resumable
        ? html`<${AnswerForm}
            key=${suspension.id}
            runId=${runId}
            suspension=${suspension}
            reload=${reload}
          />`
        : html`<p class="quiet">
            ${
              write
                ? "This program does not know the sequencer, so it cannot resume the run."
                : "This inspector only reads, so the run cannot be resumed here."
            }
          </p>`
    }
  </section>`;
}

function Actions({ run, reload }: ActingProps): VNode | null {
  const [error, setError] = useState<string>();
  const [isBusy, setBusy] = useState(false);
  const act = (name: string) => async (): Promise<void> => {
    setBusy(true);
    try {
      await post(name, { runId: run.runId });
      setError(undefined);
    } catch (reason) {
      setError(messageOf(reason));
    }
    setBusy(false);
    reload();
  };
  const isOver = run.status === "completed" || run.status === "cancelled";
  if (isOver) return null;
  const retries = run.status === "failed";
  return html`<div class="actions">
    ${
      retries && run.resumable
        ? html`<button type="button" class="act" disabled=${isBusy} onClick=${act("resume")}>
            Retry
          </button>`
        : null
    }
    <button type="button" disabled=${isBusy} onClick=${act("cancel")}>Cancel the run</button>
    <${Failure} text=${error} />
  </div>`;
}

function Part({ title, value }: { readonly title: string; readonly value: unknown }): VNode {
  return html`<section>
    <h2>${title}</h2>
    <${Tree} value=${value} label=${title} />
  </section>`;
}
