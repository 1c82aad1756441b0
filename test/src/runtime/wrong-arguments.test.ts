/** Arguments that the types forbid, from JavaScript: each is refused at the call, by its name. */
import { expect, it } from "vitest";
import { createRuntime, defineSequencer } from "../../../src/index.ts";
import { rejection } from "../../support/waiting.ts";

const sequencer = defineSequencer({ name: "s" }).step("a", () => 1);
const runtime = createRuntime();
const chat = await runtime.open<{ n: number }>("session", "c");

const calls: [string, (given: never) => unknown, unknown, Error][] = [
  [
    "subscribe",
    (given) => chat.subscribe(given),
    5,
    new TypeError("subscribe needs a function, received number"),
  ],
  [
    "subscribe of a runtime",
    (given) => runtime.subscribe(given),
    undefined,
    new TypeError("subscribe needs a function, received undefined"),
  ],
  [
    "since",
    (since) => chat.changes({ since }),
    "1",
    new RangeError("since must be a number, received string"),
  ],
  [
    "meta",
    (meta) => chat.patchState({ n: 1 }, { meta }),
    5,
    new TypeError("meta must be an object, received number"),
  ],
  [
    "meta of a recipe",
    (meta) => chat.update((draft) => void (draft.n = 1), { meta }),
    ["a"],
    new TypeError("meta must be an object, received array"),
  ],
  [
    "meta of a transaction",
    (meta) => runtime.transact([chat], ([draft]) => draft?.n, { meta }),
    null,
    new TypeError("meta must be an object, received null"),
  ],
  [
    "namespace",
    (namespace) => createRuntime({ namespace }),
    "",
    new RangeError("namespace must not be empty"),
  ],
  [
    "drainMs",
    (drainMs) => createRuntime().close({ drainMs }),
    -1,
    new RangeError("drainMs must be 0 or more, received -1"),
  ],
  [
    "signal of changes",
    (signal) => chat.changes({ signal }),
    5,
    new TypeError("signal must be an AbortSignal, received number"),
  ],
  [
    "signal of all changes",
    (signal) => runtime.changes({ signal }),
    {},
    new TypeError("signal must be an AbortSignal, received object"),
  ],
  [
    "signal of a call",
    (signal) => chat.incState({ n: 1 }, { signal }),
    {},
    new TypeError("signal must be an AbortSignal, received object"),
  ],
  [
    "signal of a section",
    (signal) => chat.exclusive(() => 1, { signal }),
    {},
    new TypeError("signal must be an AbortSignal, received object"),
  ],
  [
    "timeoutMs of a call",
    (timeoutMs) => chat.incState({ n: 1 }, { timeoutMs }),
    "1",
    new RangeError("timeoutMs must be a number, received string"),
  ],
  [
    "timeoutMs of a section",
    (timeoutMs) => chat.exclusive(() => 1, { timeoutMs }),
    "1",
    new RangeError("timeoutMs must be a number, received string"),
  ],
  [
    "list",
    (given) => runtime.list(given),
    "session",
    new TypeError(
      "list needs an object with its options: type, prefix, cursor, limit, reverse, states",
    ),
  ],
  [
    "an empty id",
    () => runtime.open("session", ""),
    "",
    new TypeError('a scope id must be a text that is not empty, received ""'),
  ],
  [
    "run",
    (given) => runtime.run<typeof sequencer>(given).result,
    { name: "s", steps: [] },
    new TypeError("run takes a sequencer of defineSequencer, received object"),
  ],
  [
    "resume",
    (given) => runtime.resume(given, "r"),
    "s",
    new TypeError("resume takes a sequencer of defineSequencer, received string"),
  ],
  [
    "recover",
    (given) => runtime.recover([given]),
    "s",
    new TypeError("recover takes sequencers of defineSequencer, received string"),
  ],
];

it.each(calls)("refuses a wrong %s", async (_, call, given, error) => {
  const refusal = await rejection((async () => call(given as never))());
  expect(refusal).toEqual(error);
  expect(refusal).toBeInstanceOf(error.constructor);
});

it("names what is no type of a scope, and what is no recipe", async () => {
  const types: unknown[] = [Symbol("session"), { toString: 5 }, undefined];
  const refused = types.map((type) => rejection(runtime.open(type as never, "a")));
  expect((await Promise.all(refused)).map(({ message }) => message.split(";")[0])).toEqual([
    'unknown scope type "symbol"',
    'unknown scope type "object"',
    'unknown scope type "undefined"',
  ]);
  for (const call of [
    runtime.transaction([chat], undefined as never),
    runtime.transact([chat], undefined as never),
    chat.update(undefined as never),
  ])
    expect(await rejection(call, "STATE_TYPE")).toMatchObject({ expected: "a recipe function" });
});

it("refuses to list runs once it is closed", async () => {
  const closed = createRuntime();
  await closed.close();
  const reading = closed.runs()[Symbol.asyncIterator]().next();
  await expect(reading).rejects.toMatchObject({ code: "RUNTIME_CLOSED" });
});
