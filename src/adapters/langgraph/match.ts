/** Which items and namespaces a search of a store asks for. */
import { isDeepStrictEqual } from "node:util";
import type { MatchCondition } from "@langchain/langgraph-checkpoint";

type Compare = (value: unknown, wanted: unknown) => boolean;

const OPERATORS: Readonly<Record<string, Compare>> = {
  $eq: isDeepStrictEqual,
  $ne: (value, wanted) => !isDeepStrictEqual(value, wanted),
  $gt: (value, wanted) => Number(value) > Number(wanted),
  $gte: (value, wanted) => Number(value) >= Number(wanted),
  $lt: (value, wanted) => Number(value) < Number(wanted),
  $lte: (value, wanted) => Number(value) <= Number(wanted),
  $in: (value, wanted) => listOf("$in", wanted).includes(value),
  $nin: (value, wanted) => !listOf("$nin", wanted).includes(value),
};

/**
 * True when each field of `filter` equals that of `value`, or fits its operators. Throws
 * `TypeError` for an unknown operator.
 */
export function fits(value: object, filter: Readonly<Record<string, unknown>>): boolean {
  return Object.entries(filter).every(([field, wanted]) => {
    const found: unknown = Object.hasOwn(value, field) ? Reflect.get(value, field) : undefined;
    const names = Object.keys(Object(wanted));
    if (!names.some((name) => name.startsWith("$"))) return isDeepStrictEqual(found, wanted);
    return names.every((name) => operator(name)(found, Reflect.get(Object(wanted), name)));
  });
}

function operator(name: string): Compare {
  const found = Object.hasOwn(OPERATORS, name) ? OPERATORS[name] : undefined;
  if (found !== undefined) return found;
  const known = Object.keys(OPERATORS).join(", ");
  throw new TypeError(`a filter has no operator ${JSON.stringify(name)}; it has ${known}`);
}

function listOf(name: string, wanted: unknown): readonly unknown[] {
  if (Array.isArray(wanted)) return wanted;
  throw new TypeError(`${name} of a filter needs a list`);
}

/** True when a namespace begins, or ends, as the condition says; `*` is any label. */
export function isMatch(
  namespace: readonly string[],
  { matchType, path }: MatchCondition,
): boolean {
  const start = matchType === "suffix" ? namespace.length - path.length : 0;
  return (
    path.length <= namespace.length &&
    path.every((label, at) => label === "*" || label === namespace[start + at])
  );
}

/** The labels before the first `*` with which each match begins. */
export function commonLabels(conditions: readonly MatchCondition[]): string[] {
  const { path = [] } = conditions.find(({ matchType }) => matchType === "prefix") ?? {};
  const end = path.indexOf("*");
  return end === -1 ? path : path.slice(0, end);
}
