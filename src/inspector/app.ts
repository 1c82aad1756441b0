/** The frame of the page: its head with the navigation, and the view below it. */
import { html } from "htm/preact";
import { useEffect } from "preact/hooks";
import type { VNode } from "preact";
import type { About } from "../http/inspector/wire.ts";
import { usePolled } from "./api.ts";
import { type Live, useLive } from "./live.ts";
import { MailboxesView } from "./mailboxes.ts";
import { addressOf, usePlace, VIEWS } from "./route.ts";
import { RunView } from "./run.ts";
import { RunsView } from "./runs.ts";
import { ScopeView } from "./scope.ts";
import { ScopesView } from "./scopes.ts";
import { StoreView } from "./store.ts";
import type { ViewProps } from "./view-props.ts";

/** Milliseconds between two looks at what hardly changes. */
const ABOUT_MS = 60_000;

const READING: About = { write: false, live: true, stores: [] };

/** The whole page. */
export function App(): VNode {
  const place = usePlace();
  const live = useLive();
  const { data: about = READING, error } = usePolled<About>("about", {}, ABOUT_MS);
  const subject = place.ids.at(-1);
  useEffect(() => {
    document.title = `${subject ?? place.view} · holdfast`;
  }, [subject, place.view]);
  return html`
    <a class="skip" href="#main" onClick=${toMain}>Skip to the content</a>
    <header class="bar">
      <a class="brand" href=${addressOf("Scopes")} aria-label="holdfast inspector">
        <svg viewBox="0 0 20 20" aria-hidden="true">
          <path d="M10 2v16M4 6c0 4 12 4 12 8M16 6c0 4-12 4-12 8" />
        </svg>
        holdfast
      </a>
      <nav aria-label="Views">
        ${VIEWS.map(
          (view) =>
            html`<a href=${addressOf(view)} aria-current=${view === place.view ? "page" : undefined}
              >${view}</a
            >`,
        )}
      </nav>
      <${Connection} live=${live} about=${about} error=${error} />
    </header>
    <main id="main" tabindex="-1"><${Content} place=${place} live=${live} about=${about} /></main>
  `;
}

function Content(props: ViewProps): VNode {
  const { view, ids } = props.place;
  if (view === "Mailboxes") return html`<${MailboxesView} ...${props} />`;
  if (view === "Store") return html`<${StoreView} ...${props} />`;
  const key = ids.join("/");
  if (view === "Runs")
    return ids.length === 0
      ? html`<${RunsView} ...${props} />`
      : html`<${RunView} key=${key} ...${props} />`;
  return ids.length < 2
    ? html`<${ScopesView} ...${props} />`
    : html`<${ScopeView} key=${key} ...${props} />`;
}

interface ConnectionProps {
  readonly live: Live;
  readonly about: About;
  readonly error: string | undefined;
}

function Connection({ live, about, error }: ConnectionProps): VNode {
  const isLost = !live.isConnected && (live.ticks.length > 0 || error !== undefined);
  const state = live.isConnected ? "live" : isLost ? "reconnecting" : "connecting";
  const mode = about.write ? "writing" : "read only";
  return html`<p class="connection">
    <span class="stores">${about.stores.join(", ")}</span>
    <span class="tag ${about.write ? "warm" : ""}">${mode}</span>
    <span class="dot ${state}" role="status">${state}</span>
  </p>`;
}

/** The fragment is the place, so the link cannot lead there by itself. */
function toMain(event: Event): void {
  event.preventDefault();
  document.querySelector<HTMLElement>("#main")?.focus();
}
