/** Checkpoints as the config of a run names them. */
import type { CheckpointTuple } from "@langchain/langgraph-checkpoint";
import { typeName } from "../../../actors/state/copy.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { idsOf, type Place, placeOf } from "./records.ts";

/** How a run names its thread, namespace and checkpoint. */
export type Config = CheckpointTuple["config"];

/** Where checkpoints are listed. */
export interface PlaceSource {
  readonly runtime: Runtime;
  readonly type: string;
}

/** Ids that are listed at a time. */
const PAGE = 100;

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

/** The checkpoints that a config names, all of what it leaves out, newest first. */
export async function* placesOf(
  source: PlaceSource,
  config: Config,
  { before, limit }: { readonly before: Config | undefined; readonly limit: number },
): AsyncGenerator<Place, void, undefined> {
  const end = optionalText("before.checkpoint_id", before?.configurable?.["checkpoint_id"]);
  const pageSize = end === undefined ? Math.min(Math.max(Math.ceil(limit), 1), PAGE) : PAGE;
  for await (const place of named(source, config, pageSize))
    if (end === undefined || place.id < end) yield place;
}

async function* named(
  source: PlaceSource,
  { configurable = {} }: Config,
  pageSize: number,
): AsyncGenerator<Place, void, undefined> {
  const thread = optionalText("thread_id", configurable["thread_id"]);
  const namespace = optionalText("checkpoint_ns", configurable["checkpoint_ns"]);
  const given: unknown = configurable["checkpoint_id"] || configurable["thread_ts"] || undefined;
  const id = optionalText("checkpoint_id", given);
  if (thread === undefined || namespace === undefined)
    yield* await severalNamespaces(source, { thread, namespace, id });
  else if (id === undefined) yield* oneNamespace(source, idsOf(thread, namespace), pageSize);
  else yield { thread, namespace, id };
}

/** The ids of one namespace sort as its checkpoints do. */
async function* oneNamespace(
  { runtime, type }: PlaceSource,
  prefix: string,
  limit: number,
): AsyncGenerator<Place, void, undefined> {
  for await (const { id } of runtime.list({ type, prefix, reverse: true, limit })) {
    const place = placeOf(id);
    if (place !== undefined) yield place;
  }
}

/** Those of several namespaces or threads are sorted here. */
async function severalNamespaces(
  { runtime, type }: PlaceSource,
  wanted: { readonly [Name in keyof Place]: string | undefined },
): Promise<Place[]> {
  const prefix = wanted.thread === undefined ? "" : idsOf(wanted.thread);
  const places: Place[] = [];
  for await (const listed of runtime.list({ type, prefix })) {
    const place = placeOf(listed.id);
    if (place === undefined || place.namespace !== (wanted.namespace ?? place.namespace)) continue;
    if (place.id === (wanted.id ?? place.id)) places.push(place);
  }
  return places.toSorted(newestFirst);
}

function newestFirst(left: Place, right: Place): number {
  if (left.id === right.id) return 0;
  return left.id < right.id ? 1 : -1;
}

function optionalText(name: string, value: unknown): string | undefined {
  return value === undefined ? undefined : textOf(name, value);
}
