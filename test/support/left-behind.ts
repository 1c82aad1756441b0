/** In a process that files share, a file fails that leaves something of the process changed. */
import { channel } from "node:diagnostics_channel";
import { afterAll, expect, vi } from "vitest";

const OPERATIONS = ["mutation", "save", "load", "exclusive", "step", "run"];

/** What a file could leave behind; packages listen to the exit once they are loaded, and that is no harm. */
function found(): Readonly<Record<string, unknown>> {
  const names = process.eventNames().filter((name) => name !== "exit");
  const traced = OPERATIONS.filter(
    (name) => channel(`tracing:holdfast.${name}:start`).hasSubscribers,
  );
  return {
    listeners: Object.fromEntries(names.map((name) => [name, process.listenerCount(name)])),
    traced,
    folder: process.cwd(),
    env: { ...process.env },
    hasFakeTimers: vi.isFakeTimers(),
  };
}

const before = found();
// The hooks of a set-up file run last.
afterAll(() => expect(found()).toEqual(before));
