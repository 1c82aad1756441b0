/** What a sampled heap profile says, added up by function. */
import type { HeapProfiler } from "node:inspector";

/** Whose code a function is: the library's, that of its packages and Node, or the bench's own. */
export type Owner = "holdfast" | "packages and Node" | "bench";

/** Bytes a function allocated itself. */
export interface Allocator {
  readonly name: string;
  /** The source file below the checkout, the package, or the module of Node. */
  readonly file: string;
  readonly owner: Owner;
  readonly bytes: number;
}

/** All functions of a profile, those with most bytes first. */
export type Allocated = readonly Allocator[];

/** The file of a function, and whose it is. */
type Origin = Pick<Allocator, "file" | "owner">;

/** What no script called belongs to none. */
const NATIVE: Origin = { file: "native", owner: "packages and Node" };

/**
 * Adds up a profile. Built-in functions, which have no file, count for the file that called them.
 * `folder` is that of the compiled library.
 */
export function addUp(head: HeapProfiler.SamplingHeapProfileNode, folder: string): Allocated {
  const sums = new Map<string, Allocator>();
  const visit = (node: HeapProfiler.SamplingHeapProfileNode, caller: Origin): void => {
    const { functionName, url } = node.callFrame;
    const origin = url === "" ? caller : originOf(url, folder);
    const name = functionName === "" ? "(anonymous)" : functionName;
    const key = `${name} ${origin.file}`;
    const bytes = (sums.get(key)?.bytes ?? 0) + node.selfSize;
    sums.set(key, { name, ...origin, bytes });
    for (const child of node.children) visit(child, origin);
  };
  visit(head, NATIVE);
  const all = [...sums.values()].filter(({ bytes }) => bytes > 0);
  return all.toSorted((a, b) => b.bytes - a.bytes);
}

function originOf(url: string, folder: string): Origin {
  const library = `file://${folder}/dist/`;
  if (url.startsWith(library)) {
    const file = url.slice(library.length).replace(/\.js$/, ".ts");
    return { file, owner: "holdfast" };
  }
  const [, inPackage] = /\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url) ?? [];
  if (inPackage !== undefined) return { file: inPackage, owner: "packages and Node" };
  if (url.startsWith("node:")) return { file: url, owner: "packages and Node" };
  return { file: "bench", owner: "bench" };
}
