/** Several owners, exclusive sections, and the end of a store. */
import assert from "node:assert/strict";
import type { ExclusiveLease } from "../../actors/protocol.ts";
import { nextTurn } from "../../actors/time/soon.ts";
import type { StateStore } from "../stores/contract.ts";
import {
  commitOk,
  commitOne,
  drive,
  exclusiveOf,
  expectCode,
  expectConflict,
  expectStored,
  handle,
  type Lasting,
  lasting,
  listAll,
  loadOne,
  type SuiteCase,
  type SuiteSession,
  write,
} from "./suite-case.ts";

/** The lease of a section that lasts as long as its work; milliseconds. */
const SECTION_MS = 60_000;
/** The lease of a section that is outlasted or renewed. */
const BRIEF_MS = 1500;
const BUMPS = 12;

async function bump(store: StateStore, key: string): Promise<void> {
  for (;;) {
    const record = await loadOne(store, key);
    assert.ok(record);
    const next = write(key, record.version, Number(record.state) + 1);
    if ((await commitOne(store, next)).ok) return;
  }
}

/** Renews a lease when more than half of its time is over. */
async function renewLater(
  session: SuiteSession,
  time: Lasting,
  lease: ExclusiveLease | undefined,
): Promise<void> {
  await session.advance(BRIEF_MS * 0.6);
  await time.renews(async () => assert.equal(await lease?.renew(), true));
}

/** Claims about owners and closing. */
export const ownerCases: readonly SuiteCase[] = [
  {
    name: "P8 two stores on the same data see each other's writes and lose none",
    needs: ["second"],
    async run(session) {
      const { store } = session;
      const other = await session.second();
      await commitOk(store, write("n", 0, 0));
      const work = Array.from({ length: BUMPS }, () => [bump(store, "n"), bump(other, "n")]);
      await drive(session, Promise.all(work.flat()));
      await expectStored(store, "n", 1 + 2 * BUMPS, 2 * BUMPS);
      await expectStored(other, "n", 1 + 2 * BUMPS, 2 * BUMPS);
    },
  },
  {
    name: "exclusive resolves to the section's result, and passes its error on",
    needs: ["exclusive"],
    async run(session) {
      const exclusive = exclusiveOf(session.store);
      assert.equal(await exclusive("k", SECTION_MS, async () => "answer"), "answer");
      const failure = new Error("from the section");
      await assert.rejects(
        exclusive("k", SECTION_MS, () => Promise.reject(failure)),
        (error) => error === failure,
      );
      // The failed section released the key.
      assert.equal(
        await drive(
          session,
          exclusive("k", SECTION_MS, async () => 2),
        ),
        2,
      );
    },
  },
  {
    name: "sections of one key never overlap, sections of different keys may",
    needs: ["exclusive"],
    async run(session) {
      const exclusive = exclusiveOf(session.store);
      const release = handle();
      const events: string[] = [];
      const first = exclusive("k", SECTION_MS, async () => {
        events.push("first starts");
        await release.promise;
        events.push("first ends");
      });
      const second = exclusive("k", SECTION_MS, async () => {
        events.push("second");
      });
      await exclusive("other", SECTION_MS, async () => {
        events.push("other");
      });
      release.resolve();
      await drive(session, Promise.all([first, second]));
      assert.deepEqual(
        events.filter((event) => event !== "other"),
        ["first starts", "first ends", "second"],
      );
      assert.ok(events.indexOf("other") < events.indexOf("first ends"));
    },
  },
  {
    name: "the section's own commits pass, those of another store are conflicts with the record",
    needs: ["exclusive", "second"],
    async run(session) {
      const { store } = session;
      const other = await session.second();
      await commitOk(store, write("k", 0, { n: 1 }));
      await exclusiveOf(store)("k", SECTION_MS, async () => {
        expectConflict(await commitOne(other, write("k", 1, { n: 9 })), 1, { n: 1 });
        const mixed = await other.commit([write("k", 1, { n: 9 }), write("free", 0, { n: 1 })]);
        expectConflict(mixed[0], 1, { n: 1 });
        assert.equal(mixed[1]?.ok, true);
        await commitOk(store, write("k", 1, { n: 2 }));
      });
      await commitOk(other, write("k", 2, { n: 3 }));
    },
  },
  {
    name: "an absent key can have a section too",
    needs: ["exclusive", "second"],
    async run(session) {
      const other = await session.second();
      await exclusiveOf(session.store)("k", SECTION_MS, async () => {
        expectConflict(await commitOne(other, write("k", 0, { n: 9 })), 0, undefined);
        await commitOk(session.store, write("k", 0, { n: 1 }));
      });
      await expectStored(other, "k", 1, { n: 1 });
    },
  },
  {
    name: "a section that runs too long loses its key: others run, its commits are conflicts",
    needs: ["exclusive", "second"],
    async run(session) {
      const { store } = session;
      const other = await session.second();
      await commitOk(store, write("k", 0, { n: 1 }));
      await exclusiveOf(store)("k", BRIEF_MS, async () => {
        await session.advance(BRIEF_MS * 2);
        expectConflict(await commitOne(store, write("k", 1, { n: 9 })), 1, { n: 1 });
        await drive(
          session,
          exclusiveOf(other)("k", SECTION_MS, () => commitOk(other, write("k", 1, { n: 2 }))),
        );
      });
      await commitOk(store, write("k", 2, { n: 3 }));
    },
  },
  {
    name: "a renewed lease keeps its key past its first time, and a lost one is not renewed",
    needs: ["renewal", "second"],
    async run(session) {
      const { store } = session;
      const other = await session.second();
      await lasting(BRIEF_MS, async (time, key) => {
        await commitOk(store, write(key, 0, { n: 1 }));
        time.begin();
        await exclusiveOf(store)(key, BRIEF_MS, async (lease) => {
          assert.ok(lease);
          for (let step = 0; step < 2; step += 1) await renewLater(session, time, lease);
          await time.holds(async () =>
            expectConflict(await commitOne(other, write(key, 1, { n: 9 })), 1, { n: 1 }),
          );
          await time.holds(() => commitOk(store, write(key, 1, { n: 2 })));
          await session.advance(BRIEF_MS * 1.5);
          assert.equal(await lease.renew(), false);
          expectConflict(await commitOne(store, write(key, 2, { n: 9 })), 2, { n: 2 });
          await commitOk(other, write(key, 2, { n: 3 }));
          assert.equal(await lease.renew(), false);
        });
        await commitOk(store, write(key, 3, { n: 4 }));
      });
    },
  },
  {
    name: "an absent key is kept by a renewed lease",
    needs: ["renewal", "second"],
    async run(session) {
      const other = await session.second();
      await lasting(BRIEF_MS, async (time, key) => {
        await exclusiveOf(session.store)(key, BRIEF_MS, async (lease) => {
          for (let step = 0; step < 2; step += 1) await renewLater(session, time, lease);
          await time.holds(async () =>
            expectConflict(await commitOne(other, write(key, 0, { n: 9 })), 0, undefined),
          );
          await time.holds(() => commitOk(session.store, write(key, 0, { n: 1 })));
        });
        await expectStored(other, key, 1, { n: 1 });
      });
    },
  },
  {
    name: "a section waits for a renewed lease as long as it may, and its signal ends the wait",
    needs: ["renewal"],
    async run(session) {
      const exclusive = exclusiveOf(session.store);
      await lasting(BRIEF_MS, async (time, key) => {
        const abort = new AbortController();
        const done: string[] = [];
        let waiting: Promise<unknown> = Promise.resolve();
        await exclusive(key, BRIEF_MS, async (lease) => {
          const wait = { waitMs: Infinity };
          waiting = Promise.all([
            exclusive(key, BRIEF_MS, async () => done.push("second"), wait),
            assert.rejects(
              exclusive(key, BRIEF_MS, async () => done.push("never"), {
                ...wait,
                signal: abort.signal,
              }),
              (error) => error === "changed my mind",
            ),
          ]);
          waiting.catch(() => undefined); // It is awaited below.
          for (let step = 0; step < 2; step += 1) await renewLater(session, time, lease);
          abort.abort("changed my mind");
          done.push("first");
        });
        await time.holds(async () => {
          await drive(session, waiting);
          assert.deepEqual(done, ["first", "second"]);
        });
      });
    },
  },
  {
    name: "closing waits for running work; later calls fail with STORE_CLOSED, each of them",
    async run({ store }) {
      const running = commitOne(store, write("k", 0, 1));
      await store.close();
      assert.deepEqual(await running, { ok: true, version: 1 });
      await expectCode(() => store.load(["k"]), "STORE_CLOSED");
      await expectCode(() => store.commit([write("k", 1, 2)]), "STORE_CLOSED");
      for (const limit of store.supports.list ? [Infinity, 0] : [])
        await expectCode(() => listAll(store, { limit }), "STORE_CLOSED");
      if (store.exclusive !== undefined)
        await expectCode(async () => store.exclusive?.("k", 1, async () => 1), "STORE_CLOSED");
      if (store.watch !== undefined)
        await expectCode(async () => store.watch?.(() => undefined), "STORE_CLOSED");
      await store.close();
    },
  },
  {
    name: "what it declares is what it has",
    async run({ store }) {
      assert.equal(typeof store.name, "string");
      if (store.supports.watch) assert.equal(typeof store.watch, "function");
      if (store.supports.exclusive) assert.equal(typeof store.exclusive, "function");
    },
  },
  {
    name: "one that says it is immediate waits for no turn of the event loop",
    needs: ["immediate"],
    async run({ store }) {
      let done = "";
      const work = commitOk(store, write("k", 0, 1))
        .then(() => (done += "committed "))
        .then(() => loadOne(store, "k"))
        .then(() => (done += "loaded"));
      await new Promise<void>((resolve) => nextTurn(resolve));
      assert.equal(done, "committed loaded");
      await work;
    },
  },
];
