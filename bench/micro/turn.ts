/** K1 to K5: what one turn costs, beside an async function that does the same without one. */
import { Mutex } from "async-mutex";
import PQueue from "p-queue";
import { assign, createActor, setup } from "xstate";
import { createRuntime, createScope } from "../subject.ts";
import { atLeast, atMost, figure, race, type Contender, type Section } from "../support.ts";
import { SmallestScope } from "./smallest.ts";
import { createUser, type User } from "./states.ts";

const AWAITED = 100_000;
const BURST = 20_000;
const SCOPES = 10_000;
const ROUNDS_PER_SCOPE = 10;
const BACKLOG = 100_000;

interface Counter {
  readonly n: number;
}

/** The base of K1 and K2: an awaited async function that spreads two fields over ten. */
const bareSpread: Contender = {
  name: "bare async function",
  prepare: () => {
    let state = createUser();
    const patch = async (updates: Partial<User>): Promise<void> => {
      state = { ...state, ...updates };
    };
    return {
      run: async () => {
        for (let n = 1; n <= AWAITED; n++) await patch({ count: n, updatedAt: n });
      },
      check: () => state.count === AWAITED,
    };
  },
};

function patching(name: string, isRead: boolean): Contender {
  return {
    name,
    prepare: () => {
      const scope = createScope<User>({ initial: createUser() });
      let sum = 0;
      return {
        run: async () => {
          for (let n = 1; n <= AWAITED; n++) {
            await scope.patchState({ count: n, updatedAt: n });
            if (isRead) sum += scope.state.count;
          }
        },
        check: () =>
          scope.state.count === AWAITED &&
          scope.version === AWAITED &&
          (!isRead || sum === (AWAITED * (AWAITED + 1)) / 2),
      };
    },
  };
}

const noOp: Contender = {
  name: "patchState, nothing changes",
  prepare: () => {
    const scope = createScope<User>({ initial: createUser() });
    let changed = 0;
    return {
      run: async () => {
        for (let n = 1; n <= AWAITED; n++)
          if (await scope.patchState({ count: 0, updatedAt: 0 })) changed += 1;
      },
      check: () => changed === 0 && scope.version === 0,
    };
  },
};

/** K1 and K2. */
export async function awaitedSection(rounds?: number): Promise<Section> {
  const base = bareSpread.name;
  const result = await race({
    base,
    operations: AWAITED,
    rounds,
    contenders: [
      bareSpread,
      patching("patchState", false),
      patching("patchState, read", true),
      noOp,
    ],
  });
  const work = "awaited patchState, 10 fields";
  const ratio = (name: string): number => result.ratio(name, base);
  return {
    title: "K1, K2: awaited patchState of 2 of 10 fields, volatile",
    notes: [
      "read: the state is read after each mutation, which exposes and so freezes it (freeze on);",
      "otherwise it is not read, and the scope writes on in a copy of its own (freeze off).",
    ],
    timings: result.timings,
    goals: [
      atMost({ id: "K1", work: `${work}, freeze on` }, ratio("patchState, read"), 2.5, "× bare"),
      atMost({ id: "K1", work: `${work}, freeze off` }, ratio("patchState"), 1.5, "× bare"),
      atMost({ id: "K2", work: "patchState that changes nothing" }, ratio(noOp.name), 1, "× bare"),
    ],
  };
}

function burst(
  name: string,
  prepare: () => [add: () => Promise<unknown>, read: () => number],
): Contender {
  return {
    name,
    prepare: () => {
      const [add, read] = prepare();
      return {
        run: () => {
          let last: Promise<unknown> | undefined;
          for (let n = 0; n < BURST; n++) last = add();
          return last;
        },
        check: () => read() === BURST,
      };
    },
  };
}

const counterMachine = setup({
  types: { context: {} as Counter, events: {} as { type: "add" } },
}).createMachine({
  context: { n: 0 },
  on: { add: { actions: assign({ n: ({ context }) => context.n + 1 }) } },
});

const burstContenders: Contender[] = [
  burst("bare async function", () => {
    let state: Counter = { n: 0 };
    const add = async (): Promise<void> => {
      state = { ...state, n: state.n + 1 };
    };
    return [add, () => state.n];
  }),
  burst("incState", () => {
    const scope = createScope<Counter>({ initial: { n: 0 } });
    return [() => scope.incState({ n: 1 }), () => scope.state.n];
  }),
  burst("async-mutex", () => {
    let state: Counter = { n: 0 };
    const mutex = new Mutex();
    const add = (): void => {
      state = { ...state, n: state.n + 1 };
    };
    return [() => mutex.runExclusive(add), () => state.n];
  }),
  burst("p-queue", () => {
    let state: Counter = { n: 0 };
    const queue = new PQueue({ concurrency: 1 });
    const add = async (): Promise<void> => {
      state = { ...state, n: state.n + 1 };
    };
    return [() => queue.add(add), () => state.n];
  }),
  burst("XState machine", () => {
    const actor = createActor(counterMachine).start();
    const sent = Promise.resolve();
    const add = (): Promise<void> => {
      actor.send({ type: "add" });
      return sent;
    };
    return [add, () => actor.getSnapshot().context.n];
  }),
];

/** K3. */
export async function burstSection(rounds?: number): Promise<Section> {
  const base = "bare async function";
  const result = await race({ base, operations: BURST, rounds, contenders: burstContenders });
  const work = "20k un-awaited incState on one scope";
  return {
    title: "K3: 20,000 un-awaited increments of one counter",
    notes: ["The calls are made in one loop; the clock stops when the last one is answered."],
    timings: result.timings,
    goals: [
      atMost({ id: "K3", work }, result.ratio("incState", base), 1.5, "× bare"),
      atLeast(
        { id: "K3", work },
        result.ratio("async-mutex", "incState"),
        10,
        "× faster than async-mutex",
      ),
    ],
  };
}

interface Pool {
  readonly add: (id: string) => Promise<unknown>;
  readonly sum: () => number;
}

function spread(name: string, createPool: () => Pool): Contender {
  return {
    name,
    prepare: () => {
      const pool = createPool();
      const ids = Array.from({ length: SCOPES }, (_, index) => `user-${index}`);
      return {
        run: async () => {
          for (let round = 0; round < ROUNDS_PER_SCOPE; round++) {
            let last: Promise<unknown> | undefined;
            for (const id of ids) last = pool.add(id);
            await last;
          }
        },
        check: () => pool.sum() === SCOPES * ROUNDS_PER_SCOPE,
      };
    },
  };
}

function barePool(): Pool {
  const states = new Map<string, Counter>();
  return {
    add: async (id) => {
      const state = states.get(id) ?? { n: 0 };
      states.set(id, { ...state, n: state.n + 1 });
    },
    sum: () => [...states.values()].reduce((sum, { n }) => sum + n, 0),
  };
}

function scopePool(): Pool {
  const scopes = new Map<string, ReturnType<typeof createScope<Counter>>>();
  const open = (id: string): ReturnType<typeof createScope<Counter>> => {
    const scope = createScope<Counter>({ identity: { type: "user", id }, initial: { n: 0 } });
    scopes.set(id, scope);
    return scope;
  };
  return {
    add: (id) => (scopes.get(id) ?? open(id)).incState({ n: 1 }),
    sum: () => [...scopes.values()].reduce((sum, { state }) => sum + state.n, 0),
  };
}

function smallestPool(): Pool {
  const scopes = new Map<string, SmallestScope>();
  const open = (id: string): SmallestScope => {
    const scope = new SmallestScope("user", id, { n: 0 });
    scopes.set(id, scope);
    return scope;
  };
  return {
    add: (id) => (scopes.get(id) ?? open(id)).incState({ n: 1 }),
    sum: () => [...scopes.values()].reduce((sum, { state }) => sum + (state["n"] ?? 0), 0),
  };
}

/** What a bot does for each message: it opens the scope, resident or not, and awaits it. */
function runtimePool(): Pool {
  const runtime = createRuntime();
  const scopes = new Map<string, { readonly state: Partial<Counter> }>(); // The last of each id.
  return {
    add: async (id) => {
      const scope = await runtime.open<{ n?: number }>("temp", id);
      scopes.set(id, scope);
      return scope.incState({ n: 1 });
    },
    sum: () => [...scopes.values()].reduce((sum, { state }) => sum + (state.n ?? 0), 0),
  };
}

function mutexPool(): Pool {
  const counters = new Map<string, { mutex: Mutex; state: Counter }>();
  return {
    add: (id) => {
      const counter = counters.get(id) ?? { mutex: new Mutex(), state: { n: 0 } };
      counters.set(id, counter);
      return counter.mutex.runExclusive(() => {
        counter.state = { ...counter.state, n: counter.state.n + 1 };
      });
    },
    sum: () => [...counters.values()].reduce((sum, { state }) => sum + state.n, 0),
  };
}

/** K4. */
export async function spreadSection(rounds?: number): Promise<Section> {
  const base = "Map + bare async function";
  const result = await race({
    base,
    operations: SCOPES * ROUNDS_PER_SCOPE,
    rounds,
    contenders: [
      spread(base, barePool),
      spread("Map + createScope", scopePool),
      spread("Map + smallest scope", smallestPool),
      spread("runtime.open each time", runtimePool),
      spread("Map + async-mutex", mutexPool),
    ],
  });
  const work = "10k scopes × 10 incState, opened lazily";
  return {
    title: "K4: 10,000 counters × 10 increments, each opened by its first",
    notes: [
      "Ten passes over all counters; the scopes are made by createScope and kept in a Map.",
      "smallest scope: the least code that copies, checks, freezes and counts as incState does.",
      "runtime.open each time: a volatile kind, opened and awaited before each increment.",
    ],
    timings: result.timings,
    goals: [atMost({ id: "K4", work }, result.ratio("Map + createScope", base), 1.2, "× bare")],
  };
}

const mutator = async (state: User): Promise<Partial<User>> => ({ count: state.count + 1 });

const backlogContenders: Contender[] = [
  {
    name: "bare, one after another",
    prepare: () => {
      let state = createUser();
      const turn = async (): Promise<void> => {
        state = { ...state, ...(await mutator(state)) };
      };
      return {
        run: async () => {
          for (let n = 0; n < BACKLOG; n++) await turn();
        },
        check: () => state.count === BACKLOG,
      };
    },
  },
  {
    name: "atomicState",
    prepare: () => {
      const scope = createScope<User>({ initial: createUser(), mailboxLimit: BACKLOG });
      return {
        run: () => {
          let last: Promise<boolean> | undefined;
          for (let n = 0; n < BACKLOG; n++) last = scope.atomicState(mutator);
          return last;
        },
        check: () => scope.state.count === BACKLOG,
      };
    },
  },
  {
    name: "p-queue",
    operations: BURST,
    prepare: () => {
      let state = createUser();
      const queue = new PQueue({ concurrency: 1 });
      const add = async (): Promise<void> => {
        state = { ...state, ...(await mutator(state)) };
      };
      return {
        run: () => {
          let last: Promise<void> | undefined;
          for (let n = 0; n < BURST; n++) last = queue.add(add);
          return last;
        },
        check: () => state.count === BURST,
      };
    },
  },
];

/** K5, the time. */
export async function backlogSection(rounds?: number): Promise<Section> {
  const base = "bare, one after another";
  const before = await race({
    base,
    operations: BACKLOG,
    rounds,
    contenders: backlogContenders.slice(0, 1),
  });
  const result = await race({
    base,
    operations: BACKLOG,
    rounds: rounds ?? 7,
    warmUps: 2,
    contenders: backlogContenders,
  });
  const work = "async atomicState, 100k waiting";
  return {
    title: "K5: 100,000 asynchronous atomicState calls wait on one scope",
    notes: [
      "bare: the same function, awaited and merged one after another, as nothing else is correct.",
      "p-queue waits with 20,000 only; its time per call grows with the depth.",
      "atomicState turns AsyncLocalStorage on, which makes every await of the process dearer:",
      `before its first call bare needs ${figure(before.time(base))} ns. K8 is measured after it too.`,
    ],
    timings: result.timings,
    goals: [atMost({ id: "K5", work }, result.ratio("atomicState", base), 4, "× bare")],
  };
}
