/** Applies a JSON Patch as RFC 6902 says, on a mutable copy; written from the text of the RFC alone. */
type Node = Record<string, unknown>;

interface Step {
  readonly op: string;
  readonly path: string;
  readonly from?: string;
  readonly value?: unknown;
}

/** The document after the operations; throws when one does not apply. A `replace` needs a value. */
export function applyRfc6902(document: unknown, steps: readonly Step[]): unknown {
  const root: Node = { "": structuredClone(document) };
  for (const step of steps) {
    if (step.op === "remove") take(root, step.path);
    else if (step.op === "add") put(root, step.path, structuredClone(step.value));
    else if (step.op === "replace") {
      const [node, key] = locate(root, step.path);
      if (!Object.hasOwn(node, key)) throw new Error(`nothing at ${step.path}`);
      define(node, key, structuredClone(step.value));
    } else throw new Error(`${step.op} is not made by toJsonPatch`);
  }
  return root[""];
}

function locate(root: Node, pointer: string): [Node, string] {
  const keys = ["", ...pointer.split("/").slice(1)].map((key) =>
    key.replaceAll("~1", "/").replaceAll("~0", "~"),
  );
  let node: Node = root;
  for (const key of keys.slice(0, -1)) {
    if (!Object.hasOwn(node, key)) throw new Error(`nothing at ${pointer}`);
    node = Object.getOwnPropertyDescriptor(node, key)?.value as Node; // A container, or the next throws.
  }
  return [node, keys.at(-1) ?? ""];
}

function define(node: Node, key: string, value: unknown): void {
  Object.defineProperty(node, key, {
    value,
    configurable: true,
    enumerable: true,
    writable: true,
  });
}

function put(root: Node, pointer: string, value: unknown): void {
  const [node, key] = locate(root, pointer);
  if (!Array.isArray(node)) return define(node, key, value);
  const index = key === "-" ? node.length : Number(key);
  if (!(index >= 0 && index <= node.length)) throw new Error(`no index ${pointer}`);
  node.splice(index, 0, value);
}

function take(root: Node, pointer: string): void {
  const [node, key] = locate(root, pointer);
  if (!Object.hasOwn(node, key)) throw new Error(`nothing at ${pointer}`);
  if (Array.isArray(node)) node.splice(Number(key), 1);
  else Reflect.deleteProperty(node, key);
}
