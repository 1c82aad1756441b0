/** Requests of a client to its handler, and what a refusal rejects with. */

/** A function that sends requests, as the global `fetch` does. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** Headers in each form that `fetch` takes. */
export type HeaderValues = NonNullable<RequestInit["headers"]>;

/** What `connect` takes. */
export interface ConnectOptions {
  /** Headers of each request, such as `authorization`; a function is called before each. */
  readonly headers?: HeaderValues | (() => HeaderValues | Promise<HeaderValues>);
  /** Sends the requests; default the global `fetch`. */
  readonly fetch?: Fetch;
  /**
   * Milliseconds without a byte after which a stream counts as broken, and milliseconds after which
   * a patch without a response rejects; default 45,000. Keep it above the `heartbeatMs` of the
   * handler and the `mutationTimeoutMs` of its runtime.
   */
  readonly silenceMs?: number;
}

/** The longest wait of a timer: a longer one would end at once. */
export const TIMER_MS_MAX: number = 2 ** 31 - 1;
const SILENCE_MS = 45_000;

/** How long a server may be silent; throws `RangeError` for what is no number above 0. */
export function silenceOf({ silenceMs = SILENCE_MS }: ConnectOptions): number {
  if (typeof silenceMs === "number" && silenceMs > 0) return Math.min(silenceMs, TIMER_MS_MAX);
  throw new RangeError(`silenceMs must be a number above 0, received ${String(silenceMs)}`);
}

interface RequestErrorParts extends ErrorOptions {
  readonly retryAfterMs?: number;
}

/** A refused or failed request. */
export class RequestError extends Error {
  /** The status of the response; 0 when there was none. */
  readonly status: number;
  /** The `code` of the problem body; `NETWORK` without a response, `UNKNOWN` without a code. */
  readonly code: string;
  /** Milliseconds that the server asks to wait, by `Retry-After`; else 0. */
  readonly retryAfterMs: number;

  constructor(status: number, code: string, detail: string, more: RequestErrorParts = {}) {
    super(detail, more);
    this.retryAfterMs = more.retryAfterMs ?? 0;
    this.name = "RequestError";
    this.status = status;
    this.code = code;
  }
}

/** Sends a request; resolves to a response that is ok, else rejects with `RequestError`. */
export async function send(
  url: string,
  init: RequestInit,
  { headers, fetch = globalThis.fetch }: ConnectOptions,
): Promise<Response> {
  const sent = new Headers(typeof headers === "function" ? await headers() : headers);
  new Headers(init.headers).forEach((value, name) => sent.set(name, value));
  let response: Response;
  try {
    response = await fetch(url, { ...init, headers: sent });
  } catch (cause) {
    throw new RequestError(0, "NETWORK", "the request failed", { cause });
  }
  if (response.ok) return response;
  // A proxy sends what it likes.
  const { code, detail } = Object(await response.json().catch(() => undefined)) as {
    readonly code?: unknown;
    readonly detail?: unknown;
  };
  const { status } = response;
  const retryAfterMs = Number(response.headers.get("retry-after")) * 1_000 || 0; // Or a date.
  throw new RequestError(status, text(code, "UNKNOWN"), text(detail, `status ${status}`), {
    retryAfterMs,
  });
}

/** Resolves as `work` does; aborts it and rejects with `RequestError` after `limitMs`. */
export async function within<T>(
  limitMs: number,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const attempt = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new RequestError(0, "NETWORK", `no response within ${limitMs} ms`));
      attempt.abort();
    }, limitMs);
  });
  try {
    return await Promise.race([work(attempt.signal), late]); // `fetch` may know no signals.
  } finally {
    clearTimeout(timer);
  }
}

function text(value: unknown, otherwise: string): string {
  return typeof value === "string" ? value : otherwise;
}
