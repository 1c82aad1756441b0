/** Checkpoints as the config of a run names them. */
import type { CheckpointTuple } from "@langchain/langgraph-checkpoint";
import { typeName } from "../../../actors/state/copy.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { checkpointId, idsOf, type Place, placeOf, writesId } from "./records.ts";

/** How a run names its thread, namespace and checkpoint. */
export type Config = CheckpointTuple["config"];

/** Where checkpoints are listed. */
export interface PlaceSource {
  readonly runtime: Runtime;
  readonly type: string;
}

/** A checkpoint, and the ids of the records of its writes. */
export interface Listed {
  readonly place: Place;
  readonly writes: readonly string[];
}

/** Least and most ids that are listed at a time. The newest checkpoint often has no writes yet. */
const PAGE_MIN = 2;
const PAGE_MAX = 200;

/** The config that names a checkpoint. */
export function configOf({ thread, namespace, id }: Place): Config {
  return { configurable: { thread_id: thread, checkpoint_ns: namespace, checkpoint_id: id } };
}

/** The checkpoint `id` of the thread and namespace of a config; throws `TypeError` without them. */
export function placeIn({ configurable = {} }: Config, id: unknown): Place {
  return {
    thread: textOf("configurable.thread_id", configurable["thread_id"]),
    namespace: textOf("configurable.checkpoint_ns", configurable["checkpoint_ns"] ?? ""),
    id: textOf("configurable.checkpoint_id", id),
  };
}

/** A text; throws `TypeError` for anything else. */
export function textOf(name: string, value: unknown): string {
  if (typeof value === "string") return value;
  throw new TypeError(`${name} must be a text, received ${typeName(value)}`);
}

/** The ids of the records of the writes that follow a checkpoint. */
export async function writesOf({ runtime, type }: PlaceSource, place: Place): Promise<string[]> {
  const found: string[] = [];
  for await (const { id } of runtime.list({ type, prefix: writesId(place) })) found.push(id);
  return found;
}

/** The checkpoints that a config names, all of what it leaves out, newest first. */
export async function* placesOf(
  source: PlaceSource,
  config: Config,
  { before, limit }: { readonly before: Config | undefined; readonly limit: number },
): AsyncGenerator<Listed, void, undefined> {
  const end = optionalText("before.checkpoint_id", before?.configurable?.["checkpoint_id"]);
  const wanted = end === undefined ? Math.ceil(limit) : PAGE_MAX;
  for await (const listed of named(source, config, Math.max(wanted, PAGE_MIN)))
    if (end === undefined || listed.place.id < end) yield listed;
}

async function* named(
  source: PlaceSource,
  { configurable = {} }: Config,
  pageSize: number,
): AsyncGenerator<Listed, void, undefined> {
  const thread = optionalText("thread_id", configurable["thread_id"]);
  const namespace = optionalText("checkpoint_ns", configurable["checkpoint_ns"]);
  const given: unknown = configurable["checkpoint_id"] || configurable["thread_ts"] || undefined;
  const id = optionalText("checkpoint_id", given);
  if (thread === undefined || namespace === undefined)
    yield* await severalNamespaces(source, { thread, namespace, id });
  else if (id === undefined)
    yield* oneNamespace(source, idsOf(thread, namespace), Math.min(pageSize, PAGE_MAX));
  else {
    const place = { thread, namespace, id };
    yield { place, writes: await writesOf(source, place) };
  }
}

/** The ids of one namespace sort as its checkpoints do, and from the end writes come first. */
async function* oneNamespace(
  { runtime, type }: PlaceSource,
  prefix: string,
  limit: number,
): AsyncGenerator<Listed, void, undefined> {
  const writes = new Map<string, string[]>();
  for await (const { id } of runtime.list({ type, prefix, reverse: true, limit })) {
    const found = placeOf(id);
    if (found === undefined) continue;
    const key = found.place.id;
    if (found.isWrites) writes.set(key, [...(writes.get(key) ?? []), id]);
    else yield { place: found.place, writes: writes.get(key) ?? [] };
    if (!found.isWrites) writes.delete(key);
  }
}

/** Those of several namespaces or threads are sorted here. */
async function severalNamespaces(
  { runtime, type }: PlaceSource,
  wanted: { readonly [Name in keyof Place]: string | undefined },
): Promise<Listed[]> {
  const prefix = wanted.thread === undefined ? "" : idsOf(wanted.thread);
  const places = new Map<string, { place: Place; writes: string[] }>();
  for await (const { id } of runtime.list({ type, prefix })) {
    const found = placeOf(id);
    if (found === undefined) continue;
    const { place, isWrites } = found;
    if (place.namespace !== (wanted.namespace ?? place.namespace)) continue;
    if (place.id !== (wanted.id ?? place.id)) continue;
    if (isWrites) places.get(checkpointId(place))?.writes.push(id);
    else places.set(id, { place, writes: [] });
  }
  return [...places.values()].toSorted(newestFirst);
}

function newestFirst({ place: left }: Listed, { place: right }: Listed): number {
  if (left.id === right.id) return 0;
  return left.id < right.id ? 1 : -1;
}

function optionalText(name: string, value: unknown): string | undefined {
  return value === undefined ? undefined : textOf(name, value);
}
