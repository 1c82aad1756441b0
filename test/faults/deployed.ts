/**
 * A child process that is one program of a rolling deploy: `kind place version count times`. It
 * works on the scopes `note/0` to `note/<count - 1>`.
 *
 *   version 1   adds to `n`, one scope after the other, until each is refused by STATE_VERSION;
 *               prints `begun` when all have been written
 *   version 2   has `count` in place of `n`, and adds to the first half of the scopes, `times` to
 *               each
 *
 * At its end it prints how many additions resolved, and the codes of all others.
 */
import { isHoldfastError } from "../../actors/errors.ts";
import { defineKind, type Kind } from "../../src/runtime/kinds.ts";
import { createRuntime } from "../../src/runtime/runtime.ts";
import type { Scope } from "../../src/runtime/scope.ts";
import { openStore } from "./open-store.ts";

interface Note extends Record<string, unknown> {
  n?: number;
  count?: number;
}

const [, , kind = "", place = "", version = "1", count = "1", times = "1"] = process.argv;
const isOld = version === "1";

const NOTE: Kind = isOld
  ? defineKind()
  : defineKind({ version: 2, migrate: { 2: ({ n }: Note) => ({ count: n ?? 0 }) } });

const runtime = createRuntime({
  store: openStore(kind, place),
  kinds: { note: NOTE },
  logger: { warn() {}, error() {} }, // The refusals are what is tested.
});
const codes = new Map<string, number>();
let added = 0;

/** Runs a call; false when it is refused. */
async function call(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    const code = isHoldfastError(error) ? error.code : String(error);
    codes.set(code, (codes.get(code) ?? 0) + 1);
    return false;
  }
}

async function add(scope: Scope<Note>): Promise<boolean> {
  const isAdded = await call(() => scope.incState(isOld ? { n: 1 } : { count: 1 }));
  if (isAdded) added += 1;
  return isAdded;
}

const ids = Array.from({ length: Number(count) }, (_, n) => String(n));
const open = (id: string): Promise<Scope<Note>> => runtime.open<Note>("note", id);
if (isOld) {
  let scopes = await Promise.all(ids.map(open));
  for (let round = 0; scopes.length > 0; round += 1) {
    const left: Scope<Note>[] = [];
    for (const scope of scopes) if (await add(scope)) left.push(scope);
    scopes = left;
    if (round === 0) process.stdout.write("begun\n");
  }
  // So are calls that change nothing, and reads.
  const [first] = await Promise.all(ids.slice(0, 1).map(open));
  await call(() => first?.patchState({}) ?? Promise.resolve());
  await call(() => runtime.read("note", ids.slice(0, 1)));
} else {
  const scopes = await Promise.all(ids.slice(0, ids.length / 2).map(open));
  for (let round = 0; round < Number(times); round += 1)
    for (const scope of scopes) await add(scope);
}
await runtime.close();
process.stdout.write(`${JSON.stringify({ added, codes: Object.fromEntries(codes) })}\n`);
