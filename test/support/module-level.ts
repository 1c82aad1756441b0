/** Which calls a module makes while it is loaded: those outside every function. */
import { parseAst } from "vitest/node";

/** A node of a syntax tree; what is not looked at here is unknown. */
type Node = Readonly<Record<string, unknown>> & { readonly type: string };

const FUNCTIONS: ReadonlySet<unknown> = new Set([
  "FunctionDeclaration",
  "FunctionExpression",
  "ArrowFunctionExpression",
]);

/** The names of the functions and methods that `code`, a TypeScript module, calls when it is loaded. */
export function callsWhenLoaded(code: string): string[] {
  return [...callsIn(parseAst(code, { lang: "ts" }))];
}

function* callsIn(value: unknown): Generator<string> {
  if (Array.isArray(value)) for (const each of value) yield* callsIn(each);
  if (!isNode(value) || isLater(value)) return;
  if (value.type === "CallExpression") yield* callOf(bare(value["callee"]));
  for (const child of Object.values(value)) yield* callsIn(child);
}

/** The call itself, and those of a function that is called where it stands. */
function* callOf(callee: Node | undefined): Generator<string> {
  const name = nameOf(callee);
  if (name !== undefined) yield name;
  if (FUNCTIONS.has(callee?.type)) yield* callsIn(callee?.["body"]);
}

/** True for a function, and for a field of a class, which is worked out with each instance. */
function isLater(node: Node): boolean {
  const isField = node.type === "PropertyDefinition" && node["static"] !== true;
  return isField || FUNCTIONS.has(node.type);
}

/** What stands in parentheses. */
function bare(value: unknown): Node | undefined {
  if (!isNode(value)) return undefined;
  return value.type === "ParenthesizedExpression" ? bare(value["expression"]) : value;
}

/** `create` for `create()`, `vcr.create()` and `vcr?.["create"]()`. */
function nameOf(callee: Node | undefined): string | undefined {
  const named = callee?.type === "MemberExpression" ? bare(callee["property"]) : callee;
  const name = named?.["name"] ?? named?.["value"];
  return typeof name === "string" ? name : undefined;
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && typeof Object(value).type === "string";
}
