/** A persist bridge over one record in memory, whose every step a test can see and steer. */
import type {
  CommitInfo,
  Tombstone,
  PersistBridge,
  SaveResult,
  Stored,
} from "../../actors/protocol.ts";

/** One call of `save` or `delete`. */
export interface SeenSave<S> {
  readonly next: S | undefined;
  readonly expected: number;
  readonly commit: CommitInfo | undefined;
}

/** What a plan does with a save: let it through, or answer in place of the table. */
export type Plan<S> = (
  save: SeenSave<S>,
  count: number,
) => SaveResult<S> | undefined | Promise<SaveResult<S> | undefined>;

/** The bridge; see the head of this file. */
export interface TableBridge<S> extends PersistBridge<S> {
  stored: Stored<S> | Tombstone | undefined;
  /** Asked before each save, also before deletes. */
  plan: Plan<S>;
  readonly saves: SeenSave<S>[];
  loads: number;
  /** Another writer changes the record. */
  write(state: S): void;
}

/** Makes a bridge that answers in a microtask and keeps the rules of a store. */
export function tableBridge<S>(stored?: Stored<S>): TableBridge<S> {
  const write = (next: S | undefined, expected: number, commit?: CommitInfo): SaveResult<S> => {
    const current = bridge.stored;
    const version = current?.version ?? 0;
    if (version !== expected)
      return current?.state === undefined
        ? { ok: false, current: undefined, version }
        : { ok: false, current: { state: current.state, version } };
    const after = commit?.version ?? expected + 1;
    bridge.stored =
      next === undefined ? { state: undefined, version: after } : { state: next, version: after };
    return { ok: true, version: after };
  };
  const planned = async (save: SeenSave<S>): Promise<SaveResult<S>> => {
    bridge.saves.push(save);
    const answer = await bridge.plan(save, bridge.saves.length);
    return answer ?? write(save.next, save.expected, save.commit);
  };
  const bridge: TableBridge<S> = {
    stored,
    plan: () => undefined,
    saves: [],
    loads: 0,
    write: (state) => {
      bridge.stored = { state, version: (bridge.stored?.version ?? 0) + 1 };
    },
    load: () => {
      bridge.loads += 1;
      return Promise.resolve(bridge.stored);
    },
    save: (next, expected, commit) => planned({ next: structuredClone(next), expected, commit }),
    delete: (expected) => planned({ next: undefined, expected, commit: undefined }),
  };
  return bridge;
}
