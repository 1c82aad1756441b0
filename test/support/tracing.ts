/** Subscribes to the tracing channels of one scope for the length of a test. */
import { type ChannelListener, tracingChannel } from "node:diagnostics_channel";
import { onTestFinished } from "vitest";
import type { OperationTrace } from "../../actors/operation-trace.ts";

/** The channels, without their prefix. */
export type ChannelName = "mutation" | "save" | "load" | "exclusive" | "step" | "run";

/** One event as a subscriber receives it. */
export interface TraceEvent {
  readonly event: string;
  /** The message itself: later events change it. */
  readonly message: OperationTrace;
}

const EVENTS = ["start", "end", "asyncStart", "asyncEnd", "error"] as const;

/** Calls `listener` with each event of a channel until the test ends, or the result is called. */
export function traced(name: ChannelName, listener: (event: TraceEvent) => unknown): () => void {
  const channel = tracingChannel(`holdfast.${name}`);
  const listeners = EVENTS.map((event) => {
    // A channel of holdfast has these messages.
    const receive: ChannelListener = (message) =>
      listener({ event, message: message as OperationTrace });
    channel[event].subscribe(receive);
    return () => channel[event].unsubscribe(receive);
  });
  const stop = (): void => {
    for (const unsubscribe of listeners) unsubscribe();
  };
  onTestFinished(stop);
  return stop;
}

/** The events of the scope `id` on a channel, in order. */
export function eventsOf(name: ChannelName, id: string): TraceEvent[] {
  const events: TraceEvent[] = [];
  traced(name, (each) => each.message.scope.id === id && events.push(each));
  return events;
}

/** The messages of the scope `id` on a channel, in the order in which they ended. */
export function endedOf(name: ChannelName, id: string): OperationTrace[] {
  const messages: OperationTrace[] = [];
  traced(name, ({ event, message }) => {
    if (event === "asyncEnd" && message.scope.id === id) messages.push(message);
  });
  return messages;
}
