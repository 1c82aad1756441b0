/** Listeners that change scopes: what ends by itself goes on as it likes, all else is ended (L1–L3). */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { LISTENER_CHANGES_MAX, LISTENER_DEPTH_MAX } from "../../../actors/scope/cascade.ts";
import type { Logger } from "../../../actors/protocol.ts";
import { defineKind } from "../../../src/runtime/kinds.ts";
import { createRuntime, type Runtime } from "../../../src/runtime/runtime.ts";
import { createScope, type Scope } from "../../../src/runtime/scope.ts";
import { tableBridge } from "../../support/table-bridge.ts";
import { keepingLogger, settled } from "../../support/waiting.ts";

interface Counter {
  n: number;
}

const unhandled: unknown[] = [];
const note = (error: unknown): void => void unhandled.push(error);
let runtime: Runtime | undefined;

beforeEach(() => {
  process.on("unhandledRejection", note);
});

afterEach(async () => {
  vi.restoreAllMocks();
  await runtime?.close();
  runtime = undefined;
  await settled();
  process.off("unhandledRejection", note);
  expect(unhandled.splice(0)).toEqual([]);
});

type Make = (logger: Logger, id?: string) => Promise<Scope<Counter>>;

async function fromKind(
  durability: "volatile" | "checkpoint" | "commit",
  logger: Logger,
  id = "a",
): Promise<Scope<Counter>> {
  const counter = defineKind<Counter>({ initial: { n: 0 }, durability });
  runtime ??= createRuntime({ logger, kinds: { t: counter } });
  return runtime.open<Counter>("t", id);
}

const places: Record<string, Make> = {
  "in memory": (logger, id = "a") =>
    Promise.resolve(
      createScope<Counter>({ initial: { n: 0 }, identity: { type: "t", id }, logger }),
    ),
  "with a bridge": (logger, id = "a") =>
    Promise.resolve(
      createScope<Counter>({
        initial: { n: 0 },
        identity: { type: "t", id },
        logger,
        persist: tableBridge<Counter>(),
      }),
    ),
  "of a volatile kind": (logger, id) => fromKind("volatile", logger, id),
  "of a checkpoint kind": (logger, id) => fromKind("checkpoint", logger, id),
  "of a commit kind": (logger, id) => fromKind("commit", logger, id),
};

const inc = (scope: Scope<Counter>): Promise<boolean> => scope.incState({ n: 1 });

/** How a listener may change its scope on every event. */
const ways: Record<string, (scope: Scope<Counter>) => unknown> = {
  "a call nobody awaits": (scope) => void inc(scope),
  "a call whose promise it returns": (scope) => inc(scope),
  "an awaited call": async (scope) => {
    await Promise.resolve();
    await inc(scope);
  },
  "a call in a later turn of the loop": (scope) => void setImmediate(() => void inc(scope)),
  "a mutator": (scope) => void scope.atomicState(({ n }) => ({ n: n + 1 })),
  "an asynchronous mutator": (scope) =>
    void scope.atomicState(async ({ n }) => {
      await Promise.resolve();
      return { n: n + 1 };
    }),
};

/** Until nothing changes any more. */
async function quiet(scope: Scope<Counter>): Promise<void> {
  for (let known = -1; known !== scope.version;) {
    known = scope.version;
    for (let turn = 0; turn < 50; turn++) await settled();
  }
}

describe.each(Object.entries(places))("a scope %s", (_, make) => {
  it.each(Object.entries(ways))(
    "whose listener changes it by %s is stopped",
    async (_way, call) => {
      const logger = keepingLogger();
      const scope = await make(logger);
      const seen: number[] = [];
      const stop = scope.subscribe(({ version }) => {
        seen.push(version);
        return call(scope);
      });
      expect(await inc(scope)).toBe(true);
      await quiet(scope);
      expect(scope.state.n).toBe(LISTENER_DEPTH_MAX + 1);
      expect(seen).toEqual(Array.from({ length: LISTENER_DEPTH_MAX + 1 }, (_each, at) => at + 1));
      const loops = logger.lines.filter(({ message }) => message.includes("without end"));
      expect(loops.map(({ fields }) => fields)).toMatchObject([
        {
          scope: { type: "t", id: "a" },
          error: { code: "REENTRANT_MUTATION", chain: ["t/a", "t/a"] },
        },
      ]);
      stop();
      expect(await inc(scope)).toBe(true);
    },
  );

  it("lets a listener change it many times, if it ends", async () => {
    const logger = keepingLogger();
    const scope = await make(logger);
    const answers: Promise<boolean>[] = [];
    scope.subscribe(({ version }) => {
      if (version % 500 !== 0) answers.push(inc(scope));
    });
    await inc(scope);
    await quiet(scope);
    await inc(scope);
    await quiet(scope);
    expect(await Promise.all(answers)).toEqual(answers.map(() => true));
    expect(scope.state.n).toBe(1_000);
    expect(logger.lines).toEqual([]);
  });

  it("and another whose listeners answer each other are stopped", async () => {
    const logger = keepingLogger();
    const [a, b] = [await make(logger, "a"), await make(logger, "b")];
    const errors: unknown[] = [];
    const keep = (error: unknown): void => void errors.push(error);
    a.subscribe(() => void inc(b).catch(keep));
    b.subscribe(() => void inc(a).catch(keep));
    await inc(a);
    await quiet(a);
    expect(a.state.n + b.state.n).toBe(LISTENER_DEPTH_MAX + 1);
    expect(errors).toMatchObject([{ code: "REENTRANT_MUTATION", chain: ["t/b", "t/a", "t/b"] }]);
    expect(logger.lines).toHaveLength(1);
  });

  it("is not kept from what a reader of its changes does", async () => {
    const scope = await make(keepingLogger());
    const rounds = LISTENER_DEPTH_MAX + 100;
    const reader = (async () => {
      for await (const item of scope.changes()) {
        if (item.version > rounds) break;
        await inc(scope);
      }
    })();
    await settled();
    await inc(scope);
    await reader;
    expect(scope.state.n).toBe(rounds + 1);
  });
});

describe("what else is called with a change", () => {
  function open(options: Parameters<typeof createRuntime>[0] = {}): {
    made: Runtime;
    logger: ReturnType<typeof keepingLogger>;
  } {
    const logger = keepingLogger();
    const made = createRuntime({ logger, ...options });
    runtime = made;
    return { made, logger };
  }

  it("is stopped as a listener of the runtime, also when each change is of a new scope", async () => {
    const { made, logger } = open();
    let count = 0;
    const write = async (n: number): Promise<boolean> => {
      const log = await made.open<Counter>("user", `log-${n}`);
      return log.setState({ n });
    };
    made.subscribe(() => {
      count += 1;
      write(count).catch(() => undefined);
    });
    const first = await made.open<Counter>("user", "first");
    await first.setState({ n: 1 });
    for (let known = -1; known !== count;) {
      known = count;
      for (let turn = 0; turn < 100; turn++) await settled();
    }
    expect(count).toBe(LISTENER_DEPTH_MAX + 1);
    expect(logger.lines.map(({ message }) => message)).toContain(
      "listeners change scopes without end",
    );
  });

  it.each(["volatile", "commit"] as const)(
    "is stopped as `observe` of a %s kind",
    async (durability) => {
      let scope: Scope<Counter> | undefined;
      const observe = (): void => {
        if (scope !== undefined) void inc(scope);
      };
      const { made, logger } = open({
        kinds: { t: defineKind<Counter>({ initial: { n: 0 }, durability, observe }) },
      });
      scope = await made.open<Counter>("t", "a");
      await inc(scope);
      await quiet(scope);
      expect(scope.state.n).toBe(LISTENER_DEPTH_MAX + 1);
      expect(logger.lines).toHaveLength(1);
    },
  );

  it.each(["volatile", "commit"] as const)(
    "is stopped as size hook of a %s kind",
    async (durability) => {
      let scope: Scope<Counter> | undefined;
      const kind = defineKind<Counter>({ initial: { n: 0 }, durability, maxStateSizeBytes: 1 });
      const { made, logger } = open({
        kinds: { t: kind },
        onStateSizeWarning: () => {
          if (scope !== undefined) void inc(scope);
        },
      });
      scope = await made.open<Counter>("t", "a");
      await inc(scope);
      await quiet(scope);
      expect(scope.state.n).toBe(LISTENER_DEPTH_MAX + 1);
      expect(logger.lines).toHaveLength(1);
    },
  );

  it("is stopped as a subscriber of the XState actor", async () => {
    const { made, logger } = open();
    const scope = await made.open<Counter>("user", "a");
    await scope.setState({ n: 0 });
    scope.actor.subscribe(({ status }) => {
      if (status === "active") void inc(scope);
    });
    await inc(scope);
    await quiet(scope);
    expect(scope.state.n).toBe(LISTENER_DEPTH_MAX + 1);
    expect(logger.lines).toHaveLength(1);
  });

  it("is followed through deletes and transactions", async () => {
    const { made, logger } = open();
    const [a, b] = [await made.open<Counter>("user", "a"), await made.open<Counter>("user", "b")];
    a.subscribe(({ operation }) => {
      if (operation === "delete") void a.setState({ n: 1 });
      else void a.delete();
    });
    await a.setState({ n: 1 });
    await quiet(a);
    expect(a.version).toBe(LISTENER_DEPTH_MAX + 1);
    let rejected: unknown;
    b.subscribe(() => {
      made
        .transaction([b], (draft) => void (draft.n += 1))
        .catch((error: unknown) => {
          rejected = error;
        });
    });
    await b.setState({ n: 1 });
    await quiet(b);
    expect(b.state.n).toBe(LISTENER_DEPTH_MAX + 1);
    expect(rejected).toMatchObject({ code: "REENTRANT_MUTATION" });
    expect(logger.lines).toHaveLength(2);
  });
});

describe("a listener that leads to several changes each time", () => {
  it("is stopped, too, before they are too many", async () => {
    const logger = keepingLogger();
    const scope = createScope<Counter>({ initial: { n: 0 }, logger });
    scope.subscribe(() => {
      void inc(scope);
      void inc(scope);
    });
    await inc(scope);
    await quiet(scope);
    expect(scope.state.n).toBe(LISTENER_CHANGES_MAX + 3);
    expect(logger.lines).toHaveLength(1);
  });

  it("may make as many as it likes in its own call", async () => {
    const logger = keepingLogger();
    const [a, b] = ["a", "b"].map((id) =>
      createScope<Counter>({ initial: { n: 0 }, identity: { type: "t", id }, logger }),
    );
    if (a === undefined || b === undefined) throw new Error("two scopes");
    const many = LISTENER_CHANGES_MAX + 10;
    a.subscribe(() => {
      for (let index = 0; index < many; index++) void inc(b);
    });
    await inc(a);
    expect(b.state.n).toBe(many);
    expect(logger.lines).toEqual([]);
  });
});

describe("a loop that takes its time (L2)", () => {
  it("goes on as long as it likes", async () => {
    let now = 0;
    vi.spyOn(performance, "now").mockImplementation(() => now);
    const logger = keepingLogger();
    const scope = createScope<Counter>({ initial: { n: 0 }, logger });
    const rounds = LISTENER_DEPTH_MAX * 2;
    const later = async (version: number): Promise<void> => {
      await Promise.resolve();
      now += 1_001;
      if (version < rounds) await inc(scope);
    };
    scope.subscribe(({ version }) => void later(version));
    await inc(scope);
    await quiet(scope);
    expect(scope.state.n).toBe(rounds);
    expect(logger.lines).toEqual([]);
  });

  it("is stopped when it keeps the thread meanwhile", async () => {
    let now = 0;
    vi.spyOn(performance, "now").mockImplementation(() => now);
    const scope = createScope<Counter>({ initial: { n: 0 }, logger: keepingLogger() });
    scope.subscribe(() => {
      now += 1_001;
      void inc(scope);
    });
    await inc(scope);
    expect(scope.state.n).toBe(LISTENER_DEPTH_MAX + 1);
  });
});
