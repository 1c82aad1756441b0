/** Where the page stands: in the fragment of its address, so that any id fits. */
import { useEffect, useState } from "preact/hooks";

/** The views of the navigation. */
export const VIEWS = ["Scopes", "Mailboxes", "Runs", "Store"] as const;
export type View = (typeof VIEWS)[number];

/** A place in the page. */
export interface Place {
  readonly view: View;
  /** The scope or the run; empty: the list. */
  readonly ids: readonly string[];
  readonly query: URLSearchParams;
}

/** The address of a place. */
export function addressOf(
  view: View,
  ids: readonly string[] = [],
  query: Readonly<Record<string, string | undefined>> = {},
): string {
  const given = Object.entries(query).flatMap(([name, value]) =>
    value === undefined || value === "" ? [] : [[name, value]],
  );
  const text = given.length === 0 ? "" : `?${new URLSearchParams(given).toString()}`;
  return `#/${[view.toLowerCase(), ...ids.map(encodeURIComponent)].join("/")}${text}`;
}

/** The address of a scope, or of the run that it is. */
export function scopeAddress(type: string, id: string, at?: number): string {
  if (type === "sequencer") return addressOf("Runs", [id]);
  return addressOf("Scopes", [type, id], { at: at === undefined ? undefined : String(at) });
}

/** The place in the present address. */
export function usePlace(): Place {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const changed = (): void => setHash(location.hash);
    addEventListener("hashchange", changed);
    changed(); // It may have changed since this was rendered.
    return () => removeEventListener("hashchange", changed);
  }, []);
  return placeOf(hash);
}

/** The place of a fragment; the list of scopes for what is none. */
function placeOf(hash: string): Place {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  const [name = "", ...rest] = path.split("/");
  const view = VIEWS.find((each) => each.toLowerCase() === name) ?? "Scopes";
  return { view, ids: rest.map(decoded), query: new URLSearchParams(query) };
}

/** Changes the parameters of the present place, without a new entry in the history. */
export function replaceQuery(place: Place, query: Readonly<Record<string, string>>): void {
  history.replaceState(null, "", addressOf(place.view, place.ids, query));
  dispatchEvent(new HashChangeEvent("hashchange")); // The browser announces others only.
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
