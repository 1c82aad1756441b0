/** The page of the inspector. */
import { html, render } from "htm/preact";
import { App } from "./app.ts";

const root = document.querySelector<HTMLElement>("#app");
if (root !== null) render(html`<${App} />`, root);
