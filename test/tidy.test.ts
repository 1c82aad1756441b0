/** The rules of the house that no tool checks, each with a planted violation it must catch. */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { readEntryPoints, rootUrl } from "./support/entry-points.ts";
import { cycles, emptyLayers, layerViolations, unreachable } from "./support/layers.ts";
import { lockViolations } from "./support/lock-rules.ts";
import { examplesOf } from "./support/doc-blocks.ts";
import { filesWithOwnProcess } from "./support/own-process.ts";
import { readFiles } from "./support/repository.ts";
import { importsOf, maskLiterals, type SourceFile } from "./support/source-text.ts";
import {
  anyTypes,
  compilerSilencers,
  focusedTests,
  handWrappers,
  leftovers,
  linterSilencers,
  machinePaths,
  nonNullAssertions,
  outWords,
  realmBound,
  statesAsResult,
  tooLong,
  tooWide,
  typesByHand,
} from "./support/tidy-rules.ts";

const shipped = readFiles(["actors", "src"], [".ts"]);
/** Declarations of other packages' types are imported by nobody: the compiler finds them itself. */
const modules = shipped.filter(({ path }) => !path.endsWith(".d.ts"));
/** What users run in realms of theirs; the engine is a program of its own. */
const atUsers = shipped.filter(({ path }) => !path.startsWith("src/engine/"));
const tests = readFiles(["test"], [".ts"]);
const bench = readFiles(["bench"], [".ts"]);
const examples = readFiles(["examples"], [".ts"]);
const everything = [
  ...shipped,
  ...tests,
  ...readFiles(
    ["bench", "docs", "examples", ".ci", "README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"],
    [".ts", ".md", "/run"],
  ),
  ...readFiles(
    ["CHANGELOG.md", "package.json", "tsconfig.json", ".oxlintrc.json", "vitest.config.ts"],
    [""],
  ),
];
const entryPoints = readEntryPoints().map(({ source }) => source);
const entries = [...entryPoints, "src/cli/main.ts", "src/engine/main.ts", "src/inspector/main.ts"];

/** A made-up file. */
function file(path: string, ...lines: readonly string[]): SourceFile {
  return { path, text: `${lines.join("\n")}\n` };
}

/** What the layer rules say of one import. */
function violationOf(path: string, target: string): string[] {
  const text = `import { a } from "${target}";`;
  return layerViolations([file(path, text)], ["src/dialects/vcr/index.ts"]);
}

describe("the sources", () => {
  it("are there", () => {
    expect(shipped.map(({ path }) => path)).toContain("actors/protocol.ts");
    expect(tests.map(({ path }) => path)).toContain("test/tidy.test.ts");
  });

  it.each([
    ["import from the same layer or down", () => layerViolations(shipped, entryPoints)],
    ["import nothing in a circle", () => cycles(shipped)],
    ["and those of the bench import nothing in a circle", () => cycles(bench)],
    ["are all reachable from an entry point or a program", () => unreachable(modules, entries)],
    ["have at most 300 lines", () => tooLong([...shipped, ...examples])],
    ["have at most 100 columns", () => tooWide([...shipped, ...examples])],
    ["have no any", () => anyTypes([...shipped, ...examples])],
    ["have no non-null assertion", () => nonNullAssertions([...shipped, ...examples])],
    ["wrap mutations by one base", () => handWrappers(shipped)],
    ["ask for no built-in of one realm", () => realmBound(atUsers)],
    ["do not silence the compiler", () => compilerSilencers([...shipped, ...examples])],
    ["do not silence the linter", () => linterSilencers([...shipped, ...examples])],
    ["leave nothing for later", () => leftovers([...shipped, ...examples])],
  ])("%s", (_rule, check) => {
    expect(check()).toEqual([]);
  });

  it("of the examples have no cast and no type argument beside defineKind", () => {
    expect(typesByHand(examples)).toEqual([]);
  });

  it("and tests focus on no single test", () => {
    expect(focusedTests(tests)).toEqual([]);
  });

  it("and pages are in plain technical English", () => {
    const pages = readFiles(
      ["bench", "docs", "examples", "README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"],
      [".ts", ".md"],
    );
    expect(outWords([...shipped, ...pages])).toEqual([]);
  });

  it("and samples give no state that may have other changes as the result of a call", () => {
    const samples = readFiles(["docs", "README.md"], [".md"]).flatMap((page) =>
      examplesOf(page).map(({ place, code }) => ({ path: place, text: code })),
    );
    expect(
      statesAsResult([...samples, ...examples, ...readFiles(["src/engine"], [".ts"])]),
    ).toEqual([]);
  });

  it("and texts name no path of one machine", () => {
    expect(machinePaths(everything)).toEqual([]);
  });
});

describe("layers", () => {
  it.each([
    ["actors/scope/scope.ts", "./mailbox.ts"],
    ["actors/scope/scope.ts", "../xstate/scope-logic.ts"],
    ["actors/xstate/scope-logic.ts", "../scope/recipe.ts"],
    ["actors/scope/recipe.ts", "../state/diff.ts"],
    ["actors/time/timer-wheel.ts", "../scope/safe-call.ts"],
    ["src/dialects/vcr/search/score.ts", "../../../../actors/state/copy.ts"],
    ["src/runtime/kinds.ts", "../stores/contract.ts"],
    ["src/runtime/persistence/record-bridge.ts", "../kinds.ts"],
    ["src/adapters/keyv/store.ts", "../../runtime/runtime.ts"],
    ["src/adapters/keyv/store.ts", "../shared/kept-values.ts"],
    ["src/index.ts", "./dialects/vcr/index.ts"],
    ["src/actors.ts", "../actors/scope/scope.ts"],
    ["src/engine/main.ts", "./cards.ts"],
    ["src/engine/main.ts", "../index.ts"],
    ["src/engine/main.ts", "../dialects/vcr/index.ts"],
    ["src/engine/main.ts", "node:http"],
  ])("let %s import %s", (path, target) => {
    expect(violationOf(path, target)).toEqual([]);
  });

  it.each([
    ["actors/protocol.ts", "./scope/mailbox.ts", "words imports up, from scope"],
    ["actors/state/diff.ts", "../scope/recipe.ts", "state imports up, from scope"],
    ["actors/state/diff.ts", "../time/clock.ts", "state imports sideways, from time"],
    ["actors/time/clock.ts", "./timer-wheel.ts", "time imports up, from scope"],
    ["actors/scope/scope.ts", "../../src/runtime/id.ts", "the kernel imports nothing of ours"],
    ["src/stores/file/store.ts", "../../runtime/list.ts", "stores imports up, from kinds"],
    ["src/runtime/kinds.ts", "./session/binding.ts", "kinds imports up, from session"],
    ["src/runtime/scope-host.ts", "./runtime.ts", "scope host imports up, from runtime"],
    ["src/runtime/runtime.ts", "../dialects/vcr/ops.ts", "runtime imports up, from dialects"],
    ["src/dialects/vcr/ops.ts", "../../index.ts", "dialects imports up, from entry points"],
    ["src/adapters/keyv/store.ts", "../../runtime/scope-host.ts", "adapters import the public API"],
    ["src/adapters/keyv/store.ts", "../../stores/contract.ts", "adapters import the public API"],
    ["src/index.ts", "./engine/cards.ts", "entry points imports up, from engine"],
    ["src/engine/main.ts", "../runtime/feed.ts", "the engine imports entry points only"],
    ["src/engine/main.ts", "../../actors/scope.ts", "the engine imports entry points only"],
    ["src/runtime/kinds.ts", "../odd/thing.ts", "src/odd/thing.ts is in no layer"],
    ["src/runtime/kinds.ts", "immer", "immer is imported only under actors/"],
  ])("do not let %s import %s", (path, target, reason) => {
    expect(violationOf(path, target)).toEqual([expect.stringContaining(`${path}:1: ${reason}`)]);
  });

  it("name only what exists", () => {
    expect(emptyLayers(shipped)).toEqual([]);
    expect(emptyLayers(shipped.filter(({ path }) => !path.startsWith("src/cli/")))).toEqual([
      "src/cli",
    ]);
  });

  it("have a place for every folder", () => {
    expect(layerViolations([file("src/odd/thing.ts")])).toHaveLength(1);
  });

  it("see a circle, also through types, and only the circle", () => {
    const files = [
      file("src/a.ts", 'import { b } from "./b.ts";'),
      file("src/b.ts", 'import type { C } from "./c.ts";'),
      file("src/c.ts", 'export * from "./b.ts";'),
    ];
    expect(cycles(files)).toEqual(["src/b.ts → src/c.ts → src/b.ts"]);
  });

  it("see a file no entry leads to", () => {
    const files = [
      file("src/index.ts", 'const late = await import("./a.ts");'),
      file("src/a.ts"),
      file("src/b.ts", 'import "./a.ts";'),
    ];
    expect(unreachable(files, ["src/index.ts"])).toEqual(["src/b.ts"]);
  });
});

describe("text rules", () => {
  const path = "src/a.ts";

  it.each([
    ["length", tooLong, Array.from({ length: 301 }, () => "")],
    ["width", tooWide, ["x".repeat(101)]],
    ["any", anyTypes, ["const a: any = 1;"]],
    ["any in a list of type arguments", anyTypes, ["let a: Map<string, any>;"]],
    ["any as a cast", anyTypes, ["use(a as any);"]],
    ["any in an array", anyTypes, ["function f(a: any[]): void {}"]],
    ["non-null assertion", nonNullAssertions, ["const a = b.get(c)!;"]],
    ["non-null access", nonNullAssertions, ["const a = list[0]!.name;"]],
    ["definite field", nonNullAssertions, ["class A { b!: string; }"]],
    ["a cast", typesByHand, ["const a = b as C;"]],
    ["a cast to an object type", typesByHand, ["f({} as { a: string });"]],
    ["a type argument of open", typesByHand, ['await runtime.open<Chat>("session", id);']],
    ["ts-ignore", compilerSilencers, ["// @ts-ignore"]],
    ["ts-expect-error", compilerSilencers, ["/* @ts-expect-error because */"]],
    ["lint-disable", linterSilencers, ["// oxlint-disable-next-line no-shadow"]],
    [
      "a mutation around another",
      handWrappers,
      [
        "class A implements Mutation {",
        "  readonly b = 1;",
        "",
        "  constructor(c: string, inner: Mutation) {}",
        "}",
      ],
    ],
    ["focus", focusedTests, ["it.only('a', () => {});"]],
    ["focus with a modifier", focusedTests, ["describe.concurrent.only('a', () => {});"]],
    ["instanceof of an error", realmBound, ["if (error instanceof Error) a();"]],
    ["instanceof of an error class", realmBound, ["return e instanceof AggregateError;"]],
    ["instanceof of a collection", realmBound, ["a(b instanceof Map);"]],
    ["instanceof of bytes", realmBound, ["if (!(a instanceof", "  Uint8Array)) b();"]],
    ["instanceof of a global", realmBound, ["a(b instanceof globalThis.Date);"]],
    ["instanceof of a variable", realmBound, ["all.some((type) => a instanceof type);"]],
    ["machine path", machinePaths, [`const a = "${["", "home", "ann"].join("/")}/notes";`]],
    ["leftover", leftovers, ["// TODO later"]],
    ["a word that is out", outWords, ["/** Whoever wants to know of the end is notified. */"]],
    ["a word that is out in a name", outWords, ["const told = 1;"]],
    [
      "a state as the result of a call",
      statesAsResult,
      ["async function on() {", "  await chat.incState({ n: 1 });", "  return chat.state.n;", "}"],
    ],
    [
      "a state in a text that is sent",
      statesAsResult,
      ["f(async () => {", "  await c.a?.update(add);", "  reply(`${c.a?.state.n}`);", "});"],
    ],
  ])("catch %s", (_name, rule, lines) => {
    expect(rule([file(path, ...lines)])).toEqual([expect.stringMatching(/^src\/a\.ts:/)]);
  });

  it.each([
    ["length", tooLong, Array.from({ length: 300 }, () => "")],
    ["width", tooWide, ["→".repeat(100)]],
    [
      "any in prose and names",
      anyTypes,
      ["// as any", "Promise.any(a);", 'f("x: any");', "anyOf(a);"],
    ],
    ["not and unequal", nonNullAssertions, ["if (!a && b !== c) f('no!');", "/a!b/.test(d);"]],
    [
      "a mutation beside a class that is made of one",
      handWrappers,
      ["class A implements Mutation {", "}", "class B {", "  constructor(c: Mutation) {}", "}"],
    ],
    ["focus in a string", focusedTests, ['const a = "it.only";']],
    ["instanceof of our own", realmBound, ["a instanceof NotSentError || b instanceof Slot;"]],
    ["instanceof in prose", realmBound, ["// not a instanceof Error", 'f("a instanceof Map");']],
    [
      "a state that is printed, of another scope, or of the sample that shows it",
      statesAsResult,
      [
        "await chat.incState({ n: 1 });",
        "console.log(chat.state.n);",
        "const a = async () => { await chat.incState({ n: 1 }); return other.state.n; };",
        "const wrong = async () => {",
        "  await chat.incState({ n: 1 });",
        "  return chat.state.n;",
        "};",
      ],
    ],
    [
      "renamed imports, as const, and types of defineKind",
      typesByHand,
      ['import { a as b } from "a";', "const a = [1] as const;", "defineKind<A>({});", "// as It"],
    ],
    ["words within words", outWords, ["const retold = outdoors;"]],
    ["addresses", machinePaths, ["see https://example.org/home/page and ./work/x"]],
  ])("leave alone: %s", (_name, rule, lines) => {
    expect(rule([file(path, ...lines)])).toEqual([]);
  });

  it("name the line", () => {
    expect(anyTypes([file(path, "/* two", "lines */", "let a: any;")])).toEqual([
      `${path}:3: no any`,
    ]);
  });
});

describe("the lock file", () => {
  it.each([
    "package-lock.json",
    ".ci/tools/package-lock.json",
    ".ci/docs/package-lock.json",
    "examples/package-lock.json",
  ])("%s lets npm ci work with any registry", (path) => {
    const [lock] = readFiles([path], [""]);
    expect(lockViolations(lock?.text ?? "")).toEqual([]);
  });

  it("is refused when it names a registry or lacks an optional package", () => {
    const packages = {
      "node_modules/a": { optionalDependencies: { "a-linux": "1.0.0", "a-darwin": "1.0.0" } },
      "node_modules/a-linux": { resolved: "https://registry.example/a-linux.tgz" },
    };
    expect(lockViolations(JSON.stringify({ packages }))).toEqual([
      "node_modules/a: no entry for its optional package a-darwin",
      "node_modules/a-linux: names where it came from",
    ]);
  });
});

describe("the reader of sources", () => {
  it("blanks comments, strings, templates and regular expressions, and nothing else", () => {
    const text = "a(/\"/, 'it''s', `b\n${c}`, d / e / f); // g\nreturn /[/]h/g;";
    expect(maskLiterals(text)).toBe("a(/  , '  '' ', ` \n    `, d / e / f);     \nreturn /      ;");
  });

  it("finds every form of import and no import in text", () => {
    const lines = [
      'import { a } from "./a.ts";',
      'import type {\n  B,\n} from "../b.ts";',
      'export * from "c";',
      'import "d";',
      'const e = await import("@e/f/g");',
      '// import "h"',
      'const i = `import "j"`;',
    ];
    const edges = importsOf(file("src/x/y.ts", ...lines));
    expect(edges).toEqual([
      { specifier: "./a.ts", target: "src/x/a.ts", line: 1, typeOnly: false, dynamic: false },
      { specifier: "../b.ts", target: "src/b.ts", line: 4, typeOnly: true, dynamic: false },
      { specifier: "c", target: undefined, line: 5, typeOnly: false, dynamic: false },
      { specifier: "d", target: undefined, line: 6, typeOnly: false, dynamic: false },
      { specifier: "@e/f/g", target: undefined, line: 7, typeOnly: false, dynamic: true },
    ]);
  });
});

describe("a process of its own", () => {
  const helper = file("test/support/time.ts", "export const x = vi.useFakeTimers();");
  /** Whether a test file with these lines has one. */
  const isApart = (...lines: readonly string[]): boolean =>
    filesWithOwnProcess([helper, file("test/src/a.test.ts", ...lines)]).length > 0;

  it.each([
    "vi.useFakeTimers();",
    'process.on("warning", note);',
    'process.env["A"] = "b";',
    "const used = process.memoryUsage();",
    "const weak = new WeakRef(value);",
    'import { channel } from "node:diagnostics_channel";',
    'import { x } from "../support/time.ts";',
  ])("is given to a test file with %s", (line) => {
    expect(isApart(line)).toBe(true);
  });

  it.each(['if (process.env["A"] === "b") run();', 'import type { X } from "../support/time.ts";'])(
    "is not given to a test file with %s",
    (line) => {
      expect(isApart(line)).toBe(false);
    },
  );
});

describe("the compiler", () => {
  const made: string[] = [];
  afterEach(() => {
    for (const dir of made.splice(0)) rmSync(dir, { recursive: true });
  });

  /** What `tsc -b` says about a house of two files, one in each root. */
  function compile(kernelText: string, libraryText: string): string {
    const root = fileURLToPath(rootUrl);
    const dir = mkdtempSync(join(tmpdir(), "holdfast-tidy-"));
    made.push(dir);
    for (const folder of ["actors", "src", "test"]) mkdirSync(join(dir, folder));
    for (const path of ["tsconfig.json", "actors/tsconfig.json", "src/tsconfig.json"]) {
      cpSync(join(root, path), join(dir, path));
    }
    symlinkSync(join(root, "node_modules"), join(dir, "node_modules"));
    writeFileSync(join(dir, "package.json"), '{ "type": "module" }');
    writeFileSync(join(dir, "actors/kernel.ts"), kernelText);
    writeFileSync(join(dir, "src/library.ts"), libraryText);
    writeFileSync(join(dir, "test/x.ts"), "export {};\n");
    const compiler = join(root, "node_modules/typescript/bin/tsc");
    try {
      return execFileSync(process.execPath, [compiler, "-b"], { cwd: dir, encoding: "utf8" });
    } catch (error) {
      return String(Object(error).stdout);
    }
  }

  it("lets src/ import actors/", () => {
    const library = 'import { a } from "../actors/kernel.ts";\nexport const b: number = a;\n';
    expect(compile("export const a: number = 1;\n", library)).toBe("");
  });

  it("refuses an import from actors/ into src/", () => {
    const kernel = 'import { b } from "../src/library.ts";\nexport const a: number = b;\n';
    const output = compile(kernel, "export const b: number = 1;\n");
    expect(output).toContain("TS6059");
    expect(output).toContain("TS6307");
  });
});
