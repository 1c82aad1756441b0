/** What every view of the page receives. */
import type { About } from "../http/inspector/wire.ts";
import type { Live } from "./live.ts";
import type { Place } from "./route.ts";

export interface ViewProps {
  readonly place: Place;
  readonly live: Live;
  readonly about: About;
}
