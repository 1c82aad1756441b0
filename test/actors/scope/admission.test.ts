/**
 * Code of users that runs while a scope is written, checked or announced, and calls that scope: by
 * whatever way it comes, each change has its version and its event, or is refused.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { StateSchema } from "../../../actors/scope/validation.ts";
import { applyPatches } from "../../../actors/state/patches.ts";
import type { Clock, StateChange } from "../../../actors/protocol.ts";
import { defineKind } from "../../../src/runtime/kinds.ts";
import { createRuntime, type Runtime } from "../../../src/runtime/runtime.ts";
import { createScope, type Scope, type ScopeOptions } from "../../../src/runtime/scope.ts";
import { simulatedClock } from "../../../src/testing/clock.ts";
import { tableBridge } from "../../support/table-bridge.ts";
import { keepingLogger, rejection, settled } from "../../support/waiting.ts";

interface Bag {
  n: number;
  m: number;
  filled?: number;
}
const initial: Bag = { n: 0, m: 0 };

/** A schema that calls `inside` whenever it checks a state, and fills in a default. */
function schemaThat(inside: () => void): StateSchema<Bag> {
  return {
    "~standard": {
      version: 1,
      vendor: "test",
      validate: (value) => {
        inside();
        return { value: { filled: 1, ...(value as Bag) } };
      },
    },
  };
}

/** What came of a scope: its changes and what its callers were answered. */
class Account {
  readonly answers: Promise<unknown>[] = [];
  readonly events: StateChange<Bag>[] = [];
  readonly #scope: Scope<Bag>;
  readonly #first: Readonly<Bag>;
  readonly #firstVersion: number;

  constructor(scope: Scope<Bag>) {
    this.#scope = scope;
    this.#first = scope.state;
    this.#firstVersion = scope.version;
    scope.subscribe((change) => void this.events.push(change));
  }

  /** Keeps what a call comes to. */
  keep(call: Promise<unknown>): void {
    this.answers.push(
      call.catch((error: unknown) => (error as { code?: string }).code ?? String(error)),
    );
  }

  /** Each change has its version, its event and an answer `true`. */
  async check(): Promise<unknown[]> {
    let answers: unknown[] = [];
    // Those that are given by the way come later.
    while (answers.length < this.answers.length) answers = await Promise.all(this.answers);
    const changed = answers.filter((answer) => answer === true).length;
    const versions = this.events.map(({ version }) => version - this.#firstVersion);
    expect(versions).toEqual(Array.from({ length: changed }, (_, index) => index + 1));
    expect(this.#scope.version - this.#firstVersion).toBe(changed);
    const replayed = this.events.reduce<object>(
      (state, { patches }) => applyPatches(state, patches),
      this.#first,
    );
    expect(replayed).toEqual(this.#scope.state);
    return answers;
  }
}

const ways: Record<string, (scope: Scope<Bag>) => Promise<unknown>> = {
  incState: (scope) => scope.incState({ m: 1 }),
  "incState with options": (scope) => scope.incState({ m: 1 }, { timeoutMs: 1_000 }),
  patchState: (scope) => scope.patchState({ m: 5 }),
  "patchState by a function": (scope) => scope.patchState("m", (m) => m + 1),
  setState: (scope) => scope.setState({ n: 7, m: 7 }),
  atomicState: (scope) => scope.atomicState(({ m }) => ({ m: m + 1 })),
  update: (scope) => scope.update((draft) => void (draft.m += 1)),
  delete: (scope) => scope.delete(),
  refresh: (scope) => scope.refresh(),
};

const outer: Record<string, (scope: Scope<Bag>) => Promise<unknown>> = {
  "plain data": (scope) => scope.incState({ n: 1 }),
  "a mutator": (scope) => scope.atomicState(({ n }) => ({ n: n + 1 })),
  "an asynchronous mutator": (scope) =>
    scope.atomicState(async ({ n }) => {
      await settled();
      return { n: n + 1 };
    }),
};

type Open = (options: Partial<ScopeOptions<Bag>>) => Promise<Scope<Bag>>;

let runtime: Runtime | undefined;
const unhandled: unknown[] = [];
const note = (error: unknown): void => void unhandled.push(error);

beforeEach(() => {
  process.on("unhandledRejection", note);
});

afterEach(async () => {
  await runtime?.close();
  runtime = undefined;
  await settled();
  process.off("unhandledRejection", note);
  expect(unhandled.splice(0)).toEqual([]);
});

const places: Record<string, Open> = {
  "in memory": (options) => Promise.resolve(createScope<Bag>({ initial, ...options })),
  "with a bridge": (options) =>
    Promise.resolve(createScope<Bag>({ initial, persist: tableBridge<Bag>(), ...options })),
  "of a volatile kind": (options) => openKind("volatile", options),
  "of a checkpoint kind": (options) => openKind("checkpoint", options),
  "of a commit kind": (options) => openKind("commit", options),
};

function openKind(
  durability: "volatile" | "checkpoint" | "commit",
  { schema, logger, clock, onStateSizeWarning, maxStateSizeBytes }: Partial<ScopeOptions<Bag>>,
): Promise<Scope<Bag>> {
  runtime = createRuntime({
    ...(logger === undefined ? {} : { logger }),
    ...(clock === undefined ? {} : { clock }),
    onStateSizeWarning,
    kinds: {
      bag: defineKind<Bag>({
        initial,
        durability,
        ...(schema === undefined ? {} : { schema }),
        ...(maxStateSizeBytes === undefined ? {} : { maxStateSizeBytes }),
      }),
    },
  });
  return runtime.open<Bag>("bag", "b");
}

describe.each(Object.entries(places))("a scope %s", (_, open) => {
  describe.each(Object.entries(outer))("changed by %s", (_outer, change) => {
    it.each(Object.entries(ways))("refuses %s of its schema", async (_way, call) => {
      const logger = keepingLogger();
      let account: Account | undefined;
      let scope: Scope<Bag> | undefined;
      let calls = 0;
      const schema = schemaThat(() => {
        if (scope === undefined) return;
        calls += 1;
        // Nobody awaits it, and nobody can.
        const made = call(scope);
        if (calls > 1) account?.keep(made);
      });
      scope = await open({ schema, logger });
      account = new Account(scope);
      for (let round = 0; round < 3; round++) account.keep(change(scope));
      const answers = await account.check();
      await settled();
      expect(calls).toBe(3);
      expect(answers.filter((answer) => answer === true)).toHaveLength(3);
      expect(answers.filter((answer) => answer === "REENTRANT_MUTATION")).toHaveLength(2);
      expect(scope.state).toEqual({ n: 3, m: 0, filled: 1 });
      expect(logger.lines.map(({ fields }) => fields?.["scope"])).toEqual(
        Array.from({ length: 3 }, () => scope?.identity),
      );
    });
  });

  it("lets a schema read what is confirmed", async () => {
    let scope: Scope<Bag> | undefined;
    const seen: unknown[] = [];
    const schema = schemaThat(() => seen.push(scope?.state.n));
    scope = await open({ schema });
    seen.length = 0;
    await scope.incState({ n: 1 });
    await scope.atomicState(({ n }) => ({ n: n + 1 }));
    expect(seen).toEqual([0, 1]);
  });

  it("lets a schema stop it", async () => {
    let scope: Scope<Bag> | undefined;
    let stopping: Promise<void> | undefined;
    const schema = schemaThat(() => {
      stopping = scope?.stop();
    });
    scope = await open({ schema });
    const answer = await scope
      .atomicState(({ n }) => ({ n: n + 1 }))
      .catch((error: unknown) => (error as { code: string }).code);
    await stopping;
    // Stored and answered so, or refused and not stored; never something between.
    expect([
      [true, 1, 1],
      ["SCOPE_STOPPED", 0, 0],
    ]).toContainEqual([answer, scope.state.n, scope.version]);
  });

  it("takes calls of getters and toJSON in arguments before the call they are for", async () => {
    const scope = await open({});
    const account = new Account(scope);
    const argument = {
      get n(): number {
        account.keep(scope.incState({ m: 1 }));
        return 5;
      },
    };
    account.keep(scope.patchState(argument));
    account.keep(scope.setState({ m: 9, ...argument }));
    await account.check();
    expect(scope.state).toMatchObject({ n: 5, m: 9 });
  });

  it("refuses calls of getters in what a mutator returns", async () => {
    const scope = await open({ logger: keepingLogger() });
    const account = new Account(scope);
    const result = {
      get n(): number {
        account.keep(scope.incState({ m: 1 }));
        return scope.state.n + 1;
      },
    };
    account.keep(scope.atomicState(() => result));
    account.keep(scope.patchState("n", () => ({ value: result }) as never));
    account.keep(scope.update((draft) => void Object.assign(draft, { filled: { deep: result } })));
    await account.check();
    expect(scope.state.m).toBe(0);
  });

  it("refuses calls of a clock between a change and its event", async () => {
    const inner = simulatedClock();
    let inside: (() => void) | undefined;
    const clock: Clock = {
      ...inner,
      now: () => {
        const call = inside;
        inside = undefined;
        call?.();
        return inner.now();
      },
    };
    const scope = await open({ clock, logger: keepingLogger() });
    const account = new Account(scope);
    for (const change of [
      () => scope.incState({ n: 1 }),
      () => scope.atomicState(({ n }) => ({ n: n + 1 })),
      () => scope.incState({ n: 1 }),
    ]) {
      inside = () => account.keep(scope.incState({ m: 1 }));
      account.keep(change());
      await settled();
    }
    const answers = await account.check();
    expect(answers.filter((answer) => answer === true).length).toBeGreaterThanOrEqual(3);
  });

  it("queues calls of a logger and of the size hook", async () => {
    let scope: Scope<Bag> | undefined;
    let account: Account | undefined;
    let left = 3;
    const inside = (): void => {
      left -= 1;
      if (left >= 0 && scope !== undefined) account?.keep(scope.incState({ m: 1 }));
    };
    const hook = { onStateSizeWarning: inside, maxStateSizeBytes: 1 };
    scope = await open({ ...hook, logger: { warn: inside, error: inside } });
    account = new Account(scope);
    left = 3;
    scope.subscribe(() => {
      throw new Error("for the logger");
    });
    account.keep(scope.incState({ n: 1 }));
    await settled();
    account.keep(scope.atomicState(({ n }) => ({ n: n + 1 })));
    await settled();
    await account.check();
    expect(scope.state).toMatchObject({ n: 2, m: 3 });
  });
});

describe("a transaction", () => {
  it("takes calls of a schema for calls after it, or refuses them", async () => {
    let scope: Scope<Bag> | undefined;
    const made: Promise<unknown>[] = [];
    const schema = schemaThat(() => {
      if (scope !== undefined) made.push(rejection(scope.incState({ m: 1 })));
    });
    runtime = createRuntime({
      logger: keepingLogger(),
      kinds: { bag: defineKind<Bag>({ initial, schema }) },
    });
    scope = await runtime.open<Bag>("bag", "b");
    const user = await runtime.open<Bag>("user", "u");
    const both = runtime.transaction([scope, user], (a, b) => ((a.n = 1), void (b.n = 1)));
    expect(await both).toBe(true);
    expect(await Promise.all(made)).toMatchObject([{ code: "REENTRANT_MUTATION" }]);
    expect([scope.state, scope.version]).toEqual([{ n: 1, m: 0, filled: 1 }, 1]);
  });
});

describe("a state that is read from the store", () => {
  it("is checked by a schema that may not call the scope", async () => {
    const bridge = tableBridge<Bag>();
    let scope: Scope<Bag> | undefined;
    const made: Promise<unknown>[] = [];
    const schema = schemaThat(() => {
      if (scope !== undefined) made.push(rejection(scope.incState({ m: 1 })));
    });
    scope = createScope<Bag>({ initial, persist: bridge, schema, logger: keepingLogger() });
    bridge.write({ n: 5, m: 5 });
    await scope.refresh();
    // A schema that fills in a field is asked again about the result.
    expect(made.length).toBeGreaterThan(0);
    for (const refused of await Promise.all(made))
      expect(refused).toMatchObject({ code: "REENTRANT_MUTATION" });
    expect([scope.state, scope.version]).toEqual([{ n: 5, m: 5, filled: 1 }, 1]);
  });
});

describe("schemas of two scopes that call each other's scope", () => {
  it("are refused when they come back to the first", async () => {
    const scopes: Scope<Bag>[] = [];
    const made: Promise<unknown>[] = [];
    const make = (id: string, other: number): Scope<Bag> =>
      createScope<Bag>({
        initial,
        identity: { type: "t", id },
        logger: keepingLogger(),
        schema: schemaThat(() => void made.push(scopes[other]?.incState({ m: 1 }) ?? settled())),
      });
    scopes.push(make("a", 1), make("b", 0));
    made.length = 0;
    expect(await scopes[0]?.incState({ n: 1 })).toBe(true);
    const [toB, toA] = await Promise.allSettled(made);
    expect(toB).toMatchObject({ status: "rejected", reason: { chain: ["t/a", "t/b", "t/a"] } });
    expect(toA).toMatchObject({ status: "fulfilled", value: true });
    expect(scopes.map(({ version }) => version)).toEqual([1, 1]);
  });
});
