/** The layers of the house, lowest first, and the rules an import must keep. */
import { importsOf, type ImportEdge, type SourceFile } from "./source-text.ts";

/** One layer. Layers of equal rank stand side by side and do not import each other. */
interface Layer {
  readonly name: string;
  readonly rank: number;
  /** A path belongs here when it equals a prefix, extends it by `.ts`, or lies under it. */
  readonly prefixes: readonly string[];
}

/** The first layer that fits is the layer of a file, so special files stand before their folder. */
const layers: readonly Layer[] = [
  {
    name: "words",
    rank: 0,
    prefixes: [
      "actors/protocol",
      "actors/operation-trace",
      "actors/state-types",
      "actors/errors",
      "actors/holdfast-error",
      "actors/run-errors",
      "actors/store-errors",
      "actors/realm",
      "actors/timing",
    ],
  },
  // A timer of the wheel runs outside the run that armed it, so it stands on the scope's room.
  { name: "scope", rank: 2, prefixes: ["actors/time/timer-wheel"] },
  { name: "state", rank: 1, prefixes: ["actors/state"] },
  { name: "time", rank: 1, prefixes: ["actors/time"] },
  { name: "scope", rank: 2, prefixes: ["actors/scope", "actors/xstate"] },
  { name: "patches", rank: 3, prefixes: ["src/patches"] },
  { name: "stores", rank: 3, prefixes: ["src/stores"] },
  { name: "persistence", rank: 5, prefixes: ["src/runtime/persistence"] },
  { name: "session", rank: 6, prefixes: ["src/runtime/session", "src/runtime/kind-types"] },
  {
    name: "resident scopes",
    rank: 7,
    prefixes: [
      "src/runtime/registry",
      "src/runtime/resident-scope",
      "src/runtime/handle",
      "src/runtime/catch-up",
      "src/runtime/expiry",
    ],
  },
  { name: "timers", rank: 7.5, prefixes: ["src/runtime/timers"] },
  { name: "replication", rank: 7, prefixes: ["src/runtime/replication"] },
  { name: "transaction", rank: 8, prefixes: ["src/runtime/transaction"] },
  {
    name: "scope host",
    rank: 8,
    prefixes: [
      "src/runtime/scope-host",
      "src/runtime/removal",
      "src/runtime/read-many",
      "src/runtime/all-changes",
    ],
  },
  { name: "sequencer", rank: 9, prefixes: ["src/runtime/sequencer"] },
  { name: "runtime", rank: 10, prefixes: ["src/runtime/runtime"] },
  { name: "kinds", rank: 4, prefixes: ["src/runtime"] },
  { name: "dialects", rank: 11, prefixes: ["src/dialects"] },
  { name: "opentelemetry", rank: 11, prefixes: ["src/otel"] },
  { name: "adapters", rank: 11, prefixes: ["src/adapters"] },
  { name: "client", rank: 11, prefixes: ["src/client"] },
  { name: "react", rank: 12, prefixes: ["src/react"] },
  { name: "http", rank: 12, prefixes: ["src/http"] },
  { name: "command line", rank: 12.5, prefixes: ["src/cli"] },
  { name: "inspector page", rank: 13, prefixes: ["src/inspector"] },
  { name: "edges", rank: 12, prefixes: ["src/testing"] },
  { name: "engine", rank: 14, prefixes: ["src/engine"] },
];

/** Prefixes of the table that no file of ours has. */
export function emptyLayers(files: readonly SourceFile[]): string[] {
  return layers
    .flatMap(({ prefixes }) => prefixes)
    .filter((prefix) => !files.some(({ path }) => fits(path, prefix)));
}

/** Where a package may be imported; a package that is not listed may be imported anywhere. */
const packageHomes: ReadonlyMap<string, readonly string[]> = new Map([
  ["xstate", ["actors/", "src/runtime/"]],
  ["immer", ["actors/"]],
  ["fast-deep-equal", ["actors/"]],
  ["preact", ["src/inspector/"]],
  ["htm", ["src/inspector/"]],
  ["ioredis", ["src/stores/redis/"]],
  ["pg", ["src/stores/postgres/"]],
  ["libsql", ["src/stores/sqlite/"]],
  ["react", ["src/react/"]],
  ["@langchain/langgraph-checkpoint", ["src/adapters/langgraph/"]],
]);

/** What adapters may import besides each other: they stand on the public API. */
const adapterImports: ReadonlySet<string> = new Set([
  // `holdfast` exports what they take of these.
  "actors/errors.ts",
  "actors/protocol.ts",
  "actors/state-types.ts",
  "actors/state/mutable-copy.ts",
  "src/runtime/kinds.ts",
  "src/runtime/runtime.ts",
  "src/runtime/scope.ts",
  // These check arguments and copy values, and know no scope.
  "actors/realm.ts",
  "actors/scope/options.ts",
  "actors/scope/recipe.ts",
  "actors/state/copy.ts",
  "actors/time/clock.ts",
  "src/stores/shared/optional-peer.ts",
]);

/** The layer of a shipped file, or undefined when the table does not know its folder. */
function layerOf(path: string): Layer | undefined {
  const known = layers.find(({ prefixes }) => prefixes.some((prefix) => fits(path, prefix)));
  if (known !== undefined) return known;
  return /^src\/[^/]+\.ts$/.test(path)
    ? { name: "entry points", rank: 13, prefixes: [] }
    : undefined;
}

/**
 * Imports go to the same layer or down. The engine stands outside as a user does: it imports the `entryPoints`,
 * the source files behind the package's exports, and nothing else.
 */
export function layerViolations(
  files: readonly SourceFile[],
  entryPoints: readonly string[] = [],
): string[] {
  return files.flatMap((file) => {
    if (layerOf(file.path) === undefined) return [`${file.path}: in no layer of layers.ts`];
    return importsOf(file).flatMap((edge) => {
      const reason = refusal(file.path, edge, entryPoints);
      return reason === undefined ? [] : [`${file.path}:${edge.line}: ${reason}`];
    });
  });
}

/** Groups of files that import each other, each written as a walk that ends where it began. */
export function cycles(files: readonly SourceFile[]): string[] {
  const graph = graphOf(files);
  const finished = new Set<string>();
  const found: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    const seenAt = trail.indexOf(path);
    if (seenAt >= 0) found.push([...trail.slice(seenAt), path].join(" → "));
    if (seenAt >= 0 || finished.has(path)) return;
    for (const next of graph.get(path) ?? []) visit(next, [...trail, path]);
    finished.add(path);
  };
  for (const path of graph.keys()) visit(path, []);
  return found;
}

/** Files no entry leads to. */
export function unreachable(files: readonly SourceFile[], entries: readonly string[]): string[] {
  const graph = graphOf(files);
  const reached = new Set<string>();
  const pending = [...entries];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    if (reached.has(path)) continue;
    reached.add(path);
    pending.push(...(graph.get(path) ?? []));
  }
  return [...graph.keys()].filter((path) => !reached.has(path));
}

function refusal(
  path: string,
  edge: ImportEdge,
  entryPoints: readonly string[],
): string | undefined {
  if (edge.target === undefined) return packageRefusal(path, packageOf(edge.specifier));
  if (path.startsWith("actors/") && !edge.target.startsWith("actors/")) {
    return `the kernel imports nothing of ours, but takes ${edge.target}`;
  }
  const from = layerOf(path);
  const to = layerOf(edge.target);
  if (from === undefined || to === undefined) return `${edge.target} is in no layer of layers.ts`;
  if (to.name === from.name) return undefined;
  if (from.name === "engine" || from.name === "adapters")
    return apiRefusal(from.name, { ...to, path: edge.target }, entryPoints);
  if (to.rank < from.rank) return undefined;
  const way = to.rank > from.rank ? "up" : "sideways";
  return `${from.name} imports ${way}, from ${to.name}: ${edge.target}`;
}

/** The engine and the adapters stand on what users may import. */
function apiRefusal(
  from: "engine" | "adapters",
  to: Layer & { readonly path: string },
  entryPoints: readonly string[],
): string | undefined {
  if (from === "adapters")
    return adapterImports.has(to.path)
      ? undefined
      : `adapters import the public API only, but this takes ${to.path}`;
  const isEntryPoint = to.name === "entry points" || entryPoints.includes(to.path);
  return isEntryPoint ? undefined : `the engine imports entry points only, but takes ${to.path}`;
}

function packageRefusal(path: string, name: string): string | undefined {
  const homes = packageHomes.get(name);
  const atHome = homes?.some((home) => path.startsWith(home)) ?? true;
  return atHome ? undefined : `${name} is imported only under ${homes?.join(" and ")}`;
}

function graphOf(files: readonly SourceFile[]): ReadonlyMap<string, readonly string[]> {
  const known = new Set(files.map(({ path }) => path));
  return new Map(
    files.map((file) => [
      file.path,
      importsOf(file).flatMap(({ target }) =>
        target !== undefined && known.has(target) ? [target] : [],
      ),
    ]),
  );
}

function fits(path: string, prefix: string): boolean {
  return path === `${prefix}.ts` || path.startsWith(`${prefix}/`);
}

function packageOf(specifier: string): string {
  const parts = specifier.split("/");
  return parts.slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
}
