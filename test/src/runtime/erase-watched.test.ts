/** A call that another process makes right after an erasure, before it looks at the file by itself. */
import { join } from "node:path";
import { createRuntime } from "holdfast";
import { sqliteStore } from "holdfast/sqlite";
import { expect, it, onTestFinished } from "vitest";
import { testDirectory } from "../../support/directory.ts";
import { keepingLogger, until } from "../../support/waiting.ts";

const dir = testDirectory("erase-watched");

it("is no damage on sqlite, and goes on from nothing (F3)", async () => {
  const path = join(dir, "erased.db");
  const logger = keepingLogger();
  const [here, there] = [1, 2].map(() =>
    createRuntime({ store: sqliteStore({ path, synchronous: "normal" }), logger }),
  );
  if (here === undefined || there === undefined) throw new Error("there are two");
  onTestFinished(async () => {
    await here.close();
    await there.close();
  });
  for (let n = 0; n < 20; n += 1) {
    const id = `u${n}`;
    const written = await here.open<{ n: number }>("user", id);
    const scope = await there.open<{ n: number }>("user", id);
    for (let count = 0; count < 3; count += 1) await written.incState({ n: 1 });
    await until(() => scope.version === 3);
    expect(await here.erase({ type: "user", id })).toBe(true);
    expect(await scope.incState({ n: 5 })).toBe(true);
    expect([scope.state, scope.version]).toEqual([{ n: 5 }, 1]);
  }
  expect(logger.lines).toEqual([]);
});
