/** Which events of a session a caller receives. */
import { timeOf, type StoredEvent } from "./event.ts";
import { readEvents } from "./history.ts";
import type { SessionRecord } from "./record.ts";
import type { GetSessionConfig } from "./request.ts";
import type { SessionScopes } from "./session-scopes.ts";

/** Those of `events`, the first of which has number `from`, that count. */
export function countingOf(
  { rewound = [] }: SessionRecord,
  from: number,
  events: readonly StoredEvent[],
): readonly StoredEvent[] {
  if (rewound.every(([, to]) => to <= from)) return events;
  return events.filter((_, at) =>
    rewound.every(([first, to]) => from + at < first || from + at >= to),
  );
}

/** The number of the first of the last `count` events that count. */
function firstOfLast({ next, rewound = [] }: SessionRecord, count: number): number {
  let [end, left] = [next, count];
  for (const [from, to] of rewound.toReversed()) {
    if (end - to >= left) break;
    left -= end - to;
    end = from;
  }
  return Math.max(0, end - left);
}

/**
 * The selected events, in order; `undefined` when a page is missing. By a time, `latest` selects
 * all newer events, else those after the last older one.
 */
export async function selectEvents(
  scopes: SessionScopes,
  record: SessionRecord,
  { config, latest }: { readonly config: GetSessionConfig; readonly latest: boolean },
): Promise<readonly StoredEvent[] | undefined> {
  const { numRecentEvents = Infinity, afterTimestamp, rewound = false } = config;
  const seen: SessionRecord = rewound ? { ...record, rewound: [] } : record;
  const isWhole = numRecentEvents === Infinity || afterTimestamp !== undefined;
  const first = isWhole ? 0 : firstOfLast(seen, numRecentEvents);
  const read = await readEvents(scopes, record, first);
  if (read === undefined) return undefined;
  const events = countingOf(seen, first, read);
  if (afterTimestamp === undefined) return events;
  const after = latest
    ? events.filter((event) => timeOf(event) > afterTimestamp)
    : events.slice(events.findLastIndex((event) => timeOf(event) < afterTimestamp) + 1);
  return after.slice(Math.max(0, after.length - numRecentEvents));
}
