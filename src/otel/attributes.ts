/** What spans and measurements say of an operation: names and codes, never values. */
import type { Attributes } from "@opentelemetry/api";
import type { OperationTrace } from "../../actors/operation-trace.ts";

/** The names of the conventions for databases, of the stores that are one. */
const SYSTEMS: ReadonlyMap<string | undefined, string> = new Map([
  ["sqlite", "sqlite"],
  ["redis", "redis"],
  ["postgres", "postgresql"],
]);

/** The kind of the scope and its store, where it has one. */
export function placeOf({ scope, store }: OperationTrace): Attributes {
  return { "holdfast.kind": scope.type, ...(store !== undefined && { "holdfast.store": store }) };
}

/** The database behind a save, where the store is one that the conventions name. */
export function databaseOf({ store }: OperationTrace): Attributes {
  const system = SYSTEMS.get(store);
  return system === undefined ? {} : { "db.system.name": system };
}

/** "ok" or "error" as `holdfast.outcome`, the code of an error as `error.type`. */
export function outcomeOf({ code = "ok" }: OperationTrace): Attributes {
  if (code === "ok") return { "holdfast.outcome": "ok" };
  return { "holdfast.outcome": "error", "error.type": code };
}
