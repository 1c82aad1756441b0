/** The scopes of a selection, page by page; a short list is read again from time to time. */
import { useEffect, useState } from "preact/hooks";
import type { ScopePage, ScopeRow } from "../http/inspector/wire.ts";
import { get, messageOf } from "./api.ts";

/** Scopes in one request. */
const PAGE = 500;
/** A list of at most so many is read again. */
const FRESH_MAX = 1_000;
const FRESH_MS = 2_000;
/** Milliseconds without a key before the list is filtered. */
const QUIET_MS = 150;

/** Which scopes are listed. */
export interface Selection {
  /** Empty: all kinds. */
  readonly type: string;
  /** A part of the id. */
  readonly filter: string;
}

/** What of a list was read. */
export interface Loaded {
  readonly scopes: readonly ScopeRow[];
  /** Where the next page begins; `undefined`: there is none. */
  readonly cursor: string | undefined;
  readonly isLoading: boolean;
  readonly error?: string | undefined;
}

const NOTHING: Loaded = { scopes: [], cursor: undefined, isLoading: true };

/** The list of a selection; `more` reads its next page. */
export function useScopes(selection: Selection): { loaded: Loaded; more: () => void } {
  const { type, filter } = selection;
  const [loaded, setLoaded] = useState<Loaded>(NOTHING);
  const [list] = useState(() => new List(setLoaded));
  useEffect(() => {
    list.begin({ type, filter });
    return () => list.end();
  }, [list, type, filter]);
  return { loaded, more: list.more };
}

class List {
  readonly #show: (loaded: Loaded) => void;
  #loaded: Loaded = NOTHING;
  #selection: Selection = { type: "", filter: "" };
  #over = new AbortController();
  #timers: readonly number[] = [];

  constructor(show: (loaded: Loaded) => void) {
    this.#show = show;
  }

  /** Reads another selection; the list before stays until it is there. */
  begin(selection: Selection): void {
    this.#selection = selection;
    this.#over = new AbortController();
    const quietMs = this.#loaded === NOTHING ? 0 : QUIET_MS;
    this.#timers = [
      setTimeout(() => void this.#read(undefined, PAGE), quietMs),
      setInterval(() => this.#refresh(), FRESH_MS),
    ];
  }

  end(): void {
    this.#over.abort();
    this.#timers.forEach(clearTimeout);
  }

  /** Reads the next page, if there is one and none is being read. */
  readonly more = (): void => {
    const { cursor, isLoading } = this.#loaded;
    if (cursor === undefined || isLoading) return;
    this.#set({ ...this.#loaded, isLoading: true });
    void this.#read(cursor, PAGE);
  };

  #refresh(): void {
    const { scopes, isLoading, cursor } = this.#loaded;
    const isPart = this.#selection.filter !== "" && cursor !== undefined;
    if (isLoading || isPart || scopes.length > FRESH_MAX) return;
    if (document.visibilityState === "visible")
      void this.#read(undefined, Math.max(PAGE, scopes.length));
  }

  async #read(cursor: string | undefined, limit: number): Promise<void> {
    const { signal } = this.#over;
    const { type, filter } = this.#selection;
    const query = { type: type === "" ? undefined : type, filter, cursor, limit };
    try {
      const page = await get<ScopePage>("scopes", query, signal);
      if (signal.aborted) return;
      const before = cursor === undefined ? [] : this.#loaded.scopes;
      // Nothing fits yet, and more is to be looked at.
      const goesOn = page.scopes.length === 0 && page.cursor !== undefined;
      const scopes = [...before, ...page.scopes];
      this.#set({ scopes, cursor: page.cursor, isLoading: goesOn });
      if (goesOn) await this.#read(page.cursor, limit);
    } catch (error) {
      if (!signal.aborted)
        this.#set({ ...this.#loaded, isLoading: false, error: messageOf(error) });
    }
  }

  #set(loaded: Loaded): void {
    this.#loaded = loaded;
    this.#show(loaded);
  }
}
