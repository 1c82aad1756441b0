/** Kinds of scopes: bad declarations are refused where they are made. */
import { expect, it } from "vitest";
import { createRuntime, defineKind, memoryStore, type Kind } from "../../../src/index.ts";
import { memoryView } from "../../support/sequencer.ts";
import { settled } from "../../support/waiting.ts";

it("refuses a bad durability, time to live and history", () => {
  expect(() => defineKind({ durability: "forever" as never })).toThrow(/durability must be/);
  expect(() => defineKind({ ttlMs: 0 })).toThrow(/ttlMs must be more than 0/);
  expect(() => defineKind({ ttlMs: Number.NaN })).toThrow(RangeError);
  expect(() => defineKind({ history: Number.NaN })).toThrow(RangeError);
});

it("refuses a time to live that the store cannot keep", () => {
  const store = memoryStore();
  const timeless = { ...memoryView(store), supports: { ...store.supports, ttl: false } };
  const kinds = { short: defineKind({ ttlMs: 1_000 }) };
  expect(() => createRuntime({ store: timeless, kinds })).toThrow(/keeps none/);
});

it("takes the same kind again, and no other one of that name", async () => {
  const runtime = createRuntime();
  const kind = defineKind({ durability: "volatile" });
  runtime.declare("typing", kind);
  runtime.declare("typing", kind);
  expect(() => runtime.declare("typing", defineKind())).toThrow(/declared already/);
  const typing = await runtime.open<{ on: boolean }>("typing", "ann");
  expect(await typing.patchState({ on: true })).toBe(true);
  await runtime.close();
});

it("refuses what is no store", () => {
  for (const store of ["bot.db", memoryStore, {}])
    expect(() => createRuntime({ store: store as never })).toThrow(/store must be a store/);
});

it("createRuntime refuses an option there is not, by its name", () => {
  const options: object = { stores: memoryStore() }; // As a program without types has it.
  expect(() => createRuntime(options)).toThrow(/createRuntime.*"stores".*store/s);
});

it("checks a kind that is a plain object, and fills in its defaults", async () => {
  // As from JavaScript: the types ask for what `defineKind` gives.
  const plain = (options: object): { readonly session: Kind } => ({ session: options as Kind });
  expect(() => createRuntime({ kinds: plain({ durability: "comit" }) })).toThrow(RangeError);
  const store = memoryStore();
  const [mine, others] = [{}, {}].map(() => createRuntime({ store, kinds: plain({}) }));
  const older = await others?.open("session", "s");
  const scope = await mine?.open("session", "s");
  expect(await scope?.patchState({ mode: "agent" })).toBe(true);
  expect(await older?.patchState({ mode: "agent" })).toBe(false);
  expect(older?.state).toEqual({ mode: "agent" });
  await Promise.all([mine?.close(), others?.close()]);
});

it("lets scopes of a kind that is not resident leave memory once nothing of them runs", async () => {
  const kinds = { note: defineKind<{ n?: number }>({ resident: false }) };
  await using runtime = createRuntime({ kinds });
  const note = await runtime.open("note", "a");
  expect(runtime.residentScopes).toBe(0);
  const calls = Array.from({ length: 10 }, () => note.incState({ n: 1 }));
  expect(await runtime.open("note", "a")).toMatchObject({ identity: note.identity });
  await Promise.all(calls);
  await settled();
  expect(note.state).toEqual({ n: 10 });
  expect(runtime.residentScopes).toBe(0);
  const off = note.subscribe(() => undefined);
  await note.incState({ n: 1 });
  expect(runtime.residentScopes).toBe(1);
  off();
  await note.incState({ n: 1 });
  await settled();
  expect(runtime.residentScopes).toBe(0);
  expect((await runtime.open("note", "a")).state).toEqual({ n: 12 });
  expect(() => defineKind({ resident: false, durability: "volatile" })).toThrow(TypeError);
});
