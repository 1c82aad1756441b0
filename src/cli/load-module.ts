/** Loads the module of a program that declares kinds and sequencers. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { isPlainObject } from "../../actors/state/copy.ts";
import type { Kinds } from "../runtime/kinds.ts";
import { type Task, UsageError, wrong } from "./options.ts";

/** What a module declares. */
export interface Declared {
  readonly kinds: Kinds;
  /** The values that it exports, by name. */
  readonly exports: Readonly<Record<string, unknown>>;
}

/**
 * Loads the module of `--module`. Its kinds are its export `kinds`, else `default`. Throws
 * `UsageError` when none was named or the file is missing.
 */
export async function loadModule({ module: path, verb }: Task): Promise<Declared> {
  if (path === undefined) throw wrong(`${verb} needs --module FILE`, verb);
  const file = resolve(path);
  if (!existsSync(file)) throw new UsageError(`there is no module at ${path}`);
  const exports: Readonly<Record<string, unknown>> = await import(pathToFileURL(file).href);
  const kinds = exports["kinds"] ?? exports["default"] ?? {};
  if (!isPlainObject(kinds))
    throw new UsageError(`${path} exports \`kinds\`, but not as createRuntime takes them`);
  return { kinds: kinds as Kinds, exports }; // Each is checked when it is resolved.
}

/** The kinds of a module, without stores of their own: a command names its store. */
export function kindsOn(kinds: Kinds): Kinds {
  return Object.fromEntries(
    Object.entries(kinds).map(([type, kind]) => [
      type,
      isPlainObject(kind) ? { ...kind, store: undefined } : kind,
    ]),
  );
}
