/** Requests of the page to the inspector that serves it. */
import { useEffect, useRef, useState } from "preact/hooks";

/** A request that failed, with the text that the inspector gives. */
export class ApiError extends Error {
  readonly status: number;

  constructor(status: number, detail: string) {
    super(detail);
    this.name = "ApiError";
    this.status = status;
  }
}

/** The parameters of a request; those that are `undefined` are left out. */
export type Query = Readonly<Record<string, string | number | undefined>>;

/** Reads `api/<name>`. The caller names the type of what the inspector sends. */
export async function get<T>(name: string, query: Query = {}, signal?: AbortSignal): Promise<T> {
  const text = await getText(addressOf(name, query), signal);
  return JSON.parse(text) as T; // As `wire.ts` says.
}

/** Sends a change to `api/<name>`. */
export async function post(name: string, body: object): Promise<void> {
  const response = await fetch(`api/${name}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw await errorOf(response);
}

/** What is known of an answer. */
export interface Answer<T> {
  readonly data: T | undefined;
  readonly error: string | undefined;
  /** Asks again now. */
  readonly reload: () => void;
}

/** The answer to a request, which is repeated every `everyMs` while the page is visible. */
export function usePolled<T>(name: string, query: Query, everyMs: number): Answer<T> {
  const address = addressOf(name, query);
  const [answer, setAnswer] = useState<{ address: string; data?: T; error?: string }>({ address });
  const reloading = useRef<() => void>(() => undefined);
  useEffect(() => {
    const over = new AbortController();
    let last = "";
    let asked = 0;
    let answered = 0;
    const ask = async (): Promise<void> => {
      asked += 1;
      const number = asked;
      try {
        const text = await getText(address, over.signal);
        if (number < answered) return; // A later request was answered before.
        answered = number;
        if (text !== last) setAnswer({ address, data: JSON.parse(text) as T }); // By `wire.ts`.
        last = text;
      } catch (error) {
        if (over.signal.aborted) return;
        last = "";
        setAnswer((before) => ({ ...keptOf(before, address), error: messageOf(error) }));
      }
    };
    const repeat = (): void => {
      if (document.visibilityState === "visible") void ask();
    };
    reloading.current = () => void ask();
    void ask();
    const timer = setInterval(repeat, everyMs);
    document.addEventListener("visibilitychange", repeat);
    return () => {
      over.abort();
      clearInterval(timer);
      document.removeEventListener("visibilitychange", repeat);
    };
  }, [address, everyMs]);
  const present = keptOf(answer, address);
  return { data: present.data, error: present.error, reload: () => reloading.current() };
}

/** An answer to another request says nothing about this one. */
function keptOf<T extends { readonly address: string }>(
  answer: T,
  address: string,
): Partial<T> & { address: string } {
  return answer.address === address ? answer : ({ address } as Partial<T> & { address: string });
}

/** The text of a failure. */
export function messageOf(error: unknown): string {
  return error instanceof ApiError ? error.message : "the inspector cannot be reached";
}

function addressOf(name: string, query: Query): string {
  const given = Object.entries(query).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, String(value)]],
  );
  return `api/${name}?${new URLSearchParams(given).toString()}`;
}

async function getText(address: string, signal?: AbortSignal): Promise<string> {
  const response = await fetch(address, signal === undefined ? {} : { signal });
  if (!response.ok) throw await errorOf(response);
  return response.text();
}

async function errorOf(response: Response): Promise<ApiError> {
  const body: unknown = await response.json().catch(() => undefined);
  const { detail, code }: { detail?: unknown; code?: unknown } = Object(body);
  const text = typeof detail === "string" ? detail : `the request failed (${response.status})`;
  return new ApiError(response.status, typeof code === "string" ? `${text} (${code})` : text);
}
