/** Artifacts of a session that is taken back: each gets a new version with its earlier content. */
import { StateTypeError } from "../../../actors/errors.ts";
import { typeName } from "../../../actors/state/copy.ts";
import { fieldsOf, type StoredEvent } from "./event.ts";
import { put, type Fields } from "./fields.ts";
import type { SessionKey } from "./request.ts";
import { StatePrefix } from "./state.ts";

/** What is used of an artifact service of the agent kit. */
export interface Artifacts {
  /** Resolves to the new version. */
  saveArtifact(
    request: SessionKey & { readonly filename: string; readonly artifact: object },
  ): Promise<number>;
  loadArtifact(
    request: SessionKey & { readonly filename: string; readonly version?: number },
  ): Promise<object | undefined>;
}

/** The content of an artifact that was not there: the kit has no version without content. */
const NOTHING = { inlineData: { mimeType: "application/octet-stream", data: "" } };

/** Throws `StateTypeError` for what is no artifact service. */
export function checkArtifacts(given: unknown): void {
  if (given === undefined) return;
  const { saveArtifact, loadArtifact } = Object(given) as Partial<Artifacts>;
  if (typeof saveArtifact === "function" && typeof loadArtifact === "function") return;
  throw new StateTypeError({
    path: "artifactService",
    expected: "an artifact service",
    received: typeName(given),
  });
}

/**
 * Saves the artifacts again that the events have changed since `before`; resolves to their new
 * versions. Those of the user stay. `restored` has what an earlier attempt saved.
 */
export async function restoreArtifacts(
  service: Artifacts | undefined,
  { appName, userId, sessionId }: SessionKey,
  [before, all]: readonly [readonly StoredEvent[], readonly StoredEvent[]],
  restored: Map<string, number>,
): Promise<Record<string, number>> {
  const delta: Record<string, number> = {};
  if (service === undefined) return delta;
  const earlier = versionsIn(before);
  for (const [filename, version] of versionsIn(all)) {
    const wanted = earlier.get(filename);
    if (wanted === version) continue;
    const named = { appName, userId, sessionId, filename };
    let saved = restored.get(filename);
    if (saved === undefined) {
      const found =
        wanted === undefined
          ? undefined
          : await service.loadArtifact({ ...named, version: wanted });
      saved = await service.saveArtifact({ ...named, artifact: found ?? NOTHING });
      restored.set(filename, saved);
    }
    put(delta, filename, saved);
  }
  return delta;
}

/** The last version of each artifact of the session. */
function versionsIn(events: readonly StoredEvent[]): Map<string, number> {
  const versions = new Map<string, number>();
  for (const event of events) {
    const { artifactDelta } = Object(fieldsOf(event)["actions"]) as Fields; // Any fields, or none.
    for (const [filename, version] of Object.entries(Object(artifactDelta)))
      if (!filename.startsWith(StatePrefix.USER_PREFIX)) versions.set(filename, Number(version));
  }
  return versions;
}
