/** Keyv and unstorage: values that are set at once, and read after a restart of the program. */
import { Keyv } from "keyv";
import { createStorage, type Driver } from "unstorage";
import type * as KeyvEntry from "../../src/keyv.ts";
import type { Runtime } from "../../src/index.ts";
import type * as UnstorageEntry from "../../src/unstorage.ts";
import { urlOf } from "../subject.ts";
import { onSqlite } from "./on-sqlite.ts";
import { atOnce, type Row, TURNS } from "./row.ts";

const { KeyvHoldfast }: typeof KeyvEntry = await import(urlOf("keyv"));
const { holdfastDriver }: typeof UnstorageEntry = await import(urlOf("unstorage"));

/** What both have in common. */
interface Values {
  readonly set: (key: string, value: number) => Promise<unknown>;
  readonly get: (key: string) => Promise<unknown>;
}

const work = "set a value, and read it after a restart";

/** Sets values, opens them anew, and counts those that are gone. */
async function lost(open: () => Values, restart: () => Promise<void>): Promise<number> {
  const before = open();
  await atOnce((at) => before.set(`${at}`, at));
  await restart();
  const after = open();
  let kept = 0;
  await atOnce(async (at) => {
    if ((await after.get(`${at}`)) === at) kept += 1;
  });
  return TURNS - kept;
}

const stored = (open: (runtime: Runtime) => Values): Promise<number> =>
  onSqlite((runtime, restart) => lost(() => open(runtime()), restart));

const ofKeyv = (keyv: Keyv): Values => ({
  set: (key, value) => keyv.set(key, value),
  get: (key) => keyv.get(key),
});

const ofDriver = (driver?: Driver): Values => {
  const storage = createStorage(driver === undefined ? {} : { driver });
  return {
    set: (key, value) => storage.setItem(key, value),
    get: (key) => storage.getItem(key),
  };
};

const nothing = (): Promise<void> => Promise.resolve();

/** The default store of both is a map; the adapters are on sqlite. */
export const keyValueRows: readonly Row[] = [
  {
    framework: "Keyv",
    adapter: "holdfast/keyv",
    work,
    own: () => lost(() => ofKeyv(new Keyv()), nothing),
    ours: () => stored((runtime) => ofKeyv(new Keyv({ store: new KeyvHoldfast({ runtime }) }))),
  },
  {
    framework: "unstorage",
    adapter: "holdfast/unstorage",
    work,
    own: () => lost(() => ofDriver(), nothing),
    ours: () => stored((runtime) => ofDriver(holdfastDriver({ runtime }))),
  },
];
