/**
 * One stream of a server after another, until it is ended or the server refuses it.
 *
 *  N1  After a stream that broke, ended or was silent, another is opened: after 250 to 500 ms, and
 *      after twice as long at each further failure, at most 30 s; at once when the browser goes
 *      online. `Retry-After` counts. A browser that goes offline breaks the stream, whose
 *      connection would else look open until it was silent for too long.
 *  N2  A 4xx status ends it, but those of failures that pass by themselves.
 *  N3  Nothing is called after the end.
 */
import { readEvents, type ServerEvent } from "./events.ts";
import { type ConnectOptions, RequestError, send, silenceOf, TIMER_MS_MAX } from "./requests.ts";

/** What a stream uses of its owner. */
export interface StreamPort {
  readonly url: string;
  readonly options: ConnectOptions;
  /** The last version that the owner has, if the next stream may continue from it. */
  readonly since: () => number | undefined;
  /** The server accepted the request. */
  readonly opened: () => void;
  /** Takes an event; one that does not fit throws, and the stream is opened again. */
  readonly take: (event: ServerEvent) => void;
  /** The stream broke, with `undefined` when the server ended it. */
  readonly failed: (error: unknown) => void;
  /** The server refused, and nothing more follows. */
  readonly refused: (error: RequestError) => void;
}

const PASSING: ReadonlySet<number> = new Set([408, 423, 425, 429]);
const BACKOFF_MS = 500;
const BACKOFF_MS_MAX = 30_000;

type Listen = (type: string, listener: () => void) => void;

/** When the network of a browser comes or goes. */
const NETWORK_EVENTS = ["online", "offline"] as const;

/** What a browser has and other programs may lack. */
const page = globalThis as { addEventListener?: Listen; removeEventListener?: Listen };

/** Follows a stream until the function that is returned is called. */
export function follow(port: StreamPort): () => void {
  let hasEnded = false;
  let failures = 0;
  /** Ends the present stream or wait. */
  let interrupt: (() => void) | undefined;
  const again = (): void => {
    failures = 0;
    interrupt?.();
  };
  const end = (): void => {
    hasEnded = true;
    for (const event of NETWORK_EVENTS) page.removeEventListener?.(event, again);
    interrupt?.();
  };
  for (const event of NETWORK_EVENTS) page.addEventListener?.(event, again);
  const run = async (): Promise<void> => {
    for (;;) {
      const attempt = new AbortController();
      interrupt = () => attempt.abort();
      const error = await listen(port, attempt, () => {
        failures = 0;
        port.opened();
      }).catch((reason: unknown) => reason);
      if (hasEnded) return;
      if (isFinal(error)) {
        end();
        return port.refused(error);
      }
      port.failed(error);
      if (hasEnded) return;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, waitMs(failures, error));
        interrupt = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      if (hasEnded) return;
      failures += 1;
    }
  };
  void run();
  return end;
}

/** Reads one stream to its end. */
async function listen(
  port: StreamPort,
  attempt: AbortController,
  opened: () => void,
): Promise<void> {
  const { url, options } = port;
  const since = port.since();
  const headers = {
    accept: "text/event-stream",
    ...(since !== undefined && { "last-event-id": String(since) }),
  };
  let timer: ReturnType<typeof setTimeout> | undefined;
  const alive = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => attempt.abort(), silenceOf(options));
  };
  alive();
  try {
    const { signal } = attempt;
    const response = await send(url, { headers, signal }, options);
    signal.throwIfAborted(); // The response was there already, or `fetch` knows no signals (N3).
    const { body, status } = response;
    const type = response.headers.get("content-type") ?? "";
    if (body === null || !type.startsWith("text/event-stream"))
      throw new RequestError(status, "UNKNOWN", "the response is no stream of events");
    opened();
    await readEvents(
      body,
      (event) => {
        signal.throwIfAborted();
        port.take(event);
      },
      alive,
    );
  } finally {
    clearTimeout(timer);
    attempt.abort(); // Closes the connection when an event did not fit.
  }
}

function isFinal(error: unknown): error is RequestError {
  if (!(error instanceof RequestError)) return false;
  return error.status >= 400 && error.status < 500 && !PASSING.has(error.status);
}

function waitMs(failures: number, error: unknown): number {
  const most = Math.min(BACKOFF_MS * 2 ** failures, BACKOFF_MS_MAX);
  const asked = error instanceof RequestError ? error.retryAfterMs : 0;
  return Math.min(Math.max((most * (1 + Math.random())) / 2, asked), TIMER_MS_MAX);
}
