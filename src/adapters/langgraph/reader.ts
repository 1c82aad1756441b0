/** Reads checkpoints: their records, and the values that other records have for them. */
import type {
  Checkpoint,
  CheckpointMetadata,
  CheckpointPendingWrite,
  CheckpointTuple,
  SerializerProtocol,
} from "@langchain/langgraph-checkpoint";
import { CorruptStateError } from "../../../actors/errors.ts";
import type { ScopeIdentity } from "../../../actors/protocol.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { Peer } from "./peer.ts";
import { configOf } from "./places.ts";
import {
  asCheckpoint,
  asWrites,
  checkpointId,
  type CheckpointState,
  type Layout,
  layoutOf,
  type Place,
  type StoredWrite,
  writesId,
  type WritesState,
} from "./records.ts";
import { load } from "./serde.ts";

/** Where checkpoints are read, and by which serializer. */
export interface ReaderHome {
  readonly runtime: Runtime;
  readonly type: string;
  readonly serde: SerializerProtocol;
  readonly peer: Peer;
}

/** A checkpoint that was found; its values are not read yet. */
export interface Found {
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

/** A checkpoint without the values of its channels. */
type Outline = Omit<Checkpoint, "channel_values">;

/** Reads checkpoints; see the head of this file. */
export class CheckpointReader {
  readonly #home: ReaderHome;

  constructor(home: ReaderHome) {
    this.#home = home;
  }

  /** Those of `places` that exist, in their order. */
  async find(places: readonly Place[]): Promise<Found[]> {
    const { runtime, type } = this.#home;
    const ids = places.flatMap((place) => [checkpointId(place), writesId(place)]);
    const states = await runtime.read<Partial<CheckpointState & WritesState>>(type, ids);
    const found = places.map(async (place, at): Promise<Found[]> => {
      const state = states[2 * at]?.state;
      if (state === undefined) return [];
      const scope = this.#scopeOf(place);
      const checkpoint = asCheckpoint(state, scope);
      // What `put` was given.
      const metadata = (await this.#load(
        checkpoint.metadata,
        "metadata",
        scope,
      )) as CheckpointMetadata;
      const writes = states[2 * at + 1]?.state;
      return [
        {
          place,
          state: checkpoint,
          metadata,
          writes: writes === undefined ? [] : asWrites(writes, { type, id: writesId(place) }),
        },
      ];
    });
    return (await Promise.all(found)).flat();
  }

  /** A checkpoint's layout; `undefined` when there is none. */
  async layout(place: Place): Promise<Layout | undefined> {
    const [read] = await this.#home.runtime.read<Partial<CheckpointState>>(this.#home.type, [
      checkpointId(place),
    ]);
    if (read === undefined) return undefined;
    const state = asCheckpoint(read.state, this.#scopeOf(place));
    const { channel_versions: versions } = await this.#outline(state, place);
    return layoutOf(place, state, versions);
  }

  /** The checkpoints, each with its layout. */
  async tuples(found: readonly Found[]): Promise<ReadTuple[]> {
    const owners = await this.#owners(found);
    return Promise.all(
      found.map(async (one) => {
        const { place, state } = one;
        const outline = await this.#outline(state, place);
        const layout = layoutOf(place, state, outline.channel_versions);
        const channels = await this.#channels(one, owners);
        const checkpoint: Checkpoint = { ...outline, channel_values: Object.fromEntries(channels) };
        if (checkpoint.v < 4 && state.parent !== undefined)
          await this.#addSends(checkpoint, { ...place, id: state.parent });
        return { place, layout, tuple: await this.#tuple(one, checkpoint) };
      }),
    );
  }

  async #tuple(
    { place, state, metadata, writes }: Found,
    checkpoint: Checkpoint,
  ): Promise<CheckpointTuple> {
    const { parent } = state;
    const pendingWrites = await this.#pending(writes, place);
    return {
      config: configOf(place),
      checkpoint,
      metadata,
      pendingWrites,
      ...(parent !== undefined && { parentConfig: configOf({ ...place, id: parent }) }),
    };
  }

  /** The checkpoints that have values for those in `found`. */
  async #owners(found: readonly Found[]): Promise<ReadonlyMap<string, CheckpointState>> {
    const { runtime, type } = this.#home;
    const known = new Map(found.map(({ place, state }) => [checkpointId(place), state]));
    const missing = new Map<string, Place>();
    for (const { place, state } of found)
      for (const [, id] of state.from) {
        const owner = { ...place, id };
        if (!known.has(checkpointId(owner))) missing.set(checkpointId(owner), owner);
      }
    const ids = [...missing.keys()];
    const states = ids.length === 0 ? [] : await runtime.read<Partial<CheckpointState>>(type, ids);
    for (const [at, [id, place]] of [...missing].entries()) {
      const state = states[at]?.state;
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
    const scope = { type: this.#home.type, id: writesId(place) };
    const sorted = writes
      .map((write) => ({ write, key: writesSortKey(write.path, write.task, write.index) }))
      .toSorted((left, right) => compareWritesSortKeys(left.key, right.key));
    return Promise.all(
      sorted.map(async ({ write: { task, channel, value } }): Promise<CheckpointPendingWrite> => {
        return [task, channel, await this.#load(value, `a write to "${channel}"`, scope)];
      }),
    );
  }

  /** What earlier formats kept in the writes of the parent is a channel now. */
  async #addSends(checkpoint: Checkpoint, parent: Place): Promise<void> {
    const { runtime, type, peer } = this.#home;
    const [read] = await runtime.read<Partial<WritesState>>(type, [writesId(parent)]);
    const scope = { type, id: writesId(parent) };
    const sends = read === undefined ? [] : asWrites(read.state, scope);
    const pending = await this.#pending(sends, parent);
    const versions = Object.values(checkpoint.channel_versions);
    checkpoint.channel_values[peer.TASKS] = pending.flatMap(([, channel, value]) =>
      channel === peer.TASKS ? [value] : [],
    );
    checkpoint.channel_versions[peer.TASKS] =
      versions.length > 0 ? peer.maxChannelVersion(...versions) : 1;
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
