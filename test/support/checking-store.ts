/** A store whose checks are answered by loads, and may be answered wrongly. */
import type { StateStore, VersionCheck, WriteResult } from "../../src/stores/contract.ts";
import { checkWrites } from "../../src/stores/shared/writes.ts";

/** Answers checks one by one from what a load gives. */
export async function answersByLoad(
  inner: StateStore,
  checks: readonly VersionCheck[],
): Promise<WriteResult[]> {
  checkWrites([], checks);
  const found = await inner.load(checks.map(({ key }) => key));
  return checks.map(({ expectedVersion: version }, at) => {
    const current = found[at];
    return (current?.version ?? 0) === version ? { ok: true, version } : { ok: false, current };
  });
}

/** `inner` with checks that `answer` answers before the writes; without atomic batches. */
export function checking(
  inner: StateStore,
  answer: (checks: readonly VersionCheck[]) => Promise<WriteResult[]> = (checks) =>
    answersByLoad(inner, checks),
): StateStore {
  return {
    name: inner.name,
    supports: { ...inner.supports, transactions: false, checks: true },
    load: (keys) => inner.load(keys),
    async commit(writes, { checks = [] } = {}) {
      const answers = checks.length === 0 ? [] : await answer(checks);
      return [...(await inner.commit(writes)), ...answers];
    },
    list: (query) => inner.list(query),
    ...(inner.exclusive === undefined ? {} : { exclusive: inner.exclusive.bind(inner) }),
    ...(inner.history === undefined ? {} : { history: inner.history.bind(inner) }),
    close: () => inner.close(),
  };
}
