import { describe, expect, it } from "vitest";
import { DEAD_MAX, Entry, Mailbox, createEntry } from "../../../actors/scope/mailbox.ts";
import { scopeSettings } from "../../../actors/scope/options.ts";
import { rejection } from "../../support/table-bridge.ts";

const identity = { type: "t", id: "a" };
const work = { operation: "set", write: () => undefined } as const;

function entry(): Entry {
  return new Entry(work, Infinity, undefined);
}

function filled(count: number, limit = Infinity): { mailbox: Mailbox; entries: Entry[] } {
  const mailbox = new Mailbox(limit);
  const entries = Array.from({ length: count }, entry);
  for (const each of entries) mailbox.enqueue(each, identity);
  return { mailbox, entries };
}

function leave(mailbox: Mailbox, each: Entry | undefined): void {
  each?.resolve(false);
  mailbox.left();
}

function drain(mailbox: Mailbox): Entry[] {
  const taken: Entry[] = [];
  for (let each = mailbox.take(); each !== null; each = mailbox.take()) taken.push(each);
  return taken;
}

describe("a mailbox", () => {
  it("M1: gives entries in order, each once, 100,000 deep", () => {
    const { mailbox, entries } = filled(100_000);
    expect(mailbox.size).toBe(100_000);
    expect(drain(mailbox).every((each, index) => each === entries[index])).toBe(true);
    expect([mailbox.size, mailbox.take()]).toEqual([0, null]);
  });

  it("M1: puts one that was taken back to the front, also of an empty mailbox", () => {
    const { mailbox, entries } = filled(2);
    const first = mailbox.take();
    expect(first).toBe(entries[0]);
    mailbox.putBack(entries[0] ?? entry());
    expect(drain(mailbox)).toEqual(entries);
    mailbox.putBack(entries[1] ?? entry());
    const last = entry();
    mailbox.enqueue(last, identity);
    expect(drain(mailbox)).toEqual([entries[1], last]);
  });

  it("M2: refuses the entry after the last that fits, and only while it is full", () => {
    const { mailbox } = filled(3, 3);
    expect(() => mailbox.enqueue(entry(), identity)).toThrow(
      expect.objectContaining({ code: "MAILBOX_FULL", limit: 3, scope: identity }),
    );
    expect(mailbox.size).toBe(3);
    mailbox.take();
    mailbox.enqueue(entry(), identity);
    expect(drain(mailbox)).toHaveLength(3);
  });

  it("M2: counts the living only", () => {
    const { mailbox, entries } = filled(2, 2);
    leave(mailbox, entries[0]);
    expect(mailbox.size).toBe(1);
    const next = entry();
    mailbox.enqueue(next, identity);
    expect([...mailbox]).toEqual([entries[1], next]);
    expect(drain(mailbox)).toEqual([entries[1], next]);
  });

  it("M3: settles an entry once, and never gives a settled one", async () => {
    const { mailbox, entries } = filled(3);
    const [first, second, third] = entries;
    second?.reject(new Error("left"));
    mailbox.left();
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
    const each = entry();
    each.release = () => void (released += 1);
    each.resolve(true);
    each.resolve(true);
    expect(released).toBe(1);
  });

  it("M4: does not keep the dead of a mailbox whose head is stuck", () => {
    const mailbox = new Mailbox(10);
    const head = entry();
    mailbox.enqueue(head, identity);
    const links = (): number => {
      let count = 0;
      for (let each: Entry | null = head; each !== null; each = each.next) count += 1;
      return count;
    };
    for (let turn = 0; turn < 10_000; turn++) {
      const each = entry();
      mailbox.enqueue(each, identity);
      leave(mailbox, each);
    }
    expect(links()).toBeLessThanOrEqual(DEAD_MAX + 2);
    const last = entry();
    mailbox.enqueue(last, identity);
    expect(drain(mailbox)).toEqual([head, last]);
  });

  it("M4: lets entries leave while the mailbox is read", () => {
    const { mailbox, entries } = filled(1_000);
    let seen = 0;
    for (const each of mailbox) {
      seen += 1;
      if (each !== entries[500]) leave(mailbox, each);
    }
    expect(seen).toBe(1_000);
    expect([mailbox.size, drain(mailbox)]).toEqual([1, [entries[500]]]);
  });
});

describe("the entry of a call", () => {
  const settings = scopeSettings(
    { clock: { now: () => 1_000, setTimeout: () => null, clearTimeout: () => undefined } },
    { initial: {}, checks: null },
  );

  it("has its deadline from the scope, or from the call, counted from now", () => {
    expect(createEntry(work, undefined, settings).deadline).toBe(31_000);
    expect(createEntry(work, { timeoutMs: 5 }, settings).deadline).toBe(1_005);
    for (const timeoutMs of [0, -1, Infinity])
      expect(createEntry(work, { timeoutMs }, settings).deadline).toBe(Infinity);
    expect(() => createEntry(work, { timeoutMs: Number.NaN }, settings)).toThrow(RangeError);
  });

  it("keeps a copy of its options, meta included", () => {
    const meta = { tags: ["a"] };
    const options = { timeoutMs: 5, meta };
    const each = createEntry(work, options, settings);
    options.timeoutMs = 7;
    meta.tags.push("b");
    expect(each.options).toEqual({ timeoutMs: 5, meta: { tags: ["a"] } });
    const bad = { meta: { f: (() => 1) as never } }; // No JSON; what it is tested for.
    expect(() => createEntry(work, bad, settings)).toThrow(
      expect.objectContaining({ code: "STATE_NOT_SERIALIZABLE", path: "meta.f" }),
    );
  });
});
