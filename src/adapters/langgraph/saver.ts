/**
 * A checkpointer of LangGraph: the checkpoints of graphs on any store.
 *
 *  S1  A checkpoint, and the writes of one call, are stored whole or not at all; the writes of
 *      several tasks, also of several processes, are all kept.
 *  S2  What changed is serialized before the call that passes it returns: the graph may change it
 *      afterwards.
 *  S3  What a call resolves to is new: the caller may change it.
 */
import type {
  BaseCheckpointSaver,
  ChannelVersions,
  Checkpoint,
  CheckpointListOptions,
  CheckpointMetadata,
  CheckpointTuple,
  DeltaChannelHistory,
  PendingWrite,
  SerializerProtocol,
} from "@langchain/langgraph-checkpoint";
import { isHoldfastError } from "../../../actors/errors.ts";
import { refuseUnknown } from "../../../actors/scope/options.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { inherit, loadPeer, type Peer } from "./peer.ts";
import { configOf, type Config, type Listed, placeIn, placesOf, textOf } from "./places.ts";
import { CheckpointReader, type Filter } from "./reader.ts";
import { Recent } from "./recent.ts";
import {
  CHECKPOINT_KIND,
  CHECKPOINT_TYPE,
  checkpointId,
  type CheckpointState,
  idsOf,
  type Layout,
  layoutOf,
  type Place,
  sharedChannels,
  type StoredWrite,
  writesId,
  type WritesState,
} from "./records.ts";
import { dump, lateSerializer } from "./serde.ts";
import { checkRuntime } from "../shared/check-runtime.ts";

/** Options of `HoldfastSaver`. */
export interface HoldfastSaverOptions {
  /** Where checkpoints are kept; the saver leaves it open. */
  readonly runtime: Runtime;
  /** Default the JSON serializer of LangGraph. */
  readonly serde?: SerializerProtocol | undefined;
  /**
   * The kind of the records. By default one that this class adds to the runtime; the name of a
   * declared one gives them a store or a size limit of their own. It must not have a time to live:
   * a checkpoint uses values of earlier ones.
   */
  readonly type?: string | undefined;
}

/** Checkpoints whose layout is remembered, so that a put need not read the one that it follows. */
const LAYOUTS_MAX = 1_000;
/** Checkpoints of a list that are read at the same time. */
const READ_MAX = 50;

/** Keeps the checkpoints of LangGraph in a runtime; see the head of this file. */
export class HoldfastSaver implements BaseCheckpointSaver {
  serde: SerializerProtocol;
  readonly #runtime: Runtime;
  readonly #type: string;
  readonly #peer: Promise<Peer>;
  readonly #layouts = new Recent<Layout>(LAYOUTS_MAX);

  /** Throws `TypeError` for an unknown option, and where there is no runtime. */
  constructor(options: HoldfastSaverOptions) {
    refuseUnknown("HoldfastSaver", options, ["runtime", "serde", "type"]);
    const { runtime, type, serde } = options;
    checkRuntime("HoldfastSaver", runtime);
    if (type === undefined) runtime.declare(CHECKPOINT_TYPE, CHECKPOINT_KIND);
    this.#runtime = runtime;
    this.#type = type ?? CHECKPOINT_TYPE;
    this.#peer = loadPeer();
    this.#peer.then(
      ({ BaseCheckpointSaver: base }) => inherit(HoldfastSaver.prototype, base.prototype),
      () => undefined, // The calls reject.
    );
    this.serde = serde ?? lateSerializer(this.#peer);
  }

  /** The checkpoint that a config names, else the newest of its thread and namespace. */
  async get(config: Config): Promise<Checkpoint | undefined> {
    return (await this.getTuple(config))?.checkpoint;
  }

  /** The same with its metadata and pending writes; `undefined` when there is none. */
  async getTuple(config: Config): Promise<CheckpointTuple | undefined> {
    const { thread_id: thread, checkpoint_ns: namespace = "" } = config.configurable ?? {};
    if (thread === undefined) return undefined;
    const configurable = { ...config.configurable, checkpoint_ns: namespace as unknown };
    for await (const tuple of this.list({ configurable }, { limit: 1 })) return tuple;
    return undefined;
  }

  /**
   * The checkpoints of a thread and namespace, or of all where the config names none, newest first.
   * `filter`: fields that their metadata must have.
   */
  async *list(
    config: Config,
    options: CheckpointListOptions = {},
  ): AsyncGenerator<CheckpointTuple, void, undefined> {
    const { filter = {}, before, limit = Infinity } = options;
    if (typeof limit !== "number" || Number.isNaN(limit))
      throw new RangeError(`limit must be a number, received ${String(limit)}`);
    await this.#peer; // Also where there is nothing to read, its absence is an error.
    let left = limit;
    let places: Listed[] = [];
    const source = { runtime: this.#runtime, type: this.#type };
    for await (const place of placesOf(source, config, { before, limit })) {
      if (left <= 0) return;
      if (places.push(place) < Math.min(left, READ_MAX)) continue;
      const tuples = await this.#tuples(places, filter, left);
      yield* tuples;
      left -= tuples.length;
      places = [];
    }
    yield* await this.#tuples(places, filter, left);
  }

  /** Stores a checkpoint; its unchanged channels refer to those of the checkpoint it follows. */
  async put(
    config: Config,
    checkpoint: Checkpoint,
    metadata: CheckpointMetadata,
    newVersions: ChannelVersions,
  ): Promise<Config> {
    const place = placeIn(config, checkpoint.id);
    const scope = { type: this.#type, id: checkpointId(place) };
    const { channel_values: values, ...outline } = checkpoint;
    const valueOf = async (channel: string): Promise<CheckpointState["values"][number]> => [
      channel,
      await dump(this.serde, values[channel], `channel_values.${channel}`, scope),
    ];
    const named: unknown = config.configurable?.["checkpoint_id"];
    const parent = named === undefined ? undefined : placeIn(config, named);
    const changed = Object.keys(newVersions).filter((channel) => Object.hasOwn(values, channel));
    const work = [
      dump(this.serde, outline, "checkpoint", scope),
      dump(this.serde, metadata, "metadata", scope),
      Promise.all(changed.map(valueOf)),
    ] as const;
    const before = parent === undefined ? undefined : this.#layout(parent);
    const { from, small, copies } = sharedChannels(checkpoint, newVersions, await before);
    // A copy of a checkpoint that follows none has no new versions either.
    const isCopy = parent !== undefined || metadata.source === "fork";
    const [body, meta, own] = await Promise.all(work);
    const copied = await Promise.all(isCopy ? copies.map(valueOf) : []);
    const state: CheckpointState = {
      checkpoint: body,
      metadata: meta,
      values: [...own, ...copied, ...small],
      from,
      ...(parent !== undefined && { parent: parent.id }),
    };
    await this.#store<CheckpointState>(scope.id, state, () => state);
    this.#layouts.set(scope.id, layoutOf(place, state, checkpoint.channel_versions));
    return configOf(place);
  }

  /**
   * Stores writes of a task that follows a checkpoint. A task's write is kept as it was first
   * stored; one of an error, an interrupt or an answer replaces the one before.
   */
  async putWrites(
    config: Config,
    writes: PendingWrite[],
    taskId: string,
    taskPath: string = "",
  ): Promise<void> {
    const place = placeIn(config, config.configurable?.["checkpoint_id"]);
    const task = textOf("taskId", taskId);
    const scope = { type: this.#type, id: writesId(place, task) };
    const dumped = Promise.all(
      writes.map(([channel, value], at) =>
        dump(this.serde, value, `writes[${at}].${channel}`, scope),
      ),
    );
    dumped.catch(() => undefined);
    const { WRITES_IDX_MAP } = await this.#peer;
    const stored = (await dumped).map((value, at): StoredWrite => {
      const channel = writes[at]?.[0] ?? "";
      const special = Object.hasOwn(WRITES_IDX_MAP, channel) ? WRITES_IDX_MAP[channel] : undefined;
      return { task, index: special ?? at, channel, value, path: taskPath };
    });
    const [all, replacing] = [stored, stored.filter(({ index }) => index < 0)].map((some) =>
      Object.fromEntries(some.map((write) => [write.index, write])),
    );
    if (writes.length > 0)
      await this.#store<WritesState>(scope.id, { writes: { ...all } }, ({ writes: kept }) => ({
        writes: { ...all, ...kept, ...replacing },
      }));
  }

  /** Deletes all checkpoints and writes of a thread. */
  async deleteThread(threadId: string): Promise<void> {
    const prefix = idsOf(textOf("threadId", threadId));
    await this.#runtime.deleteAll({ type: this.#type, prefix });
    this.#layouts.deleteAll(prefix);
  }

  /** The writes to some channels in the checkpoints that lead to one, as the base class does. */
  async getDeltaChannelHistory(options: {
    config: Config;
    channels: string[];
  }): Promise<Record<string, DeltaChannelHistory>> {
    const { BaseCheckpointSaver: base } = await this.#peer;
    return base.prototype.getDeltaChannelHistory.call(this, options);
  }

  /** The version after `current`. */
  getNextVersion(current: number | undefined): number {
    return (current ?? 0) + 1;
  }

  /** What stands for the saver in JSON, because runs may log their config. */
  toJSON(): string {
    return "[HoldfastSaver]";
  }

  /** Stores a record, which most often is new; `next` makes of one that exists what it becomes. */
  async #store<S extends object>(id: string, state: S, next: (before: S) => S): Promise<void> {
    try {
      // The kind of a saver has any fields.
      await this.#runtime.create(this.#type, id, state as Record<string, unknown>);
    } catch (error) {
      if (!isHoldfastError(error, "SCOPE_EXISTS")) throw error;
      const record = await this.#runtime.open<S>(this.#type, id);
      await record.update((draft) => next(draft as S)); // A draft has the fields of its state.
    }
  }

  /** At most `limit` of these checkpoints, with these fields in their metadata. */
  async #tuples(
    listed: readonly Listed[],
    filter: Filter,
    limit: number,
  ): Promise<CheckpointTuple[]> {
    if (listed.length === 0 || limit <= 0) return [];
    const read = await (await this.#reader()).tuples(listed, filter, limit);
    for (const { place, layout } of read) this.#layouts.set(checkpointId(place), layout);
    return read.map(({ tuple }) => tuple);
  }

  async #layout(place: Place): Promise<Layout | undefined> {
    const id = checkpointId(place);
    return this.#layouts.get(id) ?? (await this.#reader()).layout(place);
  }

  async #reader(): Promise<CheckpointReader> {
    const { serde } = this;
    return new CheckpointReader({
      runtime: this.#runtime,
      type: this.#type,
      serde,
      peer: await this.#peer,
    });
  }
}
