import { assign, createActor, setup, waitFor, type InspectionEvent } from "xstate";
import { describe, expect, it } from "vitest";
import { actorOf, scopeLogic } from "../../../actors/xstate/scope-logic.ts";
import { ScopeActor } from "../../../actors/scope/scope.ts";
import type { Logger } from "../../../actors/protocol.ts";
import { createScope, type Scope } from "../../../src/runtime/scope.ts";
import { settled } from "../../support/waiting.ts";

interface Bag {
  n: number;
}

function open(logger?: Logger): Scope<Bag> {
  return createScope<Bag>({ initial: { n: 0 }, ...(logger === undefined ? {} : { logger }) });
}

function shown(scope: Scope<Bag>): ScopeActor {
  if (scope instanceof ScopeActor) return scope as ScopeActor; // The class says which it is.
  throw new TypeError("not a scope of the kernel");
}

describe("scope.actor", () => {
  it("is one started actor that shows state and version", async () => {
    const scope = open();
    const { actor } = shown(scope);
    expect(shown(scope).actor).toBe(actor);
    const seen: number[] = [];
    actor.subscribe(({ context }) => void seen.push(context.version));
    await scope.incState({ n: 2 });
    await scope.incState({ n: 3 });
    expect(actor.getSnapshot()).toMatchObject({
      status: "active",
      context: { identity: scope.identity, state: { n: 5 }, version: 2 },
    });
    expect(seen).toEqual([1, 2]);
  });

  it("can be waited for", async () => {
    const scope = open();
    const reached = waitFor(actorOf(scope), ({ context }) => context.version === 2);
    await scope.incState({ n: 1 });
    await scope.incState({ n: 1 });
    expect((await reached).context.state).toEqual({ n: 2 });
  });

  it("takes update, delete and refresh as events, and logs the ones that fail", async () => {
    const lines: string[] = [];
    const note = (message: string): void => void lines.push(message);
    const scope = open({ warn: note, error: note });
    const { actor } = shown(scope);
    actor.send({ type: "update", recipe: (draft) => void Object.assign(draft, { n: 7 }) });
    await settled();
    expect(scope.state.n).toBe(7);
    actor.send({ type: "refresh" });
    actor.send({ type: "delete" });
    await settled();
    expect([scope.state.n, scope.version, lines.length]).toEqual([0, 2, 0]);
    actor.send({
      type: "update",
      recipe: () => {
        throw new Error("recipe");
      },
    });
    await settled();
    expect([lines.length, actor.getSnapshot().status]).toEqual([1, "active"]);
  });

  it("is done after stop, also when it is asked for only then", async () => {
    const scope = open();
    const { actor } = shown(scope);
    let isDone = false;
    actor.subscribe({ complete: () => (isDone = true) });
    await scope.stop();
    expect([isDone, actor.getSnapshot().status]).toEqual([true, "done"]);
    const late = open();
    await late.stop();
    expect(shown(late).actor.getSnapshot().status).toBe("done");
  });
});

describe("scopeLogic", () => {
  it("can be invoked by a machine, which hears of each snapshot and of the end", async () => {
    const scope = open();
    const inspected: InspectionEvent["type"][] = [];
    const machine = setup({
      types: { context: {} as { seen: number[]; ended: boolean } },
      actors: { scope: scopeLogic },
    }).createMachine({
      context: { seen: [], ended: false },
      invoke: {
        src: "scope",
        input: { scope },
        onSnapshot: {
          actions: assign({
            seen: ({ context, event }) => [...context.seen, event.snapshot.context.version],
          }),
        },
        onDone: { actions: assign({ ended: true }) },
      },
    });
    const actor = createActor(machine, { inspect: ({ type }) => void inspected.push(type) });
    actor.start();
    await scope.incState({ n: 1 });
    expect(actor.getSnapshot().context.seen).toContain(1);
    expect(inspected).toContain("@xstate.snapshot");
    await scope.stop();
    expect(actor.getSnapshot().context.ended).toBe(true);
  });

  it("stops listening when its machine stops, and the scope goes on", async () => {
    const scope = open();
    const actor = createActor(scopeLogic, { input: { scope } }).start();
    actor.stop();
    expect(await scope.incState({ n: 1 })).toBe(true);
    expect(actor.getSnapshot().context.version).toBe(0);
    expect(shown(scope).idle).toBe(true);
  });

  it("shows an object that has the methods of a scope and no more", async () => {
    const scope = open();
    const { identity, state, version } = scope;
    const actor = createActor(scopeLogic, {
      input: {
        scope: {
          identity,
          state,
          version,
          update: () => scope.incState({ n: 1 }),
          delete: () => scope.delete(),
          refresh: () => scope.refresh(),
          subscribe: (listener) => scope.subscribe(listener),
        },
      },
    }).start();
    actor.send({ type: "delete" });
    await settled();
    expect(actor.getSnapshot()).toMatchObject({ status: "active", context: { identity } });
    actor.stop();
    expect(shown(scope).idle).toBe(true);
  });
});
