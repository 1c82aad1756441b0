/** What the profiles of V8 are read as: calls by file, and bytes by function and owner. */
import type { HeapProfiler } from "node:inspector";
import { fileURLToPath } from "node:url";
import { runInThisContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { takeCalls } from "../../bench/inspect/coverage.ts";
import { addUp } from "../../bench/inspect/profile.ts";

type Node = HeapProfiler.SamplingHeapProfileNode;

function node(functionName: string, url: string, selfSize: number, ...children: Node[]): Node {
  const callFrame = { functionName, url, scriptId: "0", lineNumber: 0, columnNumber: 0 };
  return { callFrame, selfSize, children };
}

const ours = "file:///built/dist/src/a.js";

describe("a heap profile", () => {
  it("is added up by function, those with most bytes first, without those with none", () => {
    const head = node(
      "(root)",
      "",
      0,
      node("f", ours, 10, node("g", ours, 30)),
      node("f", ours, 5),
    );
    expect(addUp(head, "/built")).toEqual([
      { name: "g", file: "src/a.ts", owner: "holdfast", bytes: 30 },
      { name: "f", file: "src/a.ts", owner: "holdfast", bytes: 15 },
    ]);
  });

  it("counts a built-in function for the file that called it", () => {
    const head = node(
      "(root)",
      "",
      0,
      node("f", ours, 0, node("keys", "", 8)),
      node("keys", "", 4),
    );
    expect(addUp(head, "/built")).toEqual([
      { name: "keys", file: "src/a.ts", owner: "holdfast", bytes: 8 },
      { name: "keys", file: "native", owner: "packages and Node", bytes: 4 },
    ]);
  });

  it.each([
    ["file:///else/node_modules/libsql/index.js", "libsql", "packages and Node"],
    ["file:///else/node_modules/@a/b/lib/c.js", "@a/b", "packages and Node"],
    ["node:internal/timers", "node:internal/timers", "packages and Node"],
    ["file:///else/bench/x.ts", "bench", "bench"],
  ])("knows whose %s is", (url, file, owner) => {
    const found = addUp(node("(root)", "", 0, node("", url, 1)), "/built");
    expect(found).toEqual([{ name: "(anonymous)", file, owner, bytes: 1 }]);
  });
});

describe("counted calls", () => {
  it("are those since the last look, an async function once however often it awaits", async () => {
    const here = fileURLToPath(new URL(".", import.meta.url)).replace(/\/$/, "");
    const code = "(async () => { await null; await null; })";
    // The code is such a function.
    const waiting = runInThisContext(code, `file://${here}/counted.js`) as () => Promise<void>;
    await waiting();
    takeCalls(here);
    await waiting();
    await waiting();
    expect(takeCalls(here)["counted.js"]).toBe(2);
    expect(takeCalls(here)["counted.js"]).toBeUndefined();
  });
});
