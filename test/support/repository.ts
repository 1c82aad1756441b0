/** The files of this repository, as the tidy rules want them. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { rootUrl } from "./entry-points.ts";
import type { SourceFile } from "./source-text.ts";

/** Every file under the given files and folders whose name ends with one of `endings`. */
export function readFiles(places: readonly string[], endings: readonly string[]): SourceFile[] {
  return places
    .flatMap((place) => pathsUnder(place))
    .filter((path) => endings.some((ending) => path.endsWith(ending)))
    .toSorted()
    .map((path) => ({ path, text: readFileSync(new URL(path, rootUrl), "utf8") }));
}

function pathsUnder(place: string): string[] {
  const stats = statSync(new URL(place, rootUrl), { throwIfNoEntry: false });
  if (stats === undefined) return [];
  if (stats.isFile()) return [place];
  return readdirSync(new URL(`${place}/`, rootUrl))
    .filter((name) => name !== "node_modules")
    .flatMap((name) => pathsUnder(`${place}/${name}`));
}
