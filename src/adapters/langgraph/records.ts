/**
 * The records of a checkpointer. A checkpoint is one record, and the writes of a task are one.
 *
 *  C1  A checkpoint is one record: a put takes effect whole or not at all, on every store.
 *  C2  It has the values of the channels that changed, and for each other channel its value, if
 *      that is hardly longer than an id, else the id of the checkpoint that has it. So nothing
 *      large is stored twice, and two checkpoints that gave a channel the same version, as a fork
 *      and its origin do, never share a value.
 *  C3  The ids of a thread, and in it those of a namespace, have one prefix, and those of
 *      checkpoints sort as the checkpoints do. The id of a checkpoint begins those of its writes.
 */
import type { ChannelVersions, Checkpoint } from "@langchain/langgraph-checkpoint";
import { CorruptStateError } from "../../../actors/errors.ts";
import type { ScopeIdentity } from "../../../actors/protocol.ts";
import type { DeepReadonly } from "../../../actors/state-types.ts";
import { defineKind, type Kind } from "../../runtime/kinds.ts";
import { escapePart, partsOf, prefixOf } from "./ids.ts";
import { type Dumped, isDumped } from "./serde.ts";

/** The kind of both records, unless the caller declares one. */
export const CHECKPOINT_TYPE = "langgraph.checkpoint";
/** Most records are written once, and large ones are usual. */
export const CHECKPOINT_KIND: Kind = defineKind({ resident: false, maxStateSizeBytes: Infinity });

/** A checkpoint as it is stored. */
export interface CheckpointState {
  /** All but the values of its channels. */
  readonly checkpoint: Dumped;
  readonly metadata: Dumped;
  /** The id of the checkpoint it follows. */
  readonly parent?: string;
  /** The channels that changed, those with small values, and the values. */
  readonly values: readonly (readonly [channel: string, value: Dumped])[];
  /** The other channels, and the ids of the checkpoints that have their values. */
  readonly from: readonly (readonly [channel: string, id: string])[];
}

/** The writes of a task that follows a checkpoint. */
export interface WritesState {
  /** By their index. */
  readonly writes: Readonly<Record<string, StoredWrite>>;
}

/** One write of a task. */
export interface StoredWrite {
  readonly task: string;
  readonly index: number;
  readonly channel: string;
  readonly value: Dumped;
  /** The path of the task, by which writes are ordered. */
  readonly path: string;
}

/** Which checkpoint. */
export interface Place {
  readonly thread: string;
  readonly namespace: string;
  readonly id: string;
}

/** The versions of a checkpoint's channels, and their values or the checkpoints that have them. */
export interface Layout {
  readonly versions: ChannelVersions;
  readonly owners: ReadonlyMap<string, string | Dumped>;
}

/** Most characters of a value that each checkpoint has for itself: reading another costs more. */
const SMALL_CHARS = 256;

/** What the record ids of a thread, or of a namespace in it, start with. */
export function idsOf(thread: string, namespace?: string): string {
  return prefixOf(namespace === undefined ? [thread] : [thread, namespace]);
}

/** The id of the record of a checkpoint. */
export function checkpointId({ thread, namespace, id }: Place): string {
  return idsOf(thread, namespace) + escapePart(id);
}

/** What the ids of the records of its writes start with; with a task the id of one of them. */
export function writesId({ thread, namespace, id }: Place, task = ""): string {
  return prefixOf([thread, namespace, id]) + escapePart(task);
}

/** The checkpoint that a record id is of, and whether it is that of writes. */
export function placeOf(recordId: string): { place: Place; isWrites: boolean } | undefined {
  const [thread, namespace, id, ...more] = partsOf(recordId);
  if (thread === undefined || namespace === undefined || id === undefined) return undefined;
  return { place: { thread, namespace, id }, isWrites: more.length > 0 };
}

/** The layout of a checkpoint; `versions` are copied, for the caller may change its checkpoint. */
export function layoutOf({ id }: Place, state: CheckpointState, versions: ChannelVersions): Layout {
  const own = state.values.map(
    ([channel, value]) => [channel, value[1].length > SMALL_CHARS ? id : value] as const,
  );
  return { versions: { ...versions }, owners: new Map([...state.from, ...own]) };
}

/** The channels of a checkpoint that have no new version. */
export interface SharedChannels {
  /** Those whose values the checkpoint before refers to, or has. */
  readonly from: CheckpointState["from"];
  /** Those whose values are small. */
  readonly small: CheckpointState["values"];
  /** Those of another version than before: their values must be copied. */
  readonly copies: readonly string[];
}

/** Finds the channels of a checkpoint that have no new version. */
export function sharedChannels(
  { channel_versions: versions, channel_values: values }: Checkpoint,
  newVersions: ChannelVersions,
  before: Layout | undefined,
): SharedChannels {
  const from: [channel: string, id: string][] = [];
  const small: [channel: string, value: Dumped][] = [];
  const copies: string[] = [];
  for (const [channel, version] of Object.entries(versions)) {
    if (Object.hasOwn(newVersions, channel)) continue;
    const owner = before?.owners.get(channel);
    if (before?.versions[channel] !== version) {
      if (Object.hasOwn(values, channel)) copies.push(channel);
    } else if (typeof owner === "string") from.push([channel, owner]);
    else if (owner !== undefined) small.push([channel, owner]);
  }
  return { from, small, copies };
}

/** A state read as a checkpoint; throws `CorruptStateError` when it is none. */
export function asCheckpoint(
  state: DeepReadonly<Partial<CheckpointState>>,
  scope: ScopeIdentity,
): CheckpointState {
  const { checkpoint, metadata, parent, values, from } = state;
  if (
    isDumped(checkpoint) &&
    isDumped(metadata) &&
    (parent === undefined || typeof parent === "string") &&
    arePairs(values, isDumped) &&
    arePairs(from, isText)
  )
    return { checkpoint, metadata, values, from, ...(parent !== undefined && { parent }) };
  throw damage("a checkpoint", scope);
}

/** A state read as writes, unordered; throws `CorruptStateError` when it has none. */
export function asWrites(
  state: DeepReadonly<Partial<WritesState>>,
  scope: ScopeIdentity,
): StoredWrite[] {
  const writes: unknown[] = Object.values(Object(state.writes));
  if (writes.every(isWrite)) return writes;
  throw damage("writes", scope);
}

function isWrite(value: unknown): value is StoredWrite {
  const { task, index, channel, path, value: dumped } = Object(value) as Partial<StoredWrite>;
  const texts: readonly unknown[] = [task, channel, path];
  return texts.every(isText) && typeof index === "number" && isDumped(dumped);
}

function arePairs<T>(
  list: unknown,
  isValue: (value: unknown) => value is T,
): list is readonly (readonly [string, T])[] {
  return (
    Array.isArray(list) &&
    list.every((pair: unknown) => Array.isArray(pair) && isText(pair[0]) && isValue(pair[1]))
  );
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function damage(what: string, scope: ScopeIdentity): CorruptStateError {
  return new CorruptStateError({ location: scope.id, reason: `it is not ${what}` }, { scope });
}
