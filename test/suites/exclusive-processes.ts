/** Exclusive sections of several real processes, on any store they can share. */
import { afterAll, expect, it } from "vitest";
import { isHoldfastError } from "../../actors/errors.ts";
import { defineKind } from "../../src/runtime/kinds.ts";
import { createRuntime, type Runtime } from "../../src/runtime/runtime.ts";
import type { RuntimeOptions } from "../../src/runtime/options.ts";
import type { Scope } from "../../src/runtime/scope.ts";
import { openStore } from "../faults/open-store.ts";
import { startChild, type Child } from "../support/child.ts";
import type { MeetingPlace } from "./contention-suite.ts";
import { settled } from "../support/waiting.ts";

const PROCESSES = 3;
const TIMES = 30;
const TIMEOUT = { timeout: 120_000 };

type Counter = { n?: number };

/** What ends the runtimes and children of the cases, which mostly wait, and so run together. */
const ends: (() => unknown)[] = [];

/** A scope of this process. */
async function opened(
  { kind }: MeetingPlace,
  at: string,
  { type = "user", ...options }: RuntimeOptions & { readonly type?: string } = {},
): Promise<Scope<Counter>> {
  const kinds = { draft: defineKind({ durability: "checkpoint" }) };
  const store = openStore(kind, at);
  const runtime: Runtime = createRuntime({ mutationTimeoutMs: 60_000, ...options, kinds, store });
  ends.push(() => runtime.close());
  return runtime.open<Counter>(type, "shared");
}

function child(place: MeetingPlace, at: string, ...args: string[]): Child {
  const started = startChild("section-owner.ts", [place.kind, at, ...args]);
  ends.push(() => started.process.kill("SIGKILL"));
  return started;
}

/** A process that is inside its section and has added 1. */
async function inside(place: MeetingPlace, at: string, ...args: string[]): Promise<Child> {
  const owner = child(place, at, ...args);
  await owner.started;
  expect(owner.output()).toBe("inside\n");
  return owner;
}

/**
 * Stops the process and runs `work`; when the process has stopped while it renewed its lease, which
 * locks the file of SQLite for all, it goes on and is stopped again. It stays stopped.
 */
async function whileStopped(owner: Child, work: () => Promise<unknown>): Promise<void> {
  for (;;) {
    owner.process.kill("SIGSTOP");
    try {
      await work();
      return;
    } catch (error) {
      if (!isHoldfastError(error) || error.code !== "STORE_UNAVAILABLE") throw error;
      owner.process.kill("SIGCONT");
      await settled(10);
    }
  }
}

function linesOf(owner: Child): string[] {
  return owner.output().trim().split("\n");
}

/** Registers the cases for one kind of store. */
export function exclusiveProcesses(place: MeetingPlace): void {
  const { kind } = place;

  afterAll(async () => {
    await Promise.all(ends.splice(0).map((end) => end()));
  });

  it.concurrent(
    `${PROCESSES} processes lose nothing on ${kind} by sections and plain calls`,
    TIMEOUT,
    async () => {
      const at = place.fresh();
      const children = Array.from({ length: PROCESSES }, () =>
        child(place, at, "user", "count", String(TIMES)),
      );
      await Promise.all(children.map(({ started }) => started));
      for (const each of children) each.begin();
      expect(await Promise.all(children.map(({ closed }) => closed))).toEqual(
        children.map(() => 0),
      );
      expect(children.map(linesOf)).toEqual(children.map(() => ["ready", "disturbed 0"]));
      const scope = await opened(place, at);
      expect(scope.state.n).toBe(PROCESSES * TIMES);
    },
  );

  it.concurrent(
    `others continue on ${kind} when the process of a section is killed`,
    TIMEOUT,
    async () => {
      const at = place.fresh();
      const owner = await inside(place, at, "user", "keep");
      const scope = await opened(place, at);
      const log: string[] = [];
      const others = [
        scope.incState({ n: 10 }).then(() => log.push("plain")),
        scope.exclusive((held) => held.incState({ n: 100 })).then(() => log.push("section")),
      ];
      await settled(100);
      expect(log).toEqual([]);
      owner.process.kill("SIGKILL");
      await Promise.all(others);
      expect(log).toEqual(["plain", "section"]);
      expect((await scope.read()).n).toBe(111);
    },
  );

  it.concurrent.each([true, false])(
    `a process that stood still past its lease on ${kind} stores nothing more, taken over: %s`,
    TIMEOUT,
    async (isTaken) => {
      const at = place.fresh();
      const owner = await inside(place, at, "user", "keep");
      const scope = await opened(place, at);
      // Each of them gets the record only when the lease is over.
      await whileStopped(owner, () =>
        scope.exclusive((held) => (isTaken ? held.setState({ n: 100 }) : undefined)),
      );
      owner.begin();
      owner.process.kill("SIGCONT");
      expect(await owner.closed).toBe(0);
      expect(linesOf(owner)).toEqual(["inside", "over EXCLUSIVE_LOST aborted"]);
      expect((await scope.read()).n).toBe(isTaken ? 100 : 1);
    },
  );

  it.concurrent.each([
    ["user", true],
    ["user", false],
    ["draft", true],
  ])(
    `a section on ${kind} lasts for two leases, and a write of a %s waits (escalate: %s)`,
    TIMEOUT,
    async (type, escalate) => {
      const at = place.fresh();
      const owner = await inside(place, at, type, "last", "2");
      const scope = await opened(place, at, { type, cas: { escalate } });
      await scope.incState({ n: 10 });
      await scope.flush();
      expect(await owner.closed).toBe(0);
      expect(linesOf(owner)).toEqual(["inside", "over stored 2"]);
      await scope.refresh();
      expect(scope.state.n).toBe(12);
    },
  );
}
