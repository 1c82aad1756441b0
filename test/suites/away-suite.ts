/** A server that goes away under a runtime and comes back: what callers, scopes and readers see. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type { FeedItem } from "../../actors/protocol.ts";
import { createRuntime, type Runtime } from "../../src/runtime/runtime.ts";
import type { Scope } from "../../src/runtime/scope.ts";
import type { StateStore } from "../../src/stores/contract.ts";
import { startProxy } from "../support/tcp-proxy.ts";
import { keepingLogger, served, until } from "../support/waiting.ts";

/** A server that can be stopped as a crash stops it, and keeps what it acknowledged. */
export interface AwayServer {
  readonly name: string;
  begin(): Promise<void>;
  port(): number;
  /** One more store on the data of a test, which repeats a call for `timeoutMs`. */
  open(id: string, at: { readonly timeoutMs: number; readonly port: number }): StateStore;
  stop(): Promise<void>;
  start(): Promise<void>;
  end(): Promise<void>;
}

interface Seen {
  ids?: string[];
}

const ALLOWED = ["COMMIT_UNKNOWN", "STORE_UNAVAILABLE"];

/** What became of each call. */
class Calls {
  readonly answered: string[] = [];
  readonly unknown: string[] = [];
  readonly refused: string[] = [];
  readonly name: string;
  readonly #scope: Scope<Seen>;
  #next = 0;

  constructor(scope: Scope<Seen>, name: string) {
    this.#scope = scope;
    this.name = name;
  }

  /** How many calls have ended. */
  made(): number {
    return this.answered.length + this.unknown.length + this.refused.length;
  }

  /** Makes calls until so many were answered: the first ones may be too slow for a short limit. */
  async untilAnswered(count: number): Promise<void> {
    while (this.answered.length < count) await this.push();
  }

  async push(): Promise<void> {
    this.#next += 1;
    const id = `${this.name}${this.#next}`;
    try {
      await this.#scope.pushState("ids", id);
      this.answered.push(id);
    } catch (error) {
      const code = String(Reflect.get(Object(error), "code") ?? error);
      expect(ALLOWED).toContain(code);
      (code === "COMMIT_UNKNOWN" ? this.unknown : this.refused).push(id);
    }
  }
}

/** Registers the cases for one kind of server. */
export function awaySuite(server: AwayServer): void {
  describe(`a runtime whose ${server.name} server goes away`, () => {
    const rejections: unknown[] = [];
    const note = (reason: unknown): void => void rejections.push(reason);
    let count = 0;

    beforeAll(async () => {
      process.on("unhandledRejection", note);
      await server.begin();
    }, 60_000);
    afterAll(async () => {
      await server.end();
      process.off("unhandledRejection", note);
      expect(rejections).toEqual([]);
    }, 60_000);

    async function openOn(
      id: string,
      timeoutMs: number,
      port = server.port(),
    ): Promise<{ runtime: Runtime; scope: Scope<Seen> }> {
      const store = server.open(id, { timeoutMs, port });
      const runtime = createRuntime({ store, logger: keepingLogger() });
      onTestFinished(() => runtime.close().catch(() => undefined));
      return { runtime, scope: await runtime.open<Seen>("user", "u") };
    }

    function freshId(): string {
      count += 1;
      return `away${count}`;
    }

    it("P10 while it is away every caller is told; when it is back the scope goes on", async () => {
      const id = freshId();
      const { runtime, scope } = await served(() => openOn(id, 300));
      const calls = new Calls(scope, "a");
      await calls.untilAnswered(1);
      await server.stop();
      const before = calls.made();
      await Promise.all(Array.from({ length: 20 }, () => calls.push()));
      expect([calls.answered.length, calls.made() - before]).toEqual([1, 20]);
      await expect(runtime.open("user", "other")).rejects.toMatchObject({
        code: "STORE_UNAVAILABLE",
      });
      await server.start();
      await calls.untilAnswered(2);
      await served(() => scope.refresh());
      const ids = [...(scope.state.ids ?? [])];
      expect(ids.filter((each) => !calls.unknown.includes(each))).toEqual(calls.answered);
      expect((await served(() => runtime.open("user", "other"))).version).toBe(0);
    }, 60_000);

    it("P2 P8 restarts under load: nothing acknowledged is lost, nothing is there twice", async () => {
      const id = freshId();
      const sides = await Promise.all(["a", "b"].map(() => openOn(id, 10_000)));
      const all = sides.map(({ scope }, index) => new Calls(scope, index === 0 ? "a" : "b"));
      const work = { isOver: false };
      const working = all.map(async (calls) => {
        while (!work.isOver) await Promise.all([calls.push(), calls.push(), calls.push()]);
      });
      // So many more of each side: the server goes away between them, not before or after all.
      const more = async (): Promise<void> => {
        const goals = all.map(({ answered }) => answered.length + 5);
        const isReached = (): boolean =>
          all.every(({ answered }, at) => answered.length >= (goals[at] ?? 0));
        await until(isReached, 20_000);
      };
      for (let round = 0; round < 3; round += 1) {
        await more();
        await server.stop();
        await sleep(100); // Long enough for attempts that fail.
        await server.start();
      }
      await more();
      work.isOver = true;
      await Promise.all(working);
      const { scope } = await openOn(id, 5_000);
      const ids = [...(scope.state.ids ?? [])];
      expect(new Set(ids).size).toBe(ids.length);
      expect(scope.version).toBe(ids.length);
      for (const calls of all) {
        expect(calls.answered.length).toBeGreaterThan(10);
        const own = ids.filter((each) => each.startsWith(calls.name));
        expect(own.filter((each) => !calls.unknown.includes(each))).toEqual(calls.answered);
        expect(own.filter((each) => calls.refused.includes(each))).toEqual([]);
      }
    }, 120_000);

    it("P6 a reader is told of the gap by one snapshot marker, then of every change", async () => {
      const id = freshId();
      const proxy = await startProxy(server.port());
      onTestFinished(() => proxy.close());
      const [here, there] = [await openOn(id, 10_000), await openOn(id, 10_000, proxy.port)];
      const items: FeedItem<Seen>[] = [];
      const reader = (async () => {
        for await (const item of there.scope.changes()) items.push(item);
      })();
      const calls = new Calls(here.scope, "a");
      await calls.push();
      await until(() => items.at(-1)?.version === 1);
      const before = items.length;
      proxy.refuse();
      await server.stop();
      const waiting = [calls.push(), calls.push(), calls.push()];
      await server.start();
      await Promise.all(waiting);
      proxy.accept(); // The reader is back later than the writer, so he did miss something.
      expect(calls.answered).toHaveLength(4);
      await until(() => there.scope.version === 4, 20_000);
      await calls.push();
      await until(() => there.scope.version === 5, 20_000);
      await there.runtime.close();
      await reader;
      expect(there.scope.state.ids).toEqual(["a1", "a2", "a3", "a4", "a5"]);
      const versions = items.map(({ version }) => version);
      expect(versions).toEqual(versions.toSorted((a, b) => a - b));
      expect(versions.at(-1)).toBe(5);
      // The first may be a marker too, where its store was silent for too long on a busy machine.
      expect(items[0]?.version).toBe(1);
      const [marker, ...changes] = items.slice(before);
      expect(marker).toMatchObject({ type: "snapshot" });
      for (const change of changes)
        expect(change).toMatchObject({ type: "state_change", origin: "remote" });
    }, 60_000);
  });
}
