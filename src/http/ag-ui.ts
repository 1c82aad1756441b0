/** The changes of a scope as state events of AG-UI, the protocol between agents and their pages. */
import type { FeedItem, Json } from "../../actors/protocol.ts";
import { applyPatches } from "../patches/apply-patches.ts";
import { toJson } from "../patches/to-json.ts";
import { type JsonPatchOperation, toJsonPatch } from "../patches/to-json-patch.ts";

/** A state event of AG-UI. */
export type AgUiStateEvent =
  | { readonly type: "STATE_SNAPSHOT"; readonly snapshot: Json }
  | { readonly type: "STATE_DELTA"; readonly delta: readonly JsonPatchOperation[] };

/**
 * AG-UI events of `scope.changes({ snapshot: true })`: a `STATE_SNAPSHOT`, then a `STATE_DELTA` for
 * each change, whose every path exists in the state that the client has by then; after a gap a
 * `STATE_SNAPSHOT`. A change that is none in JSON has no event. Throws `TypeError` when the changes
 * do not begin with a snapshot, and for changes of a whole runtime, which are of several states.
 */
export async function* toAgUiEvents(
  changes: AsyncIterable<FeedItem<object>>,
): AsyncGenerator<AgUiStateEvent, void, undefined> {
  let state: object | undefined;
  for await (const item of changes) {
    if (item.type === "snapshot") {
      ({ state } = item);
      yield { type: "STATE_SNAPSHOT", snapshot: toJson(state) };
    } else if (item.type !== "state_change" || state === undefined) {
      throw new TypeError("toAgUiEvents takes the changes({ snapshot: true }) of one scope");
    } else {
      const delta = toJsonPatch(item.patches, state);
      state = applyPatches(state, item.patches);
      if (delta.length > 0) yield { type: "STATE_DELTA", delta };
    }
  }
}
