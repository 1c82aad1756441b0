/** The types of the published package, in the strictest project, with old and new compilers. */
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readEntryPoints } from "../support/entry-points.ts";
import { install, peers, type Project } from "./packed.ts";
import { hasTools, toolsDir } from "./tools.ts";

const run = promisify(execFile);

/** A program whose lines must compile, or must not where they say so. */
const PROGRAM = `
import { createRuntime, defineKind, isHoldfastError, mutableCopy, type Runtime } from "holdfast";
import { sqliteStore } from "holdfast/sqlite";
import { createVcr } from "holdfast/vcr";

interface Message { id: string; at?: Date; data?: Uint8Array | URL; replies: Message[] }
const runtime = createRuntime({
  store: sqliteStore({ path: "shop.db" }),
  kinds: {
    cart: defineKind({ initial: { items: [] as string[] } }),
    session: defineKind<{ topic: string; messages: Message[] }>(),
  },
});
const cart = await runtime.open("cart", "ann");
await cart.pushState("items", "tea");
await cart.setState({ ...cart.state });
// @ts-expect-error
await cart.pushState("itmes", "tea");
// @ts-expect-error
await runtime.open("crat", "ann");
// @ts-expect-error
await runtime.open<{ items: number[] }>("cart", "ann");
// @ts-expect-error
cart.state.items.push("tea");
await runtime.execute({ userId: "ann" }, async ({ session, user }) => {
  await session.update((draft) => void draft.messages.push({ id: "m", replies: [] }));
  const messages: Message[] = mutableCopy(session.state.messages);
  await user.patchState({ name: "Ann", count: messages.length });
});
const bare: Runtime = runtime;
createVcr({ runtime: bare });
createVcr({ runtime });
function first(some: Runtime<{ user: typeof named }>): Runtime { return some; }
const named = defineKind<Message>();
first(createRuntime({ kinds: { user: named } }));
// @ts-expect-error
first(runtime);
cart.actor.subscribe(({ context }) => console.log(context.version));
try {
  await cart.delete();
} catch (error) {
  if (isHoldfastError(error, "CONCURRENT_MODIFICATION")) console.log(error.attempts.toFixed());
}
`;

const OPTIONS = {
  module: "NodeNext",
  target: "ES2022",
  lib: ["ES2023", "ESNext.Disposable"],
  types: ["node"],
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noEmit: true,
} as const;

/** These compilers, and the one that builds the package. */
const compilers: Readonly<Record<string, string>> = {
  "5.4": join(toolsDir, "node_modules", "typescript-5.4", "lib", "tsc.js"),
  "5.9": join(toolsDir, "node_modules", "typescript-5.9", "lib", "tsc.js"),
  "7": join(import.meta.dirname, "..", "..", "node_modules", "typescript", "lib", "tsc.js"),
};

describe.skipIf(!hasTools())("the types of the package", () => {
  let project: Project;

  beforeAll(async () => {
    project = await install([...peers, "@types/express-session", "@types/node", "@types/pg"]);
    writeFileSync(join(project.dir, "program.mts"), PROGRAM);
    const all = readEntryPoints().map(({ specifier }) => specifier);
    const strict = all.filter((specifier) => !laxPeers.has(specifier));
    writeFileSync(join(project.dir, "strict.mts"), imports(strict));
    writeFileSync(join(project.dir, "lax.mts"), imports([...laxPeers]));
    const config = (name: string, skipLibCheck: boolean, files: readonly string[]): void => {
      const compilerOptions = { ...OPTIONS, skipLibCheck };
      writeFileSync(join(project.dir, name), JSON.stringify({ compilerOptions, files }));
    };
    config("strict.json", false, ["strict.mts", "program.mts"]);
    config("lax.json", true, ["lax.mts"]);
  }, 120_000);

  afterAll(() => {
    project.remove();
  });

  it.each(Object.entries(compilers))(
    "compile with TypeScript %s",
    async (_name, compiler) => {
      for (const config of ["strict.json", "lax.json"]) {
        const args = [compiler, "-p", config, "--pretty", "false"];
        const found = await run(process.execPath, args, { cwd: project.dir }).then(
          () => "",
          (failure: { readonly stdout: string }) => failure.stdout,
        );
        expect(ownErrors(found)).toEqual([]);
      }
    },
    120_000,
  );
});

/** The errors of a compiler in the project and in this package, not those in other packages' types. */
function ownErrors(output: string): string[] {
  const isOwn = (line: string): boolean => !/^\S*node_modules\/(?!holdfast\/)/.test(line);
  return output.split("\n").filter((line) => line.includes("error TS") && isOwn(line));
}

/** Behind each is a package whose own types do not pass without `skipLibCheck`. */
const laxPeers: ReadonlySet<string> = new Set([
  "holdfast/actors",
  "holdfast/ai",
  "holdfast/express-session",
  "holdfast/grammy",
  "holdfast/langgraph",
  "holdfast/openai-agents",
  "holdfast/unstorage",
]);

/** A module that loads the types of some entry points. */
function imports(specifiers: readonly string[]): string {
  return specifiers
    .map(
      (each, index) =>
        `import type * as all${index} from "${each}";\nexport type { all${index} };\n`,
    )
    .join("");
}
