/** The package's face: what each entry point is, what it loads, and which names it gives. */
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { readEntryPoints, readManifest, rootUrl } from "./support/entry-points.ts";
import { importsOf } from "./support/source-text.ts";

const errors = [
  "BindingMismatchError",
  "CommitUnknownError",
  "ConcurrentModificationError",
  "CorruptStateError",
  "DeadlockError",
  "ExclusiveLostError",
  "HistoryGoneError",
  "HoldfastError",
  "MailboxFullError",
  "ReentrantMutationError",
  "RunAbandonedError",
  "RunCancelledError",
  "RunLeasedError",
  "RunNotFoundError",
  "RuntimeClosedError",
  "ScopeExistsError",
  "ScopeMutationTimeoutError",
  "ScopeStoppedError",
  "SequencerChangedError",
  "StateSealedError",
  "StateSerializationError",
  "StateTooLargeError",
  "StateTypeError",
  "StateValidationError",
  "StateVersionError",
  "StepTimeoutError",
  "StoreClosedError",
  "StoreContractError",
  "StoreUnavailableError",
  "SuspensionMismatchError",
  "SuspensionTimeoutError",
  "isHoldfastError",
  "scopeLabel",
];

/** Every name an entry point gives at run time. A name is a promise: a new one is listed here on purpose. */
const names: Readonly<Record<string, readonly string[]>> = {
  holdfast: [
    ...errors,
    "FEED_BUFFER_MAX",
    "applyPatches",
    "createRuntime",
    "createScope",
    "defineKind",
    "defineSequencer",
    "fromJsonPatch",
    "memoryStore",
    "mutableCopy",
    "step",
    "toJson",
    "toJsonPatch",
  ],
  "holdfast/actors": [
    ...errors,
    "PatchError",
    "actorOf",
    "applyPatches",
    "createTimerWheel",
    "equal",
    "idleLogic",
    "scopeLogic",
    "sequencerLogic",
    "systemClock",
  ],
  "holdfast/adk": [
    "DatabaseSessionService",
    "Event",
    "EventActions",
    "InMemorySessionService",
    "SessionError",
    "SessionService",
    "State",
    "StatePrefix",
    "StateSchemaError",
    "createEvent",
    "createEventActions",
    "queued",
    "runTurn",
  ],
  "holdfast/builderbot": ["GlobalState", "IdleState", "SingleState", "createBotState"],
  "holdfast/client": ["RequestError", "connect"],
  "holdfast/express-session": ["HoldfastSessionStore"],
  "holdfast/chat-sdk": ["createHoldfastState"],
  "holdfast/file": ["fileStore"],
  "holdfast/flow-state": [
    ...errors,
    "createExecutionContext",
    "createScopeStateOps",
    "createStateContainer",
    "isCommutativeHint",
    "runWithCAS",
    "withScopeLock",
  ],
  "holdfast/ai": ["chatHistory"],
  "holdfast/grammy": ["session", "storageAdapter"],
  "holdfast/http": ["createHandler", "inspector", "toAgUiEvents", "toNodeListener"],
  "holdfast/langgraph": ["HoldfastSaver", "HoldfastStore"],
  "holdfast/keyv": ["KeyvHoldfast"],
  "holdfast/ms-agents": ["ETagConflictError", "HoldfastStorage", "turns"],
  "holdfast/openai-agents": ["HoldfastSession", "OPERATIONS_MAX", "SessionHistoryError"],
  "holdfast/react": ["useScope"],
  "holdfast/redis": ["redisStore"],
  "holdfast/postgres": ["postgresSchema", "postgresStore"],
  "holdfast/sqlite": ["sqliteStore"],
  "holdfast/otel": ["instrument"],
  "holdfast/telegraf": ["session", "sessionStore"],
  "holdfast/testing": [
    "checkLinearizable",
    "describeChatState",
    "describeStore",
    "faultyStore",
    "seededRandom",
    "simulatedClock",
  ],
  "holdfast/turn-state": [
    ...errors,
    "FileStorage",
    "MemoryStorage",
    "RedisStorage",
    "RuntimeStorage",
    "TurnState",
    "aes256GcmCodec",
    "deriveConversationKey",
    "deriveUserKey",
    "hmacKeyCodec",
    "runTurn",
    "useState",
  ],
  "holdfast/unstorage": ["holdfastDriver"],
  "holdfast/vcr": [
    "EXPIRE_OPTION",
    "FieldType",
    "IndexType",
    "Session",
    "SortOrder",
    "State",
    "Unit",
    "VcrStateError",
    "createVcr",
    "vcr",
  ],
};

/** What importing any entry point may load besides our own files and Node's. */
const kernelPackages = ["fast-deep-equal", "immer", "xstate"];

/** What single entry points may load besides that; drivers are loaded when a store is made, not here. */
const furtherPackages: Readonly<Record<string, readonly string[]>> = {
  "holdfast/otel": ["@opentelemetry/api"],
  "holdfast/react": ["react"],
  "holdfast/vcr": ["minisearch/SearchableMap", "snowball-stemmers"],
};

const entryPoints = readEntryPoints();

describe.each(entryPoints)("$specifier", ({ specifier, output, source }) => {
  it("is built from a source file", () => {
    expect(output).toMatch(/^\.\/dist\/(?:actors|src)\/.+\.js$/);
    expect(existsSync(new URL(source, rootUrl)), source).toBe(true);
  });

  it("gives exactly the listed names", async () => {
    const entry: object = await import(specifier);
    const given = Object.keys(entry).toSorted();
    const listed = names[specifier] ?? [];
    expect({
      missing: listed.filter((name) => !given.includes(name)),
      extra: given.filter((name) => !listed.includes(name)),
    }).toEqual({ missing: [], extra: [] });
  });

  it("has no default export", async () => {
    expect(Object.keys(await import(specifier))).not.toContain("default");
  });

  it("loads no package it does not need", () => {
    const allowed = new Set([...kernelPackages, ...(furtherPackages[specifier] ?? [])]);
    const packages = modulesLoadedBy(source).filter((name) => !name.startsWith("node:"));
    expect(packages.filter((name) => !allowed.has(name))).toEqual([]);
  });
});

describe("import of holdfast", () => {
  // Those that are in each process, or small. `node:crypto`, and `node:fs` with its streams, are not.
  it("loads these modules of Node, and a new one is listed on purpose", () => {
    const builtin = modulesLoadedBy("src/index.ts").filter((name) => name.startsWith("node:"));
    expect(builtin).toEqual([
      "node:async_hooks",
      "node:diagnostics_channel",
      "node:os",
      "node:perf_hooks",
      "node:timers",
      "node:util",
    ]);
  });
});

describe("the manifest", () => {
  const manifest = readManifest();

  it("lets tools read it", () => {
    expect(manifest.exports["./package.json"]).toBe("./package.json");
  });

  it("has only entry points that are code, and itself", () => {
    expect(entryPoints).toHaveLength(Object.keys(manifest.exports).length - 1);
  });

  it("has a list of names for each entry point and none besides", () => {
    const specifiers = entryPoints.map(({ specifier }) => specifier);
    expect(Object.keys(names).toSorted()).toEqual(specifiers.toSorted());
  });
});

/** The packages, and the modules of Node, in the static import graph below a file. */
function modulesLoadedBy(entry: string): string[] {
  const modules = new Set<string>();
  const seen = new Set<string>();
  const pending = [entry];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    for (const edge of importsOf({ path, text: readFileSync(new URL(path, rootUrl), "utf8") })) {
      if (edge.typeOnly || edge.dynamic) continue;
      if (edge.target !== undefined) pending.push(edge.target);
      else modules.add(edge.specifier);
    }
  }
  return [...modules].toSorted();
}
