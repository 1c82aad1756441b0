import { describe, expect, it } from "vitest";
import { unlessAborted } from "../../../actors/scope/abort.ts";
import {
  backoffMs,
  conflictError,
  ownRetries,
  retry,
  type SaveStep,
} from "../../../actors/scope/retry.ts";
import type { CasOptions } from "../../../actors/protocol.ts";
import { casBudget } from "../../../actors/scope/options.ts";
import { simulatedClock } from "../../../src/testing/clock.ts";
import { gate, settled } from "../../support/waiting.ts";

interface Outcome {
  /** How the last attempt ended, or what one threw. */
  readonly end: unknown;
  readonly times: readonly number[];
  readonly exclusives: number;
}

async function conflict(
  cas: CasOptions,
  answer: (count: number) => SaveStep | Error,
  options: {
    random?: () => number;
    exclusive?: () => SaveStep | Error;
    first?: SaveStep;
  } = {},
): Promise<Outcome> {
  const clock = simulatedClock();
  const times: number[] = [];
  let exclusives = 0;
  const { exclusive, first } = options;
  const give = async (step: SaveStep | Error): Promise<SaveStep> => {
    await Promise.resolve();
    if (step instanceof Error) throw step;
    return step;
  };
  let end: unknown;
  const work = retry({
    cas: casBudget(cas),
    clock,
    random: options.random ?? (() => 0.5),
    first: first ?? "conflict",
    attempt: () => {
      times.push(clock.now());
      return give(answer(times.length));
    },
    exclusive:
      exclusive === undefined
        ? undefined
        : () => {
            exclusives += 1;
            return give(exclusive());
          },
  });
  const over = (value: unknown): void => void (end = value);
  work.then(over, over);
  await clock.advance(1_000_000);
  expect(clock.pending).toBe(0);
  return { end, times, exclusives };
}

describe("a conflict being worked on", () => {
  it("P1: waits exactly 10, 20 and 40 ms by default, then gives up after 4 attempts", async () => {
    const { end, times } = await conflict({}, () => "conflict");
    expect(times).toEqual([10, 30, 70]);
    expect(end).toBe("conflict");
    const versions = { expectedVersion: 1, actualVersion: 2 };
    expect(conflictError(casBudget(), versions)).toMatchObject({ attempts: 4, ...versions });
  });

  it("ends with the first save that succeeds, or finds nothing left to save", async () => {
    const second = await conflict({}, (count) => (count === 2 ? "saved" : "conflict"));
    expect([second.times, second.end]).toEqual([[10, 30], "saved"]);
    expect((await conflict({}, () => "empty")).end).toBe("empty");
  });

  it("waits no longer than maxDelayMs", async () => {
    const { times } = await conflict({ maxRetries: 5, maxDelayMs: 25 }, () => "conflict");
    expect(times).toEqual([10, 30, 55, 80, 105]);
  });

  it("draws each wait from [0, wait) with full jitter", async () => {
    const draws = [0, 0.25, 0.999];
    let drawn = 0;
    const random = (): number => draws[drawn++] ?? 0;
    const { times } = await conflict({ jitter: "full" }, () => "conflict", { random });
    expect(times).toEqual([0, 5, 44]);
  });

  it("P1: takes negative and broken retries down, and baseDelayMs 0 as no wait", async () => {
    const first = await conflict({ maxRetries: -1 }, () => "conflict");
    expect([first.times, first.end]).toEqual([[], "conflict"]);
    const none = await conflict({ maxRetries: 2.9, baseDelayMs: 0 }, () => "conflict");
    expect([none.times, none.end]).toEqual([[0, 0], "conflict"]);
  });

  it("refuses NaN and an unknown jitter", () => {
    for (const name of ["maxRetries", "baseDelayMs", "maxDelayMs"])
      expect(() => casBudget({ [name]: Number.NaN })).toThrow(`cas.${name}`);
    expect(() => casBudget({ jitter: "some" as "full" })).toThrow(RangeError); // Not typed on purpose.
  });

  it("never waits a number of milliseconds that is none", () => {
    const budget = casBudget({ baseDelayMs: 0, maxRetries: 5_000 });
    expect(backoffMs(budget, 5_000, () => 0)).toBe(0);
    expect(backoffMs(casBudget({ maxDelayMs: 50 }), 5_000, () => 0)).toBe(50);
  });

  it("P2: does not repeat a save that throws", async () => {
    const down = new Error("down");
    const { end, times } = await conflict({}, () => down);
    expect([times.length, end]).toEqual([1, down]);
  });

  it("P1: escalates once after the last retry, only when told to and able to", async () => {
    const escalate = { escalate: true, maxRetries: 1 };
    const exclusive = (): SaveStep => "saved";
    const won = await conflict(escalate, () => "conflict", { exclusive });
    expect([won.exclusives, won.end]).toEqual([1, "saved"]);
    const lost = await conflict(escalate, () => "conflict", { exclusive: () => "conflict" });
    expect([lost.exclusives, lost.end]).toEqual([1, "conflict"]);
    const down = new Error("down");
    const threw = await conflict(escalate, () => "conflict", { exclusive: () => down });
    expect(threw.end).toBe(down);
    const off = await conflict({ maxRetries: 1 }, () => "conflict", { exclusive });
    expect([off.exclusives, off.end]).toEqual([0, "conflict"]);
    expect((await conflict(escalate, () => "conflict")).end).toBe("conflict");
  });

  it("P1: waits for an owner that keeps the record, whatever the budget says", async () => {
    const exclusive = (): SaveStep => "saved";
    const kept = await conflict({ maxRetries: 1 }, () => "kept", { exclusive });
    expect([kept.exclusives, kept.end]).toEqual([1, "saved"]);
    const first = await conflict({ maxRetries: 0 }, () => "kept", { exclusive, first: "kept" });
    expect([first.times, first.exclusives, first.end]).toEqual([[], 1, "saved"]);
    const last = await conflict({ maxRetries: 1 }, () => "conflict", { exclusive, first: "kept" });
    expect([last.exclusives, last.end]).toEqual([0, "conflict"]);
  });

  it("P3: stops at once while it waits, and after the save while it saves", async () => {
    const clock = simulatedClock();
    const saving = gate<SaveStep>();
    const port = {
      cas: casBudget({}),
      clock,
      random: Math.random,
      first: "conflict" as const,
      attempt: () => saving.promise,
    };
    const early = new AbortController();
    const waiting = retry({ ...port, signal: early.signal });
    early.abort();
    expect(await waiting).toBe("empty");
    expect(clock.pending).toBe(0);
    const late = new AbortController();
    const inFlight = retry({ ...port, signal: late.signal });
    await clock.advance(10);
    late.abort();
    let isOver = false;
    void inFlight.then(() => (isOver = true));
    await settled();
    expect(isOver).toBe(false);
    saving.open("saved");
    expect(await inFlight).toBe("saved");
  });

  it("P3: stops at once while it waits for the lease", async () => {
    const stopped = new AbortController();
    const { signal } = stopped;
    const kept = retry({
      cas: casBudget({ maxRetries: 0 }),
      clock: simulatedClock(),
      random: Math.random,
      first: "kept",
      signal,
      attempt: () => Promise.resolve("conflict"),
      exclusive: () => unlessAborted(new Promise(() => undefined), signal).then(() => "saved"),
    });
    stopped.abort();
    expect(await kept).toBe("empty");
  });

  it("P1: makes the first attempt, too, without the end of one", async () => {
    const attempts: number[] = [];
    const attempt = async (count: number): Promise<SaveStep> => {
      attempts.push(count);
      return count === 3 ? "saved" : "conflict";
    };
    const end = retry({ ...ownRetries({ baseDelayMs: 0 }), attempt });
    expect([await end, attempts]).toEqual(["saved", [1, 2, 3]]);
  });
});
