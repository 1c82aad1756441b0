import { describe, expect, it } from "vitest";
import {
  CheckpointWriter,
  type CheckpointSource,
} from "../../../../src/runtime/persistence/write-behind.ts";
import { CommitUnknownError } from "../../../../actors/errors.ts";
import type { SaveResult } from "../../../../actors/protocol.ts";
import { keepingLogger } from "../../../support/waiting.ts";

/** A scope as far as the writer sees it, and a store of one record whose answers are steered. */
class Desk {
  readonly logger = keepingLogger();
  readonly source: { -readonly [K in keyof CheckpointSource]: CheckpointSource[K] };
  readonly writer: CheckpointWriter;
  readonly writes: string[] = [];
  readonly open: (() => void)[] = [];
  record: { state: object | undefined; version: number } = { state: undefined, version: 0 };
  rests = 0;
  /** What happens to the next writes. */
  fate: ("fine" | "fail" | "lost" | "throw")[] = [];

  constructor() {
    const stored = (): void => {
      this.rests += 1;
    };
    const identity = { type: "t", id: "i" };
    this.source = { identity, state: {}, version: 0, exists: false, stored };
    const target = {
      save: (state: object, expected: number, { version }: { version: number }) =>
        this.#write(state, expected, version),
      delete: (expected: number, version: number) => this.#write(undefined, expected, version),
    };
    this.writer = new CheckpointWriter(this.source, target, {
      logger: this.logger,
      storeName: "memory",
    });
  }

  change(n: number | undefined): void {
    const { source } = this;
    source.version += 1;
    source.exists = n !== undefined;
    source.state = n === undefined ? {} : { n };
    this.writer.mark();
  }

  /** Lets the turn of the event loop end. */
  turn(): Promise<void> {
    return new Promise((resolve) => {
      setImmediate(resolve);
    });
  }

  /** Lets the write in flight go on, and what follows from it happen. */
  async go(): Promise<void> {
    await this.turn();
    this.open.shift()?.();
    await this.turn();
  }

  #write(
    state: object | undefined,
    expected: number,
    version: number,
  ): Promise<SaveResult<object>> {
    if (this.fate[0] !== "throw") return this.#answer(state, expected, version);
    this.fate.shift();
    throw new Error("not sent");
  }

  async #answer(
    state: object | undefined,
    expected: number,
    version: number,
  ): Promise<SaveResult<object>> {
    this.writes.push(`${expected}→${version}`);
    await new Promise<void>((resolve) => {
      this.open.push(resolve);
    });
    const fate = this.fate.shift() ?? "fine";
    if (fate === "fail") throw new Error("down");
    const { record } = this;
    if (record.version !== expected)
      return record.state === undefined
        ? { ok: false, current: undefined, version: record.version }
        : { ok: false, current: { state: record.state, version: record.version } };
    this.record = { state, version };
    if (fate === "lost") throw new CommitUnknownError();
    return { ok: true, version };
  }
}

describe("a checkpoint writer", () => {
  it("H3 writes again after a write that failed before it was sent", async () => {
    const desk = new Desk();
    desk.fate = ["throw"];
    desk.change(1);
    await expect(desk.writer.flush()).rejects.toThrow("not sent");
    const stored = desk.writer.flush();
    await desk.go();
    await stored;
    expect(desk.record).toEqual({ state: { n: 1 }, version: 1 });
  });

  it("H1 folds what comes while a write is in flight", async () => {
    const desk = new Desk();
    desk.change(1);
    await desk.turn();
    for (const n of [2, 3]) desk.change(n);
    await desk.go();
    expect(desk.writes).toEqual(["0→1", "1→3"]);
    expect([desk.writer.clean, desk.rests]).toEqual([false, 0]);
    await desk.go();
    expect([desk.writer.clean, desk.rests]).toEqual([true, 1]);
    expect(desk.record).toEqual({ state: { n: 3 }, version: 3 });
  });

  it("H1 writes what a turn of the event loop has marked at once, and not before its end", async () => {
    const desk = new Desk();
    desk.change(1);
    await Promise.resolve();
    desk.change(2);
    expect(desk.writes).toEqual([]);
    await desk.turn();
    expect(desk.writes).toEqual(["0→2"]);
    await desk.go();
    expect([desk.writes, desk.writer.clean]).toEqual([["0→2"], true]);
  });

  it("H3 a flush does not wait for the end of the turn", async () => {
    const desk = new Desk();
    desk.change(1);
    const flush = desk.writer.flush();
    expect(desk.writes).toEqual(["0→1"]);
    await desk.go();
    await flush;
    expect([desk.writes, desk.rests]).toEqual([["0→1"], 1]);
  });

  it("H3 a flush waits for the state of its call and not for later ones", async () => {
    const desk = new Desk();
    desk.change(1);
    await desk.turn();
    desk.change(2);
    let flushed = false;
    const flush = desk.writer.flush().then(() => {
      flushed = true;
    });
    await desk.go();
    expect(flushed).toBe(false);
    desk.change(3);
    await desk.go();
    await flush;
    expect(desk.writes.at(-1)).toBe("2→3");
    expect(desk.writer.clean).toBe(false);
    await desk.go();
    await desk.writer.flush();
  });

  it("H4 a failure is logged and counted, and the next mark tries again", async () => {
    const desk = new Desk();
    desk.fate = ["fail", "fail"];
    desk.change(1);
    await desk.go();
    expect(desk.writer.errors).toBe(1);
    expect(desk.writer.failure).toMatchObject({ message: "down" });
    expect(desk.logger.lines).toHaveLength(1);
    const flush = expect(desk.writer.flush()).rejects.toThrow("down");
    await desk.go();
    await flush;
    desk.change(2);
    await desk.go();
    expect(desk.record).toEqual({ state: { n: 2 }, version: 2 });
    expect([desk.writer.errors, desk.writer.failure]).toEqual([2, null]);
  });

  it.each([1, undefined])("H5 a lost answer counts when %s is found", async (n) => {
    const desk = new Desk();
    desk.fate = ["fail", "lost", "fail"];
    desk.change(7);
    await desk.go();
    desk.change(n);
    await desk.go();
    desk.change(3);
    await desk.go();
    desk.change(4);
    await desk.go();
    // The conflict was with our own write, so the newest goes on from it.
    await desk.go();
    expect(desk.record).toEqual({ state: { n: 4 }, version: 4 });
    expect(desk.writer.clean).toBe(true);
  });

  it("H5 a record like one that was refused is another owner's", async () => {
    const desk = new Desk();
    desk.fate = ["fail"];
    desk.change(1);
    await desk.go();
    desk.record = { state: { n: 1 }, version: 1 };
    const flush = expect(desk.writer.flush()).rejects.toMatchObject({
      code: "CONCURRENT_MODIFICATION",
    });
    await desk.go();
    await flush;
  });

  it("H2 another owner's record of the same version is a conflict, until it was read", async () => {
    const desk = new Desk();
    desk.fate = ["fail"];
    desk.change(1);
    await desk.go();
    desk.record = { state: { n: 99 }, version: 1 };
    const flush = expect(desk.writer.flush()).rejects.toMatchObject({
      code: "CONCURRENT_MODIFICATION",
      expectedVersion: 0,
      actualVersion: 1,
    });
    await desk.go();
    await flush;
    expect(desk.record.state).toEqual({ n: 99 });
    desk.source.version = 1;
    desk.writer.loaded(1);
    expect(desk.writer.clean).toBe(true);
  });
});
