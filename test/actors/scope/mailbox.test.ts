import { describe, expect, it } from "vitest";
import { createCall } from "../../../actors/scope/admission.ts";
import { DEAD_MAX, Call, Mailbox } from "../../../actors/scope/mailbox.ts";
import { scopeSettings } from "../../../actors/scope/options.ts";
import { rejection } from "../../support/waiting.ts";

const identity = { type: "t", id: "a" };
const work = { operation: "set", write: () => undefined } as const;

function call(): Call {
  return new Call(work, Infinity, undefined);
}

/** A scope whose mailbox has this limit. */
function owner(mailboxLimit = Infinity): Parameters<Mailbox["enqueue"]>[1] {
  return { identity, settings: { mailboxLimit } };
}

function filled(count: number, limit?: number): { mailbox: Mailbox; calls: Call[] } {
  const mailbox = new Mailbox();
  const calls = Array.from({ length: count }, call);
  for (const each of calls) mailbox.enqueue(each, owner(limit));
  return { mailbox, calls };
}

function leave(mailbox: Mailbox, each: Call | undefined): void {
  each?.resolve(false);
  mailbox.cancelled();
}

function drain(mailbox: Mailbox): Call[] {
  const taken: Call[] = [];
  for (let each = mailbox.take(); each !== null; each = mailbox.take()) taken.push(each);
  return taken;
}

describe("a mailbox", () => {
  it("M1: gives calls in order, each once, 100,000 deep", () => {
    const { mailbox, calls } = filled(100_000);
    expect(mailbox.size).toBe(100_000);
    expect(drain(mailbox).every((each, index) => each === calls[index])).toBe(true);
    expect([mailbox.size, mailbox.take()]).toEqual([0, null]);
  });

  it("M1: puts one that was taken back to the front, also of an empty mailbox", () => {
    const { mailbox, calls } = filled(2);
    const first = mailbox.take();
    expect(first).toBe(calls[0]);
    mailbox.putBack(calls[0] ?? call());
    expect(drain(mailbox)).toEqual(calls);
    mailbox.putBack(calls[1] ?? call());
    const last = call();
    mailbox.enqueue(last, owner(10));
    expect(drain(mailbox)).toEqual([calls[1], last]);
  });

  it("M2: refuses the call after the last that fits, and only while it is full", async () => {
    const { mailbox } = filled(3, 3);
    const refused = call();
    mailbox.enqueue(refused, owner(3));
    await expect(refused.promise).rejects.toMatchObject({
      code: "MAILBOX_FULL",
      limit: 3,
      scope: identity,
    });
    expect(mailbox.size).toBe(3);
    mailbox.take();
    mailbox.enqueue(call(), owner(3));
    expect(drain(mailbox)).toHaveLength(3);
  });

  it("M2: counts the living only", () => {
    const { mailbox, calls } = filled(2, 2);
    leave(mailbox, calls[0]);
    expect(mailbox.size).toBe(1);
    const next = call();
    mailbox.enqueue(next, owner(2));
    expect([...mailbox]).toEqual([calls[1], next]);
    expect(drain(mailbox)).toEqual([calls[1], next]);
  });

  it("M3: settles an entry once, and never gives a settled one", async () => {
    const { mailbox, calls } = filled(3);
    const [first, second, third] = calls;
    second?.reject(new Error("left"));
    mailbox.cancelled();
    second?.resolve(true);
    second?.reject(new Error("again"));
    expect(await rejection(second?.promise ?? Promise.resolve())).toMatchObject({
      message: "left",
    });
    expect(second?.settled).toBe(true);
    expect(drain(mailbox)).toEqual([first, third]);
  });

  it("M3: forgets the abort listener when it settles", () => {
    let released = 0;
    const each = call();
    each.release = () => void (released += 1);
    each.resolve(true);
    each.resolve(true);
    expect(released).toBe(1);
  });

  it("M4: does not keep the dead of a mailbox whose head is stuck", () => {
    const mailbox = new Mailbox();
    const head = call();
    mailbox.enqueue(head, owner(10));
    const links = (): number => {
      let count = 0;
      for (let each: Call | null = head; each !== null; each = each.next) count += 1;
      return count;
    };
    for (let turn = 0; turn < 10_000; turn++) {
      const each = call();
      mailbox.enqueue(each, owner(10));
      leave(mailbox, each);
    }
    expect(links()).toBeLessThanOrEqual(DEAD_MAX + 2);
    const last = call();
    mailbox.enqueue(last, owner(10));
    expect(drain(mailbox)).toEqual([head, last]);
  });

  it("M4: lets calls leave while the mailbox is read", () => {
    const { mailbox, calls } = filled(1_000);
    let seen = 0;
    for (const each of mailbox) {
      seen += 1;
      if (each !== calls[500]) leave(mailbox, each);
    }
    expect(seen).toBe(1_000);
    expect([mailbox.size, drain(mailbox)]).toEqual([1, [calls[500]]]);
  });
});

describe("the entry of a call", () => {
  const settings = scopeSettings(
    { clock: { now: () => 1_000, setTimeout: () => null, clearTimeout: () => undefined } },
    { checks: null },
  );

  it("has its deadline from the scope, or from the call, counted from now", () => {
    expect(createCall(work, undefined, settings).deadline).toBe(31_000);
    expect(createCall(work, { timeoutMs: 5 }, settings).deadline).toBe(1_005);
    for (const timeoutMs of [0, -1, Infinity])
      expect(createCall(work, { timeoutMs }, settings).deadline).toBe(Infinity);
    expect(() => createCall(work, { timeoutMs: Number.NaN }, settings)).toThrow(RangeError);
  });

  it("keeps a copy of its options, meta included", () => {
    const meta = { tags: ["a"] };
    const options = { timeoutMs: 5, meta };
    const each = createCall(work, options, settings);
    options.timeoutMs = 7;
    meta.tags.push("b");
    expect(each.options).toEqual({ timeoutMs: 5, meta: { tags: ["a"] } });
    const bad = { meta: { f: (() => 1) as never } }; // No JSON; what it is tested for.
    expect(() => createCall(work, bad, settings)).toThrow(
      expect.objectContaining({ code: "STATE_NOT_SERIALIZABLE", path: "meta.f" }),
    );
  });
});
