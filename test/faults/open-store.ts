/** Opens the stores that fault tests use, in the test's process and in its children. */
import { join } from "node:path";
import { fileStore } from "../../src/stores/file.ts";
import { postgresStore } from "../../src/stores/postgres.ts";
import { sqliteStore } from "../../src/stores/sqlite.ts";
import type { StateStore } from "../../src/stores/store.ts";

/** Opens the store of `kind` in `place`: a directory, or the URL of a server, `#` and a table. */
export function openStore(kind: string, place: string): StateStore {
  if (kind === "file") return fileStore({ dir: join(place, "file") });
  if (kind === "sqlite") return sqliteStore({ path: join(place, "store.db") });
  const [url = "", table = ""] = place.split("#");
  return postgresStore({ url, table, poolSize: 2 });
}

/** Characters of the text in the state of a key; every fourth key is large. */
function textChars(key: number): number {
  return key % 4 === 3 ? 20_000 : 200;
}

/** The state of a key at a version, so that a reader can tell whether it is whole. */
export function stateAt(key: number, version: number): { n: number; text: string; sum: string } {
  return { n: version, text: "x".repeat(textChars(key)), sum: `${key}:${version}` };
}
