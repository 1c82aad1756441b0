/** Checkpoints as a graph makes them: each changes one of ten channels. */
import { type Checkpoint, type CheckpointMetadata, uuid6 } from "@langchain/langgraph-checkpoint";

const CHANNELS = 10;
const MESSAGE_CHARS = 80;

export const META: CheckpointMetadata = { source: "loop", step: 1, parents: {} };

/** A checkpoint, and what changed in it. */
export interface Sample {
  readonly checkpoint: Checkpoint;
  readonly versions: Record<string, number>;
  readonly changed: unknown;
}

/** The config of the one thread of a run. */
export function configOf(): { configurable: Record<string, unknown> } {
  return { configurable: { thread_id: "t", checkpoint_ns: "" } };
}

/** About so many characters of JSON, as messages. */
function messages(chars: number, seed: number): { role: string; text: string }[] {
  const count = Math.max(1, Math.round(chars / (MESSAGE_CHARS + 30)));
  return Array.from({ length: count }, (_, n) => ({
    role: n % 2 === 0 ? "user" : "agent",
    text: `${seed} ${n} `.padEnd(MESSAGE_CHARS, "x"),
  }));
}

/** The checkpoints of a thread, whose states have so many bytes each. */
export function checkpoints(bytes: number, count: number): Sample[] {
  const names = Array.from({ length: CHANNELS }, (_, n) => `channel${n}`);
  let values: Record<string, unknown> = {};
  let versions: Record<string, number> = {};
  return Array.from({ length: count }, (_, at) => {
    const changed = at === 0 ? names : [names[at % CHANNELS] ?? "channel0"];
    const made = changed.map((name) => [name, messages(bytes / CHANNELS, at)] as const);
    values = { ...values, ...Object.fromEntries(made) };
    const newVersions = Object.fromEntries(changed.map((name) => [name, at + 1]));
    versions = { ...versions, ...newVersions };
    const checkpoint: Checkpoint = {
      v: 4,
      id: uuid6(at),
      ts: "2026-01-01T00:00:00.000Z",
      channel_values: values,
      channel_versions: versions,
      versions_seen: {},
    };
    return { checkpoint, versions: newVersions, changed: made[0]?.[1] };
  });
}
