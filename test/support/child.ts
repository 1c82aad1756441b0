/** Child processes that run the library's sources. */
import { spawn, type ChildProcess } from "node:child_process";
import { programOf } from "./programs.ts";

/** A running child and what it has printed. */
export interface Child {
  readonly process: ChildProcess;
  readonly output: () => string;
  /** Tells a child that waits for it to begin. */
  readonly begin: () => void;
  /** Resolves at its first line. */
  readonly started: Promise<void>;
  /** Resolves when it is gone and all it printed was read. */
  readonly closed: Promise<number | null>;
}

/** Starts `test/faults/<script>` with `args`. */
export function startChild(script: string, args: readonly string[]): Child {
  const child = spawn(process.execPath, [programOf(`test/faults/${script}`), ...args], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.setEncoding("utf8");
  const started = new Promise<void>((resolve) => {
    child.stdout.on("data", (chunk: string) => {
      text += chunk;
      resolve();
    });
    child.once("close", () => resolve());
  });
  const closed = new Promise<number | null>((resolve) => {
    child.once("close", resolve);
  });
  // A child that is gone already shows in `closed`.
  child.stdin.on("error", () => undefined);
  const begin = (): void => {
    child.stdin.write("begin\n");
  };
  return { process: child, output: () => text, begin, started, closed };
}
