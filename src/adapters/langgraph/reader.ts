/** Reads checkpoints: their records, and the values that other records have for them. */
import { isDeepStrictEqual } from "node:util";
import type {
  Checkpoint,
  CheckpointMetadata,
  CheckpointPendingWrite,
  CheckpointTuple,
  SerializerProtocol,
} from "@langchain/langgraph-checkpoint";
import { CorruptStateError } from "../../../actors/errors.ts";
import type { ScopeIdentity } from "../../../actors/protocol.ts";
import type { Peer } from "./peer.ts";
import { configOf, type Listed, type PlaceSource, writesOf } from "./places.ts";
import {
  asCheckpoint,
  asWrites,
  checkpointId,
  type CheckpointState,
  type Layout,
  layoutOf,
  type Place,
  type StoredWrite,
  type WritesState,
} from "./records.ts";
import { load } from "./serde.ts";

/** Where checkpoints are read, and by which serializer. */
export interface ReaderHome extends PlaceSource {
  readonly serde: SerializerProtocol;
  readonly peer: Peer;
}

/** A checkpoint that was found; its values are not read yet. */
interface Found {
  readonly place: Place;
  readonly state: CheckpointState;
  readonly metadata: CheckpointMetadata;
  readonly writes: readonly StoredWrite[];
}

/** A checkpoint that was read, with its values. */
export interface ReadTuple {
  readonly place: Place;
  readonly layout: Layout;
  readonly tuple: CheckpointTuple;
}

/** Fields that the metadata of a checkpoint must have. */
export type Filter = Readonly<Record<string, unknown>>;

/** A checkpoint without the values of its channels. */
type Outline = Omit<Checkpoint, "channel_values">;

/** Reads checkpoints; see the head of this file. */
export class CheckpointReader {
  readonly #home: ReaderHome;

  constructor(home: ReaderHome) {
    this.#home = home;
  }

  /** The first `limit` of the listed checkpoints that exist and fit `filter`, in their order. */
  async tuples(listed: readonly Listed[], filter: Filter, limit: number): Promise<ReadTuple[]> {
    const fields = Object.entries(filter);
    const fits = ({ metadata }: Found): boolean =>
      fields.every(([name, value]) => isDeepStrictEqual(Reflect.get(metadata, name), value));
    const found = (await this.#find(listed)).filter(fits).slice(0, limit);
    const owners = await this.#owners(found);
    return Promise.all(
      found.map(async (one) => {
        const { place, state, metadata, writes } = one;
        const { parent } = state;
        const outline = await this.#outline(state, place);
        const layout = layoutOf(place, state, outline.channel_versions);
        const channels = await this.#channels(one, owners);
        const checkpoint: Checkpoint = { ...outline, channel_values: Object.fromEntries(channels) };
        const before = parent === undefined ? undefined : { ...place, id: parent };
        if (checkpoint.v < 4 && before !== undefined) await this.#addSends(checkpoint, before);
        const tuple: CheckpointTuple = {
          config: configOf(place),
          checkpoint,
          metadata,
          pendingWrites: await this.#pending(writes, place),
          ...(before !== undefined && { parentConfig: configOf(before) }),
        };
        return { place, layout, tuple };
      }),
    );
  }

  /** A checkpoint's layout; `undefined` when there is none. */
  async layout(place: Place): Promise<Layout | undefined> {
    const [state] = await this.#read([checkpointId(place)]);
    if (state === undefined) return undefined;
    const checkpoint = asCheckpoint(state, this.#scopeOf(place));
    const { channel_versions: versions } = await this.#outline(checkpoint, place);
    return layoutOf(place, checkpoint, versions);
  }

  /** Those that exist, in their order. */
  async #find(listed: readonly Listed[]): Promise<Found[]> {
    const ids = listed.flatMap(({ place, writes }) => [checkpointId(place), ...writes]);
    const states = (await this.#read(ids)).values();
    const next = (): Partial<CheckpointState & WritesState> | undefined => states.next().value;
    const found = listed.map(({ place, writes: writeIds }) => {
      const state = next();
      const writes = writeIds.flatMap((id) => {
        const stored = next();
        return stored === undefined ? [] : asWrites(stored, { type: this.#home.type, id });
      });
      return state === undefined ? undefined : { place, state, writes };
    });
    return Promise.all(
      found
        .filter((one) => one !== undefined)
        .map(async ({ place, state, writes }): Promise<Found> => {
          const scope = this.#scopeOf(place);
          const checkpoint = asCheckpoint(state, scope);
          const metadata = await this.#load(checkpoint.metadata, "metadata", scope);
          // What `put` was given.
          return { place, state: checkpoint, metadata: metadata as CheckpointMetadata, writes };
        }),
    );
  }

  /** The checkpoints that have values for those in `found`. */
  async #owners(found: readonly Found[]): Promise<ReadonlyMap<string, CheckpointState>> {
    const known = new Map(found.map(({ place, state }) => [checkpointId(place), state]));
    const missing = new Map<string, Place>();
    for (const { place, state } of found)
      for (const [, id] of state.from) {
        const owner = { ...place, id };
        if (!known.has(checkpointId(owner))) missing.set(checkpointId(owner), owner);
      }
    const states = await this.#read([...missing.keys()]);
    for (const [at, [id, place]] of [...missing].entries()) {
      const state = states[at];
      if (state !== undefined) known.set(id, asCheckpoint(state, this.#scopeOf(place)));
    }
    return known;
  }

  #channels(
    { place, state }: Found,
    owners: ReadonlyMap<string, CheckpointState>,
  ): Promise<(readonly [channel: string, value: unknown])[]> {
    const scope = this.#scopeOf(place);
    const inherited = state.from.map(([channel, id]) => {
      const owner = owners.get(checkpointId({ ...place, id }));
      const pair = owner?.values.find(([name]) => name === channel);
      if (pair !== undefined) return pair;
      const reason = `checkpoint ${id}, which has its value, is missing`;
      throw new CorruptStateError({ location: `channel "${channel}"`, reason }, { scope });
    });
    return Promise.all(
      [...inherited, ...state.values].map(
        async ([channel, value]) =>
          [channel, await this.#load(value, `channel "${channel}"`, scope)] as const,
      ),
    );
  }

  /** The writes in the order in which a run applies them. */
  #pending(writes: readonly StoredWrite[], place: Place): Promise<CheckpointPendingWrite[]> {
    const { compareWritesSortKeys, writesSortKey } = this.#home.peer;
    const sorted = writes
      .map((write) => ({ write, key: writesSortKey(write.path, write.task, write.index) }))
      .toSorted((left, right) => compareWritesSortKeys(left.key, right.key));
    return Promise.all(
      sorted.map(async ({ write: { task, channel, value } }): Promise<CheckpointPendingWrite> => {
        const scope = this.#scopeOf(place);
        return [task, channel, await this.#load(value, `a write to "${channel}"`, scope)];
      }),
    );
  }

  /** What earlier formats kept in the writes of the parent is a channel now. */
  async #addSends(checkpoint: Checkpoint, parent: Place): Promise<void> {
    const { peer, type } = this.#home;
    const ids = await writesOf(this.#home, parent);
    const states = await this.#read(ids);
    const sends = states.flatMap((state, at) =>
      state === undefined ? [] : asWrites(state, { type, id: ids[at] ?? "" }),
    );
    const pending = await this.#pending(sends, parent);
    const versions = Object.values(checkpoint.channel_versions);
    checkpoint.channel_values[peer.TASKS] = pending.flatMap(([, channel, value]) =>
      channel === peer.TASKS ? [value] : [],
    );
    checkpoint.channel_versions[peer.TASKS] =
      versions.length > 0 ? peer.maxChannelVersion(...versions) : 1;
  }

  /** The states of records, of either form, in the order of their ids. */
  async #read(
    ids: readonly string[],
  ): Promise<(Partial<CheckpointState & WritesState> | undefined)[]> {
    if (ids.length === 0) return [];
    const { runtime, type } = this.#home;
    const read = await runtime.read<Partial<CheckpointState & WritesState>>(type, ids);
    return read.map((record) => record?.state);
  }

  async #outline(state: CheckpointState, place: Place): Promise<Outline> {
    // What `put` was given.
    return (await this.#load(state.checkpoint, "checkpoint", this.#scopeOf(place))) as Outline;
  }

  #load(
    value: CheckpointState["checkpoint"],
    what: string,
    scope: ScopeIdentity,
  ): Promise<unknown> {
    return load(this.#home.serde, value, what, scope);
  }

  #scopeOf(place: Place): ScopeIdentity {
    return { type: this.#home.type, id: checkpointId(place) };
  }
}
