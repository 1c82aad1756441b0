/**
 * Which test files run in a process of their own. The others share a few processes, so that the library and its
 * peers are loaded in each of these and not for every file; left-behind.ts sees that files leave nothing changed.
 */
import { readFiles } from "./repository.ts";
import { importsOf, type SourceFile } from "./source-text.ts";

/** What belongs to a process: a file that changes or measures it, or imports one that does, stays apart. */
const MARKS: readonly RegExp[] = [
  // Time and the environment.
  /\b(?:useFakeTimers|setSystemTime|stubEnv|stubGlobal|resetModules)\b/,
  /\bprocess\.env\b[^;\n]*[^=!]=[^=]|\bdelete process\.env\b/,
  // Listeners, folders and rights of the process.
  /\bprocess\.(?:on|once|off|emit|emitWarning|removeListener|chdir|umask|exitCode)\b/,
  // It listens to signals and rejections of the process from its first use.
  /\bfrom "@openai\/agents-core"/,
  // Memory and what is collected.
  /\bprocess\.memoryUsage\b|\bWeakRef\b|\bFinalizationRegistry\b|\bsetFlagsFromString\b/,
  // Tracing channels, and what is carried through all asynchronous code.
  /"node:(?:async_hooks|diagnostics_channel)"|\bsetGlobal\w+\b/,
  // What others than the file import.
  /\bsyncBuiltinESMExports\b|\bglobalThis(?:\.\w+|\[[^\]]*\]) = /,
];

/** Paths from the root, such as `test/src/runtime/fake-timers.test.ts`, in order. */
export function filesWithOwnProcess(
  files: readonly SourceFile[] = readFiles(["test"], [".ts"]),
): string[] {
  const apart = new Set(files.filter(isMarked).map(({ path }) => path));
  const imports = files.map((file) => ({ path: file.path, targets: loadedBy(file) }));
  for (let size = 0; size < apart.size;) {
    size = apart.size;
    for (const { path, targets } of imports)
      if (targets.some((target) => apart.has(target))) apart.add(path);
  }
  return [...apart].filter((path) => path.endsWith(".test.ts")).toSorted();
}

function isMarked({ text }: SourceFile): boolean {
  return MARKS.some((mark) => mark.test(text));
}

function loadedBy(file: SourceFile): string[] {
  return importsOf(file).flatMap(({ target, typeOnly }) =>
    target === undefined || typeOnly ? [] : [target],
  );
}
