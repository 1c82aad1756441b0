/** What the inspector sends each second. */
import { useEffect, useState } from "preact/hooks";
import type { Tick } from "../http/inspector/wire.ts";

/** Ticks that are kept, for what is shown over time. */
const KEPT = 60;

/** The last ticks, the newest one last, and whether they still come. */
export interface Live {
  readonly ticks: readonly Tick[];
  readonly isConnected: boolean;
}

/** Follows the ticks; a stream that breaks is opened again by the browser. */
export function useLive(): Live {
  const [live, setLive] = useState<Live>({ ticks: [], isConnected: false });
  useEffect(() => {
    const source = new EventSource("api/live");
    source.addEventListener("tick", ({ data }: MessageEvent<string>) => {
      const tick = JSON.parse(data) as Tick; // As `wire.ts` says.
      setLive(({ ticks }) => ({ ticks: [...ticks, tick].slice(-KEPT), isConnected: true }));
    });
    source.addEventListener("error", () => {
      setLive(({ ticks }) => ({ ticks, isConnected: false }));
    });
    return () => source.close();
  }, []);
  return live;
}

/** How much a counter grew in the last second; 0 while that is not known. */
export function rateOf(ticks: readonly Tick[], name: keyof Tick["stats"]): number {
  return ratesOf(ticks, name).at(-1) ?? 0;
}

/** How much a counter grew in each second. */
export function ratesOf(ticks: readonly Tick[], name: keyof Tick["stats"]): number[] {
  return ticks.slice(1).map((tick, at) => {
    const before = ticks[at] ?? tick;
    const seconds = Math.max(0.1, (tick.at - before.at) / 1000);
    return Math.max(0, tick.stats[name] - before.stats[name]) / seconds;
  });
}
